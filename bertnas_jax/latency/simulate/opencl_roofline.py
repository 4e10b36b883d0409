"""The time of our OpenCL launches on a phone's GPU: launch, waiting, arithmetic or what caches deliver, and memory.

Known of a launch is what its loops say (compiler/gpu_launches.py) and of a GPU what its profile says. Not known is how our kernels
run there: none was ever timed on a phone's GPU. What a launch costs, the share of the peak that arithmetic gets, how long a step waits
and how that overlaps are the constants fitted to TensorFlow Lite's products of halves, read from textures; ours are of float32, read
from buffers. Assumed: caches deliver a buffer at the rate of textures; what two work-items ask for is delivered twice, though a
GPU may hand one load to a whole wave; each launch moves its buffers through memory once, though a cache may hold small ones.

Source: S. Williams, A. Waterman, D. Patterson, Roofline, CACM 52(4), 2009, for what no price is below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from bertnas_jax.latency.devices import Gpu
from bertnas_jax.latency.simulate.gpu_roofline import GpuConstants, GpuDeviation, launch_us, passing_us

if TYPE_CHECKING:
    from bertnas_jax.compiler.gpu_launches import GpuLaunch  # TVM takes seconds to load

OPENCL_DTYPE = "float32"  # what is exported for a GPU
LIMITS = ("launch", "waiting", "arithmetic", "operands", "memory")


@dataclasses.dataclass(frozen=True)
class OpenclPrice:
    """Microseconds of each launch, in all and by what they would be if nothing else took time; "operands" is what caches deliver."""

    total_us: Float[np.ndarray, " e"]
    launch_us: Float[np.ndarray, " e"]
    waiting_us: Float[np.ndarray, " e"]
    arithmetic_us: Float[np.ndarray, " e"]
    operands_us: Float[np.ndarray, " e"]
    memory_us: Float[np.ndarray, " e"]

    def limits(self) -> list[str]:
        """The largest of each launch's times."""
        parts = np.stack([getattr(self, f"{limit}_us") for limit in LIMITS])
        return [LIMITS[i] for i in parts.argmax(0)]


def price_opencl(launches: Sequence[GpuLaunch], gpu: Gpu, constants: GpuConstants, deviation: GpuDeviation) -> OpenclPrice:
    """The price of each launch on the GPU; never below its arithmetic at the peak, nor its bytes at the memory's.

    Raises:
      ValueError: a work-group needs more local memory than the GPU has.
    """
    largest = max(launches, key=lambda launch: launch.local_bytes)
    if gpu.local_kib and largest.local_bytes > gpu.local_kib.value * 1024:
        raise ValueError(
            f"a work-group of {largest.name} must need at most the {gpu.local_kib.value:g} KiB of local memory of {gpu.name}, "
            f"got {largest.local_bytes} bytes; choose a narrower subnet"
        )
    flops, moved, requested, steps = (
        np.array([getattr(launch, name) for launch in launches], float) for name in ("flops", "bytes", "requested_bytes", "steps")
    )
    share = min(1.0, constants.arithmetic_share * np.exp(deviation.throughput))
    arithmetic_us = flops / (share * gpu.float32_gflops.value) / 1e3
    operands_us = requested / gpu.texture_gb_s.value / 1e3
    waiting_us = steps * constants.step_cycles * np.exp(deviation.step_cycles) / gpu.clock_ghz.value / 1e3
    overlap = constants.overlap
    busy_us = (np.maximum(arithmetic_us, operands_us) ** overlap + waiting_us**overlap) ** (1 / overlap)
    memory_us = passing_us(moved, gpu.dram_gb_s.value, gpu.texture_gb_s.value, constants, deviation)
    started_us = np.full(len(launches), launch_us(gpu.float16_gflops.value, constants, deviation))
    return OpenclPrice(started_us + busy_us + memory_us, started_us, waiting_us, arithmetic_us, operands_us, memory_us)
