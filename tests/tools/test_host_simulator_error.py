"""The tool on a space of a few dozen Subnets: constants that made the latencies are found again."""

import contextlib
import json
import random

import numpy as np
import pytest

from bertnas_jax.benchmark.beside_the_peak import RUNTIMES, Built
from bertnas_jax.latency.devices import core_set, load_profile
from bertnas_jax.latency.simulate import CpuFit, FusedConstants, PhoneTable, load_cpu_calibration
from bertnas_jax.latency.simulate.constants import CpuConstants
from bertnas_jax.space import SearchSpace, Subnet
from tools import host_simulator_error as tool

pytestmark = pytest.mark.slow
SPACE = SearchSpace(Subnet.uniform(4, 64, 2, 128), (1, 2, 4), (64,), (1, 2), (64, 128))
SETTINGS = tool.Settings(design=8, subnets=10, threads=(1, 2), seq_len=16, rounds=2, seed=0)
# What made the latencies: far from the priors' means, in what these Subnets spend their time on.
TRUTH = {
    "tvm": CpuFit(FusedConstants(dispatch_cycles=9000.0, sync_cycles=2500.0, vector_share=0.2), {}),
    "tvm_int8_accurate": CpuFit(FusedConstants(dispatch_cycles=7000.0, sync_cycles=3000.0, vector_share=0.25), {}),
    "tflite": CpuFit(CpuConstants(dispatch_cycles=2000.0, cycles_plain_float32=30.0), {}),
}


@pytest.fixture(scope="module")
def predictor():
    return tool.Predictor(SPACE, load_profile("host"), SETTINGS.seq_len)


def test_constants_that_made_the_latencies_are_found_again(predictor, tmp_path):
    design, others = tool.choose(SPACE, predictor, SETTINGS)
    assert len(design) == 8 and len(others) == 10 and not set(design) & set(others)
    assert tool.choose(SPACE, predictor, SETTINGS) == (design, others)

    def latency(runtime, subnet, threads):
        ms = float(PhoneTable([predictor.row(runtime, subnet, threads)]).latency_ms(TRUTH[runtime])[0])
        return {"median_ms": ms, "at_peak_ms": 0.95 * ms}  # as if the clock had been below the profile's

    records = {
        subnet.describe(): {"threads": {str(n): {name: latency(name, subnet, n) for name in TRUTH} for n in SETTINGS.threads}}
        for subnet in [*design, *others]
    }
    (tmp_path / tool.RECORDS).write_text(json.dumps(records))
    found = tool.evaluate(predictor, design, others, records, tmp_path, SETTINGS)
    for each in found.values():
        assert each["calibrated"]["within_10_percent"] == 1 and each["calibrated"]["mape"] < 0.01
        assert each["calibrated"]["mape"] < each["before_any_fit"]["mape"]
        assert each["calibrated_at_peak"]["mape"] < 0.02
    kept = load_cpu_calibration(tmp_path / "calibration_tvm.json")
    assert kept.runtime == "tvm" and kept.for_kernels_of("tvm").knowledge(core_set(load_profile("host"), "2 large")) == "measured cores"
    assert set(kept.measured) == {"host, 1 large", "host, 2 large"} and kept.provenance["held_out"]["models"]["rows"] == 16


def test_a_folder_goes_on_and_is_evaluated_as_far_as_it_went(tmp_path, monkeypatch, predictor):
    folder, held, prepared, stops = tmp_path / "work", [], [], [11]

    @contextlib.contextmanager
    def quiet():
        held.append(True)
        yield
        held.pop()

    def prepare(subnet, settings):
        assert not held
        if len(prepared) in stops:
            raise KeyboardInterrupt
        prepared.append(subnet.describe())
        return Built(subnet, {})

    def measure(built, settings, peaks, core_gflops):
        assert held and set(peaks) == {1, 2}
        times = {runtime: {"median_ms": 1.0 + len(prepared), "at_peak_ms": 1.0} for runtime in RUNTIMES}
        return {"threads": {str(threads): times | {"peak_gflops": 2.0 * core_gflops} for threads in settings.threads}}

    monkeypatch.setattr(tool, "Predictor", lambda *given: predictor)
    monkeypatch.setattr(tool, "prepare", prepare)
    monkeypatch.setattr(tool, "measure", measure)
    monkeypatch.setattr(tool, "evaluate", lambda predictor, design, others, *given: {})
    with pytest.raises(ValueError, match="records must be of a design and of others to be evaluated, got 0 and 0"):
        tool.run(folder, SETTINGS, SPACE, tmp_path, only_evaluate=True)
    with pytest.raises(KeyboardInterrupt):
        tool.run(folder, SETTINGS, SPACE, tmp_path, quiet=quiet)
    monkeypatch.setattr(tool, "choose", lambda *given: pytest.fail("the choice is that of the folder"))
    result = json.loads(tool.run(folder, SETTINGS, SPACE, tmp_path, only_evaluate=True).read_text())
    assert [line["subnet"] for line in result["subnets"]] == prepared
    # Those of the design come among the others, wherever the machine's clock moves to.
    assert set(result["design"]) < set(prepared) and 1 < len(result["design"]) < 8 and result["design"] != prepared[: len(result["design"])]
    assert result["peak_spread"] == {"1": 1.0, "2": 1.0} and not list(tmp_path.glob("*.json"))
    prepared.clear()
    stops.clear()
    path = tool.run(folder, SETTINGS, SPACE, tmp_path, quiet=quiet)
    result = json.loads(path.read_text())
    assert len(prepared) == 7 + 8 and len(result["subnets"]) == 18 and path.parent == tmp_path
    assert {line["subnet"] for line in result["again"]} == set(result["design"]) == set(prepared[7:])


def test_errors_by_hand():
    figures = tool.errors(np.array([1.0, 2.0, 4.0]), np.array([1.05, 2.0, 5.0]), np.array([1.0, 3.0, 2.0]))
    assert figures["within_10_percent"] == pytest.approx(2 / 3)
    assert figures["mape"] == pytest.approx((0.05 + 0 + 0.25) / 3)
    assert figures["kendall_tau_of_simulator"] == 1
    assert figures["kendall_tau_of_flops"] == pytest.approx(1 / 3)  # two pairs of three in order


def test_what_a_measurement_is_worth_is_told_of_those_measured_twice():
    def lines(factor):
        times = [{runtime: {"median_ms": factor * (1.0 + i), "at_peak_ms": 1.0 + i} for runtime in RUNTIMES} for i in range(4)]
        return [{"subnet": subnet.describe(), "threads": {"1": one}} for subnet, one in zip(subnets, times, strict=True)]

    subnets = [SPACE.sample(random.Random(seed)) for seed in range(4)]
    assert len(set(subnets)) == 4
    records = {line["subnet"]: line for line in lines(1.0)}
    told = tool.repeated(records, lines(1.1), subnets)["tvm, 1 threads"]
    assert told["as_measured"] == {"pairs": 4, "log_deviation": pytest.approx(0.0, abs=1e-9), "kendall_tau_of_truth": 1.0}, "a factor of all is no spread"
    assert tool.repeated(records, lines(1.1)[:2], subnets) == {}
