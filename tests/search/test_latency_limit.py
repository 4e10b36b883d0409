"""What a limit's text means, and what is said of a wrong one."""

import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.flags import config_from_flags, define_flags
from bertnas_jax.latency.devices import core_sets, device_names, load_profile
from bertnas_jax.search.config import BudgetConfig, SearchConfig
from bertnas_jax.search.latency_limit import LatencyLimit, Place, limits_of, parse_limit
from tests.conftest import REPOSITORY


def test_all_of_it_may_be_said():
    place = Place("pixel_4", "1 large + 1 medium", "tflite", "int8", 2, 128)
    assert parse_limit("pixel_4/1 large + 1 medium/tflite/int8/128: 30", 64) == LatencyLimit(place, 30.0)
    assert parse_limit(" pixel_4 / 1large+1medium / tflite / int8 / 128 :30 ms", 64) == LatencyLimit(place, 30.0)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("pixel_6/2 large: 12x", LatencyLimit(Place("pixel_6", "2 large", "tflite", "float32", 2, 64), 0.0, 12.0)),
        ("galaxy_s20/gpu: 2.5", LatencyLimit(Place("galaxy_s20", "gpu", "tflite", "float16", 1, 64), 2.5)),
        ("galaxy_s20/gpu/tvm: 9", LatencyLimit(Place("galaxy_s20", "gpu", "tvm", "float32", 1, 64), 9.0)),
        ("pixel_4/4 small/tvm: 9", LatencyLimit(Place("pixel_4", "4 small", "tvm", "float32", 4, 64), 9.0)),
        ("galaxy_s20/3 medium/tvm/int8_accurate: 9", LatencyLimit(Place("galaxy_s20", "3 medium", "tvm", "int8_accurate", 3, 64), 9.0)),
        ("host/2 threads: 9", LatencyLimit(Place("host", "2 threads", "tvm", "float32", 2, 64), 9.0)),
        ("host/1 thread/tvm/int8_fast: 9", LatencyLimit(Place("host", "1 thread", "tvm", "int8_fast", 1, 64), 9.0)),
    ],
)
def test_what_is_left_out_has_its_default(text, limit):
    assert parse_limit(text, 64) == limit


def test_an_energy_is_how_long_the_cores_may_be_busy_for_it():
    profile = load_profile("pixel_4")
    large, medium = (cluster.active_watts.value for cluster in profile.cpu.clusters[:2])
    limit = parse_limit("pixel_4/1 large + 2 medium: 20mJ", 64)
    assert limit.latency_ms == pytest.approx(20 / (large + 2 * medium)) and limit.energy_mj == 20
    assert limit.place.energy_mj(limit.latency_ms) == pytest.approx(20)
    assert parse_limit("pixel_4/1 large + 2 medium: 20 mJ", 64) == limit
    assert parse_limit("galaxy_s20/gpu: 2.5", 64).place.energy_mj(1.0) is None and parse_limit("iphone_7/1 large: 2.5", 64).place.active_watts is None


phones = st.sampled_from([name for name in device_names() if name != "host"])


