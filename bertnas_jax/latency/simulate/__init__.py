"""Kernels and a device profile in, microseconds, what they go to, and an interval out; and how all that is calibrated.

`KernelWork` describes a kernel whoever compiled it: TensorFlow Lite's operators are listed here, our own are read from the compiler.
"""

from bertnas_jax.latency.simulate.calibrate import CpuFit, PhoneTable, calibrate
from bertnas_jax.latency.simulate.calibration import (
    CPU_FILE,
    GPU_FILE,
    Calibration,
    fit_device,
    load_cpu_calibration,
    load_gpu_calibration,
    refit_cpu,
    refit_gpu,
    validate_cpu,
    validate_gpu,
)
from bertnas_jax.latency.simulate.constants import FusedConstants
from bertnas_jax.latency.simulate.cross_validation import HeldOut, hold_out
from bertnas_jax.latency.simulate.gpu_rows import GpuFit, GpuTable, calibrate_gpu, read_gpu_rows
from bertnas_jax.latency.simulate.phone_rows import PhoneRow, read_phone_rows
from bertnas_jax.latency.simulate.price_table import PriceTable
from bertnas_jax.latency.simulate.runtimes import Setting, SimulatedRuntime, known_by, price_table, runtime_on, simulate
from bertnas_jax.latency.simulate.simulation import PricedKernel, Simulation, price_on_cpu, simulate_cpu, simulate_gpu
from bertnas_jax.latency.simulate.tflite_operators import delegated, encoder_operators
from bertnas_jax.latency.simulate.work import KernelWork

__all__ = [
    "CPU_FILE",
    "GPU_FILE",
    "Calibration",
    "CpuFit",
    "FusedConstants",
    "GpuFit",
    "GpuTable",
    "HeldOut",
    "KernelWork",
    "PhoneRow",
    "PhoneTable",
    "PriceTable",
    "PricedKernel",
    "Setting",
    "SimulatedRuntime",
    "Simulation",
    "calibrate",
    "calibrate_gpu",
    "delegated",
    "encoder_operators",
    "fit_device",
    "hold_out",
    "known_by",
    "load_cpu_calibration",
    "load_gpu_calibration",
    "price_on_cpu",
    "price_table",
    "read_gpu_rows",
    "read_phone_rows",
    "refit_cpu",
    "refit_gpu",
    "runtime_on",
    "simulate",
    "simulate_cpu",
    "simulate_gpu",
    "validate_cpu",
    "validate_gpu",
]
