"""A Subnet on a device in, the price of each of its kernels, their sum and its interval out."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bertnas_jax.latency.devices import CoreSet, DeviceProfile
from bertnas_jax.latency.simulate.calibrate import CpuFit
from bertnas_jax.latency.simulate.calibration import Calibration
from bertnas_jax.latency.simulate.constants import Deviation
from bertnas_jax.latency.simulate.cpu_roofline import CpuPrice, Drawn, price_cpu
from bertnas_jax.latency.simulate.gpu_roofline import GPU_DTYPE, GpuDeviation, GpuMachine, gpu_of, passing_us, price_gpu
from bertnas_jax.latency.simulate.gpu_rows import GpuFit
from bertnas_jax.latency.simulate.machine import check_dtype, cpu_machine
from bertnas_jax.latency.simulate.opencl_roofline import price_opencl
from bertnas_jax.latency.simulate.work import KernelWork, Work, WorkBatch

if TYPE_CHECKING:
    from bertnas_jax.compiler.gpu_launches import GpuLaunch  # TVM takes seconds to load


@dataclasses.dataclass(frozen=True)
class PricedKernel:
    """A kernel or a launch of one, how often it runs, what one run takes, what of it is starting it, and what it mostly goes to."""

    work: Work
    times: int
    us: float
    overhead_us: float
    limit: str


@dataclasses.dataclass(frozen=True)
class Simulation:
    """The kernels of a model on a device in the order they first run; `knowledge` says what the interval rests on."""

    kernels: tuple[PricedKernel, ...]
    knowledge: str
    log_half_width: float

    @property
    def total_ms(self) -> float:
        return sum(kernel.times * kernel.us for kernel in self.kernels) / 1e3

    @property
    def low_ms(self) -> float:
        return self.total_ms * math.exp(-self.log_half_width)

    @property
    def high_ms(self) -> float:
        return self.total_ms * math.exp(self.log_half_width)


def price_on_cpu(kernels: Sequence[KernelWork], cores: CoreSet, fit: CpuFit) -> CpuPrice:
    """The price of kernels, whoever compiled them, on a set of cores.

    Raises:
      ValueError: a core has no rate for a kernel's dtype.
    """
    for dtype in sorted({kernel.dtype for kernel in kernels}):
        check_dtype(cores, dtype)
    own = np.array([dataclasses.astuple(fit.deviation(cores.device.name, cluster.core)) for _, cluster in cores.parts]).T
    work, machine = WorkBatch.of(kernels), cpu_machine([cores])
    return price_cpu(work, machine, Drawn.of(work, machine), fit.constants, Deviation(*own[:, None, :]))


def simulate_cpu(kernels: Sequence[KernelWork], cores: CoreSet, calibration: Calibration) -> Simulation:
    """The kernels of one run on a set of cores.

    Raises:
      ValueError: a core has no rate for a kernel's dtype.
    """
    counts = Counter(kernels)
    price = price_on_cpu(list(counts), cores, calibration.fit)
    return _simulation(counts, price.total_us, price.overhead_us, price.limits(), calibration, calibration.knowledge(cores))


def simulate_gpu(kernels: Sequence[KernelWork], device: DeviceProfile, calibration: Calibration) -> Simulation:
    """The kernels of one run on the device's GPU; only products were calibrated, the rest is launch and bandwidth.

    Raises:
      ValueError: the device has no GPU, or a kernel is not in halves.
    """
    gpu, fit, counts = gpu_of(device), calibration.fit, Counter(kernels)
    for kernel in counts:
        if kernel.dtype != GPU_DTYPE:
            raise ValueError(f"dtype on a GPU must be {GPU_DTYPE}, got {kernel.dtype!r} of {kernel.name}; price it on cores of the CPU")
    machine, deviation = GpuMachine.of([gpu]), fit.deviation(gpu.name)
    total_us, started_us, limits = _gpu_us(list(counts), machine, fit, deviation)
    return _simulation(counts, total_us, started_us, limits, calibration, calibration.gpu_knowledge(gpu.name))


def simulate_opencl(launches: Sequence[GpuLaunch], device: DeviceProfile, calibration: Calibration) -> Simulation:
    """The launches of one run of our own kernels on the device's GPU, by the constants of another runtime's.

    Raises:
      ValueError: the device has no GPU.
    """
    gpu, counts = gpu_of(device), Counter(launches)
    price = price_opencl(list(counts), gpu, calibration.fit.constants, calibration.fit.deviation(gpu.name))
    return _simulation(counts, price.total_us, price.launch_us, price.limits(), calibration, calibration.gpu_knowledge(gpu.name))


def _gpu_us(
    kernels: Sequence[KernelWork], machine: GpuMachine, fit: GpuFit, deviation: GpuDeviation
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Of each kernel all of its time, what of it is the launch, and what bounds it."""
    work = WorkBatch.of(kernels)
    # A batch of products fills the GPU as one with as many rows; an elementwise kernel is a product of no steps.
    price = price_gpu(np.maximum(1, work.batch) * work.rows, work.inner, work.columns, machine, fit.constants, deviation)
    moved_us = passing_us(work.moved_bytes, machine.dram_gb_s, machine.texture_gb_s, fit.constants, deviation)
    is_product = work.rows > 0
    limits = [limit if product else "memory" for limit, product in zip(price.limits(), is_product, strict=True)]
    return np.where(is_product, price.total_us, price.launch_us + moved_us), price.launch_us, limits


def _simulation(counts: Counter, total_us, overhead_us, limits: Sequence[str], calibration: Calibration, knowledge: str) -> Simulation:
    priced = tuple(
        PricedKernel(work, times, float(us), float(started_us), limit)
        for (work, times), us, started_us, limit in zip(counts.items(), total_us, overhead_us, limits, strict=True)
    )
    return Simulation(priced, knowledge, calibration.half_width(knowledge))
