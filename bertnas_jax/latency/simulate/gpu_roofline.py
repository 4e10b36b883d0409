"""The time of half-precision products on a phone's GPU: launch, occupancy, arithmetic or texture rate, bandwidth.

Each output is a chain of `inner` steps. Few outputs leave the GPU waiting for each step's operands, many
fill it; in between neither the wait nor the arithmetic hides the other, and their exponents add up to
less than the sum of both and more than the larger. Outputs come in slices of 4 channels.

Source: TensorFlow Lite's GPU delegate, delegates/gpu/common/tasks/conv_generic.cc (slices, one output a thread).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from bertnas_jax.latency.devices import DeviceProfile, Gpu
from bertnas_jax.latency.simulate.constants import Value, free

GPU_DTYPE = "float16"
_SLICE, _BYTES = 4, 2  # channels of a texel; bytes of a half
_REFERENCE_GFLOPS = 800.0  # where `launch_us` is that of the constants
LIMITS = ("launch", "waiting", "arithmetic", "memory")


@dataclasses.dataclass(frozen=True)
class GpuConstants:
    """What the profiles of GPUs do not say, shared by all; see CpuConstants."""

    arithmetic_share: Value = free(0.6, 0.4)  # of the peak that a convolution reaches
    flop_per_texture_byte: Value = free(3.0, 0.4)  # operand reuse of a thread's block of outputs
    step_cycles: Value = free(25.0, 0.5)  # a step's wait for its operands, by element
    overlap: Value = free(0.5, 0.15)
    memory_factor: Value = free(0.7, 0.5)  # beside the memory's peak, above 1 where caches hold part of it
    launch_us: Value = free(8.0, 0.5)
    launch_exponent: Value = free(0.8, 0.3)  # a smaller GPU starts a kernel more slowly


@dataclasses.dataclass(frozen=True)
class GpuDeviation:
    """How one GPU differs, as logarithms; 0 for one never calibrated."""

    throughput: Value = free(0.0, 0.4)
    step_cycles: Value = free(0.0, 0.4)
    launch: Value = free(0.0, 0.4)
    memory: Value = free(0.0, 0.5)


@dataclasses.dataclass(frozen=True)
class GpuMachine:
    """GPUs as arrays, a row each."""

    clock_ghz: Float[np.ndarray, " r"]
    float16_gflops: Float[np.ndarray, " r"]
    texture_gb_s: Float[np.ndarray, " r"]
    dram_gb_s: Float[np.ndarray, " r"]

    @classmethod
    def of(cls, gpus: Sequence[Gpu]) -> GpuMachine:
        return cls(**{field.name: np.array([getattr(gpu, field.name).value for gpu in gpus]) for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class GpuPrice:
    """Microseconds of each product, in all and by what they would be if nothing else took time."""

    total_us: Float[np.ndarray, " e"]
    launch_us: Float[np.ndarray, " e"]
    waiting_us: Float[np.ndarray, " e"]
    arithmetic_us: Float[np.ndarray, " e"]
    memory_us: Float[np.ndarray, " e"]

    def limits(self) -> list[str]:
        """The largest of each product's times."""
        parts = np.stack([getattr(self, f"{limit}_us") for limit in LIMITS])
        return [LIMITS[i] for i in parts.argmax(0)]


def gpu_of(device: DeviceProfile) -> Gpu:
    """Raises ValueError if the device has no GPU to be priced."""
    if device.gpu is None:
        raise ValueError(f"{device.name} must have a GPU in its profile, got none; give core sets of its CPU instead")
    return device.gpu


def price_gpu(
    rows: Float[np.ndarray, " e"],
    inner: Float[np.ndarray, " e"],
    columns: Float[np.ndarray, " e"],
    gpu: GpuMachine,
    constants: GpuConstants,
    deviation: GpuDeviation,
) -> GpuPrice:
    """The price of each product [rows, inner] x [inner, columns] in halves, on the GPU of the same row (or on the only one)."""
    steps, outputs = _whole(inner), rows * _whole(columns)
    arithmetic = np.minimum(1.0, constants.arithmetic_share) * gpu.float16_gflops
    texture = constants.flop_per_texture_byte * gpu.texture_gb_s
    gflops = (arithmetic**-2.0 + texture**-2.0) ** -0.5 * np.exp(deviation.throughput)  # the smaller, rounded
    gflops = np.minimum(gflops, gpu.float16_gflops)
    arithmetic_us = 2.0 * outputs * steps / gflops / 1e3
    waiting_us = steps * constants.step_cycles * np.exp(deviation.step_cycles) / gpu.clock_ghz / 1e3
    share = constants.overlap
    busy_us = (arithmetic_us**share + waiting_us**share) ** (1 / share)
    moved = _BYTES * (rows * inner + inner * columns + rows * columns)
    behind = gpu.dram_gb_s * constants.memory_factor * np.exp(deviation.memory)
    memory_us = moved / np.minimum(behind, gpu.texture_gb_s) / 1e3
    started_us = np.broadcast_to(launch_us(gpu.float16_gflops, constants, deviation), np.shape(busy_us))
    return GpuPrice(started_us + busy_us + memory_us, started_us, waiting_us, arithmetic_us, memory_us)


def passing_us(moved_bytes: Value, dram_gb_s: Value, texture_gb_s: Value, constants: GpuConstants, deviation: GpuDeviation) -> Value:
    """The time of bytes that pass through memory once: a share of its bandwidth of at most 1, for what products found in caches is not known of them."""
    behind = dram_gb_s * np.minimum(1.0, constants.memory_factor * np.exp(deviation.memory))
    return moved_bytes / np.minimum(behind, texture_gb_s) / 1e3


def launch_us(float16_gflops: Value, constants: GpuConstants, deviation: GpuDeviation) -> Value:
    """What starting a kernel costs on GPUs of such peaks."""
    return constants.launch_us * (float16_gflops / _REFERENCE_GFLOPS) ** -constants.launch_exponent * np.exp(deviation.launch)


def _whole(channels: Float[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
    return np.ceil(np.asarray(channels) / _SLICE) * _SLICE
