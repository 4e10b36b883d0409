"""The runtimes that are simulated on phones: the kernels a Subnet has there, and the table of a space's prices."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from bertnas_jax.latency.devices import CoreSet, DeviceProfile
from bertnas_jax.latency.simulate import Calibration, CpuFit, KernelWork, PriceTable, encoder_operators, load_cpu_calibration, tflite_price_table
from bertnas_jax.space import SearchSpace, Subnet


@dataclasses.dataclass(frozen=True)
class SimulatedRuntime:
    """`kernels` of a Subnet at a length and dtype on a device; `price_table` of a space at a length and dtype on cores, by a calibration's fit.

    `calibration` is that of its kernels on CPUs; `on_gpu` says whether the runtime is calibrated on GPUs too.
    """

    kernels: Callable[[Subnet, int, str, DeviceProfile], Sequence[KernelWork]]
    price_table: Callable[[SearchSpace, int, str, CoreSet, CpuFit], PriceTable]
    calibration: Callable[[], Calibration]
    on_gpu: bool


def _tflite_kernels(subnet: Subnet, seq_len: int, dtype: str, device: DeviceProfile) -> list[KernelWork]:
    """The same on every device."""
    return encoder_operators(subnet, seq_len, dtype)


SIMULATED_RUNTIMES: Mapping[str, SimulatedRuntime] = {
    "tflite": SimulatedRuntime(_tflite_kernels, tflite_price_table, functools.cache(load_cpu_calibration), on_gpu=True),
}
