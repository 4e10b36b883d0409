import dataclasses

import pytest

from bertnas_jax.latency.config import LatencyConfig
from bertnas_jax.latency.on_device import measure_on_device, record_of
from bertnas_jax.space import Subnet

SUBNET = Subnet.uniform(2, 32, 4, 48)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({}, "one of --tracker and --adb, got neither"),
        ({"adb": True, "tracker": "host:9190"}, "one of --tracker and --adb, got both"),
        ({"adb": True}, "tflite or c with --adb, got tvm with --adb"),
        ({"tracker": "host:9190", "runtime": "c"}, "tflite or c with --adb, got c with --tracker"),
        ({"adb": True, "runtime": "c"}, "model_file must be given to measure c"),
        ({"adb": True, "runtime": "c", "model_file": "m"}, "subnet must be given to measure c"),
        ({"adb": True, "runtime": "tflite", "model_file": "m", "subnet": "s"}, "benchmark_model must be given"),
        ({"tracker": "host:9190", "model_file": "m", "subnet": "s"}, "key must be given to measure tvm"),
        ({"tracker": "host:9190", "model_file": "m,n", "subnet": "s", "key": "k"}, "subnet must name as many files as model_file, got 1 and 2"),
    ],
)
def test_what_is_not_given_is_named_before_any_work(knobs, message):
    with pytest.raises(ValueError, match=message):
        measure_on_device(LatencyConfig(measure=True, **knobs))


def test_a_missing_adb_ends_it_and_leaves_no_record(monkeypatch, tmp_path):
    (tmp_path / "subnet.json").write_text(SUBNET.to_json())
    monkeypatch.setenv("PATH", str(tmp_path))
    paths = {"model_file": str(tmp_path), "subnet": str(tmp_path / "subnet.json"), "out": str(tmp_path / "latency.jsonl")}
    with pytest.raises(RuntimeError, match="adb must be on the PATH"):
        measure_on_device(LatencyConfig(measure=True, adb=True, runtime="c", **paths))
    assert not (tmp_path / "latency.jsonl").exists()


def test_a_record_holds_the_conditions_of_its_measurement():
    config = LatencyConfig(measure=True, adb=True, runtime="c", threads=3, seq_len=40, dtype="int8")
    record = record_of(config, SUBNET, "Pixel 4", 2.0, 2.5, 50)
    assert (record.source, record.device, record.runtime, record.dtype, record.cores) == ("measured", "Pixel 4", "c", "int8", "1 large")
    assert record_of(dataclasses.replace(config, core_set="any"), SUBNET, "Pixel 4", 2.0, 2.5, 50).cores == ""
    assert (record.threads, record.seq_len, record.median_ms, record.p90_ms, record.runs) == (3, 40, 2.0, 2.5, 50)
