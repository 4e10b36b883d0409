import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.latency.devices import described_devices, load_profile
from bertnas_jax.latency.simulate import encoder_operators, load_gpu_calibration, simulate_gpu
from bertnas_jax.latency.simulate.gpu_roofline import GpuMachine, price_gpu
from bertnas_jax.latency.simulate.work import KernelWork
from bertnas_jax.space import Subnet

FIT = load_gpu_calibration().fit
DEVICES = [profile for profile in map(load_profile, described_devices()) if profile.gpu]
devices, gpus = st.sampled_from(DEVICES), st.sampled_from([profile.gpu for profile in DEVICES])
shapes = st.tuples(st.integers(1, 5000), st.integers(1, 2048), st.integers(1, 2048))


def price_us(shape, gpu):
    sizes = (np.array([size], float) for size in shape)
    return float(price_gpu(*sizes, GpuMachine.of([gpu]), FIT.constants, FIT.deviation(gpu.name)).total_us[0])


@settings(deadline=None)
@given(shapes, gpus)
def test_no_price_is_below_the_peak(shape, gpu):
    assert price_us(shape, gpu) >= 2 * np.prod(shape, dtype=float) / gpu.float16_gflops.value / 1e3


@given(st.integers(1, 10**9), devices)
def test_what_passes_through_memory_once_is_no_faster_than_it(moved_bytes, device):
    kernel = KernelWork("any", "float16", elements=1.0, kind="plain_float32", moved_bytes=moved_bytes)
    assert 1e3 * simulate_gpu([kernel], device, load_gpu_calibration()).total_ms >= moved_bytes / device.gpu.dram_gb_s.value / 1e3


@settings(deadline=None)
@given(shapes, gpus, st.integers(0, 2), st.integers(1, 500))
def test_a_larger_product_never_takes_less(shape, gpu, axis, more):
    larger = tuple(size + more * (i == axis) for i, size in enumerate(shape))
    assert price_us(larger, gpu) >= price_us(shape, gpu)


def test_what_has_no_price_is_refused():
    calibration, kernels = load_gpu_calibration(), encoder_operators(Subnet.uniform(1, 64, 2, 128), 16, "float32")
    with pytest.raises(ValueError, match="dtype on a GPU must be float16"):
        simulate_gpu(kernels, load_profile("pixel_4"), calibration)
    with pytest.raises(ValueError, match="raspberry_pi_4 must have a GPU"):
        simulate_gpu(kernels, load_profile("raspberry_pi_4"), calibration)
