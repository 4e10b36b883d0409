"""The runtimes that are simulated: what each runs of a Subnet on a device's cores or GPU, what that costs, and the table of a space.

One list for whoever explains a price, limits a search by it, or prices a whole space: all sum the same kernels.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bertnas_jax.latency.devices import GPU, HOST, DeviceProfile, core_set
from bertnas_jax.latency.simulate.calibration import Calibration, load_cpu_calibration, load_gpu_calibration
from bertnas_jax.latency.simulate.gpu_roofline import GPU_DTYPE, gpu_of
from bertnas_jax.latency.simulate.machine import CPU_DTYPES
from bertnas_jax.latency.simulate.opencl_roofline import OPENCL_DTYPE
from bertnas_jax.latency.simulate.price_table import PriceKernels, PriceTable, compiled_price_table, tflite_price_table
from bertnas_jax.latency.simulate.simulation import Simulation, simulate_cpu, simulate_gpu, simulate_opencl
from bertnas_jax.latency.simulate.tflite_operators import delegated, encoder_operators
from bertnas_jax.latency.simulate.work import Work
from bertnas_jax.space import SearchSpace, Subnet

if TYPE_CHECKING:
    from bertnas_jax.compiler import Tuning  # TVM takes seconds to load
    from bertnas_jax.latency.simulate.compiled_kernels import CompiledKernels

_cpu_calibration, _gpu_calibration = functools.cache(load_cpu_calibration), functools.cache(load_gpu_calibration)


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and as what a model runs, batch 1; `cores` is a core set of the device or "gpu", and `tuning` what our kernels are tiled by."""

    device: DeviceProfile
    cores: str
    runtime: str
    dtype: str
    seq_len: int
    tuning: Tuning | None = None

    @property
    def kernels_of(self) -> str:
        """Whose kernels these are, as calibrations name them. The published rows, "tflite", are of float32, float16 and int8_full."""
        usual = self.dtype == "float32" or (self.runtime == "tflite" and self.dtype != "int8")
        return self.runtime if usual else f"{self.runtime}_{self.dtype}"


@dataclasses.dataclass(frozen=True)
class SimulatedRuntime:
    """`dtypes` that are both priced and exported, the usual one first; the kernels of a Subnet; a space's table by any price of kernels that adds up."""

    dtypes: tuple[str, ...]
    kernels: Callable[[Setting, Subnet], Sequence[Work]]
    table: Callable[[Setting, SearchSpace, PriceKernels], PriceTable]


def _as_run(setting: Setting, operators: Sequence[Work]) -> Sequence[Work]:
    """This machine's TensorFlow Lite is of today, and its delegate takes more than that of the published rows."""
    return delegated(operators) if setting.device.name == HOST else operators


def _tflite_kernels(setting: Setting, subnet: Subnet) -> Sequence[Work]:
    return _as_run(setting, encoder_operators(subnet, setting.seq_len, setting.dtype))


def _tflite_table(setting: Setting, space: SearchSpace, price_us: PriceKernels) -> PriceTable:
    return tflite_price_table(space, setting.seq_len, setting.dtype, lambda kernels: price_us(_as_run(setting, kernels)))


def _compiled(setting: Setting) -> CompiledKernels:
    """Our compiler's kernels for the device's GPU or CPU."""
    if setting.cores == GPU:
        from bertnas_jax.latency.simulate.opencl_kernels import OpenclKernels  # TVM takes seconds to load

        return OpenclKernels(setting.seq_len, setting.dtype)
    from bertnas_jax.latency.simulate.fused_kernels import FusedKernels  # TVM takes seconds to load

    return FusedKernels(setting.seq_len, setting.dtype, setting.device, setting.tuning)


def _compiled_kernels(setting: Setting, subnet: Subnet) -> list[Work]:
    return _compiled(setting).kernels(subnet)


def _compiled_table(setting: Setting, space: SearchSpace, price_us: PriceKernels) -> PriceTable:
    return compiled_price_table(space, _compiled(setting), price_us)


ON_CPU: Mapping[str, SimulatedRuntime] = {
    "tflite": SimulatedRuntime(CPU_DTYPES, _tflite_kernels, _tflite_table),
    "tvm": SimulatedRuntime(("float32", "int8_accurate", "int8_fast"), _compiled_kernels, _compiled_table),
}
ON_GPU: Mapping[str, SimulatedRuntime] = {
    "tflite": SimulatedRuntime((GPU_DTYPE,), _tflite_kernels, _tflite_table),
    "tvm": SimulatedRuntime((OPENCL_DTYPE,), _compiled_kernels, _compiled_table),
}


def runtime_on(cores: str, runtime: str) -> SimulatedRuntime:
    """The runtime on cores of a CPU, or on a GPU.

    Raises:
      ValueError: it is not simulated there; names the nearest that are.
    """
    known = ON_GPU if cores == GPU else ON_CPU
    if runtime not in known:
        near = difflib.get_close_matches(runtime, known, cutoff=0.3) or known
        raise ValueError(f"the runtime on {'a gpu' if cores == GPU else 'cores'} must be one of {', '.join(known)}, got {runtime!r}; the nearest: {', '.join(near)}")
    return known[runtime]


def known_by(setting: Setting) -> tuple[Calibration, str]:
    """The calibration that prices the setting's kernels, and what that knows of them there, a key of its `log_half_widths`."""
    if setting.cores == GPU:
        calibration = _gpu_calibration().for_kernels_of(setting.kernels_of)
        return calibration, calibration.gpu_knowledge(gpu_of(setting.device).name)
    calibration = _cpu_calibration().for_kernels_of(setting.kernels_of)
    return calibration, calibration.knowledge(core_set(setting.device, setting.cores))


def simulate(setting: Setting, kernels: Sequence[Work], calibration: Calibration | None = None) -> Simulation:
    """The kernels of one run, priced by the calibration of phones or by another of the same kernels."""
    calibration = calibration or known_by(setting)[0]
    if setting.cores == GPU:
        on_gpu = simulate_opencl if setting.runtime == "tvm" else simulate_gpu
        return on_gpu(kernels, setting.device, calibration)
    return simulate_cpu(kernels, core_set(setting.device, setting.cores), calibration)


def price_table(setting: Setting, space: SearchSpace) -> PriceTable:
    """What every Subnet of the space costs there; of our kernels some one- and two-block Subnets are lowered, seconds each.

    Raises:
      ValueError: the device has no GPU, or no rate for the dtype, or that has no price.
    """
    table = runtime_on(setting.cores, setting.runtime).table
    return table(setting, space, lambda kernels: 1e3 * simulate(setting, kernels).total_ms)
