"""Our kernels on GPUs that nobody timed them on: what a price can be held against without a measurement."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler.gpu_launches import GpuLaunch
from bertnas_jax.latency.devices import described_devices, load_profile
from bertnas_jax.latency.simulate import Setting, known_by, load_gpu_calibration, price_table, runtime_on, simulate
from bertnas_jax.latency.simulate.opencl_roofline import LIMITS, price_opencl
from bertnas_jax.space import Layer, SearchSpace, Subnet

CALIBRATION = load_gpu_calibration()
SPACE = SearchSpace(Subnet.uniform(3, 64, 2, 96), (1, 2, 3), (32, 64), (1, 2), (48, 96))
SETTING = Setting(load_profile("galaxy_s20"), "gpu", "tvm", "float32", 16)
WORK = ("flops", "bytes", "requested_bytes", "steps")
gpus = st.sampled_from([profile.gpu for profile in map(load_profile, described_devices()) if profile.gpu])
numbers = st.integers(0, 10**10)
launches = st.builds(GpuLaunch, st.just("any"), numbers, numbers, numbers, st.integers(1, 10**5), st.integers(1, 10**5), st.just(64), st.just(0))


def price(launch, gpu):
    return price_opencl([launch], gpu, CALIBRATION.fit.constants, CALIBRATION.fit.deviation(gpu.name))


@settings(deadline=None)
@given(launches, gpus)
def test_no_price_is_below_the_roofline(launch, gpu):
    told = price(launch, gpu)
    compute_us, memory_us = launch.flops / gpu.float32_gflops.value / 1e3, launch.bytes / gpu.dram_gb_s.value / 1e3
    assert told.total_us[0] >= max(compute_us, memory_us) * (1 - 1e-9) + told.launch_us[0] > 0
    assert told.limits()[0] in LIMITS


@settings(deadline=None)
@given(launches, gpus, st.sampled_from(WORK), st.integers(1, 10**9))
def test_more_work_never_takes_less(launch, gpu, name, more):
    larger = dataclasses.replace(launch, **{name: getattr(launch, name) + more})
    assert price(larger, gpu).total_us[0] >= price(launch, gpu).total_us[0] * (1 - 1e-12)


@settings(deadline=None)
@given(launches, gpus, st.sampled_from(("clock_ghz", "float32_gflops", "float16_gflops", "texture_gb_s", "dram_gb_s")), st.floats(1.0, 10.0))
def test_a_faster_gpu_never_takes_more(launch, gpu, name, times):
    figure = getattr(gpu, name)
    faster = dataclasses.replace(gpu, **{name: dataclasses.replace(figure, value=figure.value * times)})
    assert price(launch, faster).total_us[0] <= price(launch, gpu).total_us[0] * (1 + 1e-12)


def test_a_gpu_that_was_measured_is_unknown_to_other_kernels():
    measured = Setting(load_profile("pixel_4"), "gpu", "tflite", "float16", 16)
    assert known_by(measured)[1] == "measured device"
    assert known_by(dataclasses.replace(measured, runtime="tvm", dtype="float32"))[1] == "specifications"


@pytest.mark.slow
def test_the_table_is_the_sum_of_the_launches():
    rng, table = random.Random(0), price_table(SETTING, SPACE)
    subnets = [SPACE.smallest, SPACE.largest, Subnet(64, 32, (Layer(2, 48), Layer(1, 96))), SPACE.sample(rng)]
    summed = []
    for subnet in subnets:
        told = simulate(SETTING, runtime_on("gpu", "tvm").kernels(SETTING, subnet))
        assert told.total_ms == pytest.approx(sum(kernel.times * kernel.us for kernel in told.kernels) / 1e3)
        assert all(kernel.us > kernel.overhead_us > 0 for kernel in told.kernels) and told.knowledge == "specifications"
        summed.append(told.total_ms)
    np.testing.assert_allclose(table.price_ms(*table.encode(subnets)), summed, rtol=1e-9)


def test_a_work_group_with_more_local_memory_than_the_gpu_has_is_refused():
    launch, gpu = GpuLaunch("rows", 10, 10, 10, 1, 1, 64, local_bytes=32 << 10), load_profile("pixel_4").gpu
    assert price(launch, gpu).total_us[0] > 0
    with pytest.raises(ValueError, match="a work-group of rows must need at most the 32 KiB of local memory of Adreno 640, got 32769 bytes"):
        price(dataclasses.replace(launch, local_bytes=(32 << 10) + 1), gpu)
