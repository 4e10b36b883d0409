"""The runtimes that are simulated on phones: the kernels a Subnet has there, and the table of a space's prices."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from bertnas_jax.latency.devices import CoreSet, DeviceProfile
from bertnas_jax.latency.simulate import (
    Calibration,
    CpuFit,
    KernelWork,
    PriceTable,
    encoder_operators,
    load_cpu_calibration,
    tflite_price_table,
    tvm_price_table,
)
from bertnas_jax.latency.simulate.machine import CPU_DTYPES
from bertnas_jax.space import SearchSpace, Subnet


@dataclasses.dataclass(frozen=True)
class SimulatedRuntime:
    """`kernels` of a Subnet at a length and dtype on a device; `price_table` of a space at a length and dtype on cores, by a calibration's fit.

    `calibration` is that of its kernels on CPUs, `dtypes` are those priced there; `on_gpu` says whether the runtime is calibrated on GPUs too.
    """

    kernels: Callable[[Subnet, int, str, DeviceProfile], Sequence[KernelWork]]
    price_table: Callable[[SearchSpace, int, str, CoreSet, CpuFit], PriceTable]
    calibration: Callable[[], Calibration]
    dtypes: tuple[str, ...]
    on_gpu: bool


def _tflite_kernels(subnet: Subnet, seq_len: int, dtype: str, device: DeviceProfile) -> list[KernelWork]:
    """The same on every device."""
    return encoder_operators(subnet, seq_len, dtype)


def _tvm_kernels(subnet: Subnet, seq_len: int, dtype: str, device: DeviceProfile) -> list[KernelWork]:
    """Those that the compiler makes of it for the device's CPU."""
    from bertnas_jax.latency.simulate.fused_kernels import FusedKernels  # TVM takes seconds to load

    return FusedKernels(seq_len, dtype, device).kernels(subnet)


SIMULATED_RUNTIMES: Mapping[str, SimulatedRuntime] = {
    "tflite": SimulatedRuntime(_tflite_kernels, tflite_price_table, functools.cache(load_cpu_calibration), CPU_DTYPES, on_gpu=True),
    "tvm": SimulatedRuntime(
        _tvm_kernels, tvm_price_table, functools.cache(lambda: load_cpu_calibration().for_kernels_of("tvm")), ("float32",), on_gpu=False
    ),
}