@given(phones, st.data(), st.floats(0.01, 1e5))
def test_every_core_set_of_every_phone_may_be_named(device, data, latency_ms):
    cores = data.draw(st.sampled_from(core_sets(load_profile(device))))
    limit = parse_limit(f"{device}/{cores}: {latency_ms!r}", 32)
    assert (limit.place.device, limit.place.cores, limit.latency_ms) == (device, cores, latency_ms)
    place = limit.place
    assert parse_limit(f"{place.device}/{place.cores}/{place.runtime}/{place.dtype}/{place.seq_len}: {latency_ms!r}", 64) == limit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pixel_4: 30", r"must be DEVICE/CORES/RUNTIME/DTYPE/TOKENS: MS, got 'pixel_4: 30'; e.g. .*pixel_4 has 1 large, 3 medium, 4 small and a gpu"),
        ("fast", "must be DEVICE/CORES/RUNTIME/DTYPE/TOKENS: MS, got 'fast'"),
        ("pixle_4/1 large: 3", "device must have a profile, got 'pixle_4'; the nearest are pixel_4"),
        ("pixel_4/9 large: 3", "which has 1 large, 3 medium, 4 small, got '9 large'; the nearest are '1 large'"),
        ("pixel_4/1 large/onnx: 3", "the runtime on cores must be one of tflite, tvm, got 'onnx'; the nearest: tflite, tvm"),
        ("pixel_4/1 large/tflight: 3", "got 'tflight'; the nearest: tflite$"),
        ("pixel_4/1 large/tvm/int8: 3", "the dtype of tvm on cores must be one of float32, int8_accurate, int8_fast, got 'int8' on pixel_4"),
        ("pixel_4/1 large/tflite/int8_full: 3", "the dtype of tflite on cores must be one of float32, int8, got 'int8_full'"),
        ("iphone_xs/1 large/tvm: 3", "the runtime on iphone_xs must be tflite, got 'tvm'; its system loads no library"),
        ("galaxy_a03s/1 large/tvm/int8_accurate: 3", "galaxy_a03s's Cortex-A53 must have a rate for int16 to be priced, got null"),
        ("pixel_4/1 large/tflite/float16: 3", "the dtype of tflite on cores must be one of"),
        ("pixel_4/gpu/tflite/int8: 3", "dtype of tflite on a gpu must be one of float16, got 'int8'"),
        ("pixel_4/gpu/tvm/float16: 3", "dtype of tvm on a gpu must be one of float32, got 'float16'"),
        ("iphone_xs/gpu/tvm: 3", "the runtime on iphone_xs must be tflite"),
        ("raspberry_pi_4/gpu: 4", "raspberry_pi_4 must have a GPU in its profile"),
        ("pixel_4/1 large/tflite/float32/4: 3", "tokens of a limit must be 8 to 512, got '4'"),
        ("pixel_4/1 large: -3", "a limit must allow ms above 0, such as 30, a factor such as 12x or an energy such as 20mJ, got '-3'"),
        ("pixel_4/1 large: nan", "got 'nan'"),
        ("iphone_7/1 large: 3 mJ", "cores whose power was measured, got iphone_7, 1 large; give ms, or cores of galaxy_s10, galaxy_s20,"),
        ("pixel_4/gpu: 3 mJ", "a limit in mJ must be of cores whose power was measured, got pixel_4, gpu"),
        ("host/1 thread: 3 mJ", "cores whose power was measured, got host, 1 thread"),
        ("pixel_4/1 large: 0 mJ", "an energy such as 20mJ, got '0 mJ'"),
        ("host/1 large: 3", "cores of host must be threads, .* got '1 large'"),
        ("host/1 thread/tflite: 3", "limit of the host must be for tvm, got 'tflite'"),
        ("host/1 thread/tvm/float16: 3", "dtype of a limit of the host must be one of float32, int8_accurate, int8_fast, got 'float16'"),
    ],
)
def test_a_wrong_text_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_limit(text, 64)


def test_that_of_the_hosts_own_flags_is_the_first():
    limits = limits_of(BudgetConfig(latency_ms=5.0, threads=2, limits=("pixel_4/1 large: 30",)))
    assert [(limit.place.device, limit.place.threads, limit.latency_ms) for limit in limits] == [("host", 2, 5.0), ("pixel_4", 1, 30.0)]


@pytest.mark.parametrize(
    "budget",
    [
        BudgetConfig(latency_ms=5.0, precision="int8_fast"),
        BudgetConfig(limits=("pixel_4/1 large: 30", "host/1 thread: 5"), precision="int8_fast"),
        BudgetConfig(limits=("host/1 thread/tvm/int8_fast: 5",)),
        BudgetConfig(limits=("host/1 thread/tvm/int8_fast: 5",), precision="int8_fast"),
    ],
)
def test_the_precision_is_that_of_the_host_alone(budget):
    assert {limit.place.device: limit.place.dtype for limit in limits_of(budget)} in ({"host": "int8_fast"}, {"host": "int8_fast", "pixel_4": "float32"})


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (BudgetConfig(limits=("pixel_4/1 large: 30", "pixel_4/1large/tflite: 20")), "two for pixel_4, 1 large, tflite float32, 64 tokens"),
        (BudgetConfig(latency_ms=5.0, limits=("host/2 threads: 3",)), "at most one of the host, got 1 thread and 2 threads"),
        (BudgetConfig(limits=("host/2 threads/tvm/float32/32: 3",)), "must be for --seq_len=64, got 32 tokens"),
        (BudgetConfig(limits=("host/2 threads/tvm/int8_fast: 3",), precision="int8_accurate"), "got int8_accurate and one of int8_fast; leave one"),
        (BudgetConfig(limits=("pixel_4/1 large: 30",), precision="int8_fast"), "precision must be that of a limit of the host, got int8_fast and none"),
    ],
)
def test_limits_that_do_not_go_together_are_refused(budget, message):
    with pytest.raises(ValueError, match=message):
        limits_of(budget)


@pytest.mark.parametrize(("name", "places"), [("quickstart", 1), ("host_cpu", 1), ("pixel4_cpu", 1), ("snapdragon865_gpu", 1), ("multi_device", 3)])
def test_the_budgets_of_the_flagfiles_are_of_places_that_there_are(name, places):
    values = flags.FlagValues()
    define_flags(SearchConfig, values)
    values(["program", f"--flagfile={REPOSITORY / 'configs' / name}.cfg"])
    assert len(limits_of(config_from_flags(SearchConfig, values).budget)) == places
