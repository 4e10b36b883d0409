"""The tool on a tiny model: without fusion there is more of everything."""

import json

import pytest

from bertnas_jax.latency.devices import load_profile
from tools import simulated_fusion as tool

pytestmark = pytest.mark.slow


def test_without_fusion_there_are_more_calls_bytes_and_milliseconds(tmp_path):
    shapes = ((2, 64, 2, 128, 16), (1, 64, 2, 128, 16))
    told = json.loads(tool.run(load_profile("galaxy_s20"), ["1 large", "1 large + 3 medium"], shapes, tmp_path).read_text())
    assert told["source"] == "simulated" and told["device"] == "galaxy_s20" and set(told["claims_of_the_paper"]) == set(tool.CLAIMS)
    for row in told["shapes"]:
        for found in row["cpu"].values():
            versions = found["versions"]
            assert set(versions) == set(tool.VERSIONS) and versions["all"]["of_all"] == 1
            least, most = versions["all"], versions["nothing fused"]
            assert most["calls"] > 2 * least["calls"] and most["ms"] > least["ms"] and most["of_all"] == pytest.approx(most["ms"] / least["ms"], abs=0.02)
            assert found["interval_of_all_ms"][0] < least["ms"] < found["interval_of_all_ms"][1] and found["known_by"] == "specifications"
        least, most = row["gpu"]["all"], row["gpu"]["nothing fused"]
        assert all(most[name] > least[name] for name in ("calls", "launches", "megabytes", "launch_ms", "traffic_ms"))
        assert most["launch_ms"] / most["launches"] == pytest.approx(least["launch_ms"] / least["launches"], rel=0.02)
    first, second = (row["cpu"]["1 large"] for row in told["shapes"])
    assert first["times_as_fast_as_the_first_shape"] == 1 < second["times_as_fast_as_the_first_shape"]
