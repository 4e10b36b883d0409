"""What `python -m bertnas_jax.latency` prints."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import TYPE_CHECKING

from bertnas_jax.latency.config import LatencyConfig
from bertnas_jax.latency.devices import GPU, HOST, DeviceProfile, core_set, described_devices, draft_profile, load_profile
from bertnas_jax.latency.simulate import (
    CPU_FILE,
    GPU_FILE,
    Setting,
    Simulation,
    known_by,
    load_cpu_calibration,
    read_gpu_rows,
    read_phone_rows,
    refit_cpu,
    refit_gpu,
    runtime_on,
    simulate,
)
from bertnas_jax.space import Subnet

if TYPE_CHECKING:
    from bertnas_jax.compiler import Tuning

CPU_DATA, GPU_DATA = "phone_cpu_transformers.csv", "phone_gpu_gemms.csv"
_BERT_BASE = Subnet.uniform(12, 768, 12, 3072)
_FOREIGN_CONSTANTS = {
    "tvm on a gpu": (
        "known: what each launch's loops compute, ask for and move, its work-groups, and the GPU's published peaks; not known: how our kernels of float32 "
        "from buffers run there, none was ever timed on a phone's GPU. Launches, waiting and the share of the peak are those of TensorFlow Lite's "
        "products of halves from textures: the interval is that of a GPU never measured, and how the two differ beyond their loops is not in it"
    ),
    "tvm": (
        "the constants were fitted on TensorFlow Lite's runs, none of our kernels on a phone was ever measured: the interval is "
        "that of a device never measured, and how our kernels differ from those beyond their loops is not in it"
    ),
    "tflite": (
        "dynamic range, as the .tflite of int8 that is exported: its products are priced as those of models quantised throughout, which were "
        "measured (int8_full), the rest as that of float32; what quantises as the model runs is assumed, so the interval is that of a device never measured"
    ),
}


def run(config: LatencyConfig) -> str:
    """The text of what was asked for, --validate apart."""
    if config.list:
        return list_devices()
    if config.explain:
        return explain(config)
    if config.measure:
        from bertnas_jax.latency.on_device import measure_on_device  # TVM takes seconds to load

        return measure_on_device(config)
    if config.new_profile:
        return json.dumps(new_profile(config), indent=1)
    folder = pathlib.Path(config.refit).expanduser()
    refit_cpu(read_phone_rows(folder / CPU_DATA), folder / CPU_DATA, CPU_FILE, show_progress)
    refit_gpu(read_gpu_rows(folder / GPU_DATA), folder / GPU_DATA, GPU_FILE, show_progress)
    return f"{CPU_FILE}\n{GPU_FILE}"


def show_progress(group: str) -> None:
    print(f"left out: {group}", file=sys.stderr)


def new_profile(config: LatencyConfig) -> dict:
    """The fields of a profile file: of this machine as it is measured, or a draft from what is given."""
    if config.detect:
        from bertnas_jax.latency.devices.detect import detect_host

        return detect_host()
    return draft_profile(config.new_profile, config.clusters, config.dram_gb_s)


def list_devices() -> str:
    """A line a device: its clusters, of which a core set takes any, and its GPU."""
    lines = [_device_line(name, load_profile(name)) for name in described_devices()]
    try:
        lines.append(_device_line(HOST, load_profile(HOST)))
    except RuntimeError as error:  # no compiler to measure with: the other devices are there all the same
        lines.append(f"{HOST:20s} not measured: {error}")
    return "\n".join(lines)


def _device_line(name: str, profile: DeviceProfile) -> str:
    clusters = ", ".join(
        f"{cluster.cores.value:.0f} {cluster.label} ({cluster.core} at {cluster.clock_ghz.value} GHz)" for cluster in profile.cpu.clusters
    )
    return f"{name:20s} {profile.soc:20s} {clusters}; {profile.gpu.name if profile.gpu else 'no GPU'}"


def explain(config: LatencyConfig) -> str:
    """The kernels of the model with what each costs and why, and the sum with its interval."""
    device, runtime = load_profile(config.device), config.explained_runtime
    subnet = Subnet.from_json(pathlib.Path(config.subnet).read_text(encoding="utf-8")) if config.subnet else _BERT_BASE
    setting = Setting(device, config.core_set, runtime, config.dtype, config.seq_len, _tuning(config.tuning))
    calibration = load_cpu_calibration(pathlib.Path(config.calibration).expanduser()) if config.calibration else known_by(setting)[0]
    simulation = simulate(setting, runtime_on(config.core_set, runtime).kernels(setting, subnet), calibration.for_kernels_of(setting.kernels_of))
    about = f"{device.title}, {config.core_set}, {runtime}, {config.dtype}, L={config.seq_len}: {subnet.describe()}"
    note = "" if calibration.runtime == setting.kernels_of else f"\n{_FOREIGN_CONSTANTS[f'{runtime} on a gpu' if config.core_set == GPU else runtime]}"
    return f"{about}\n{_table(simulation)}{_energy(config, device, simulation.total_ms)}{note}"


def _energy(config: LatencyConfig, device: DeviceProfile, total_ms: float) -> str:
    """What a run takes where the power of the cores is known; source: ms x W = mJ."""
    watts = None if config.core_set == GPU else core_set(device, config.core_set).active_watts
    return "" if watts is None else f"\nenergy: some {total_ms * watts:.1f} mJ at the {watts:.2f} W that {config.core_set} draw in CoreMark; vector work draws more"


def _tuning(file: str) -> Tuning | None:
    """The tiles of a file, if there is one."""
    if not file:
        return None
    from bertnas_jax.compiler import Tuning  # TVM takes seconds to load

    return Tuning.load(pathlib.Path(file).expanduser())


def _table(simulation: Simulation) -> str:
    names = [f"{kernel.work.name}{kernel.work.size}" for kernel in simulation.kernels]
    width = max(28, *map(len, names))
    lines = [f"{'kernel':{width}s} {'runs':>5s} {'MFLOP':>9s} {'KB':>9s} {'bound by':12s} {'start us':>10s} {'us a run':>10s}"]
    for name, kernel in zip(names, simulation.kernels, strict=True):
        size = f"{kernel.work.flops / 1e6:9.2f} {kernel.work.bytes / 1e3:9.1f}"
        lines.append(f"{name:{width}s} {kernel.times:5d} {size} {kernel.limit:12s} {kernel.overhead_us:10.1f} {kernel.us:10.1f}")
    total = f"{simulation.total_ms:.1f} ms, 90 % between {simulation.low_ms:.1f} and {simulation.high_ms:.1f}"
    return "\n".join([*lines, f"simulated: {total} (known: {simulation.knowledge})"])
