"""Held-out errors of the simulator on phones that others measured: a dated JSON and a plot beside it."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bertnas_jax.benchmark.result import RESULTS, write_result
from bertnas_jax.latency.run import CPU_DATA, GPU_DATA, show_progress
from bertnas_jax.latency.simulate import HeldOut, read_gpu_rows, read_phone_rows, validate_cpu, validate_gpu

_NAME = "simulated_phones"


def validate(data: str, folder: pathlib.Path = RESULTS) -> pathlib.Path:
    """Leaves out models, devices, core sets, shapes and GPUs in turn; returns the JSON's path."""
    source = pathlib.Path(data).expanduser()
    cpu = validate_cpu(read_phone_rows(source / CPU_DATA), show_progress)
    gpu = validate_gpu(read_gpu_rows(source / GPU_DATA), show_progress)
    tables = {"cpu_transformers": _tables(cpu), "gpu_products": _tables(gpu)}
    path = write_result(_NAME, {"made_by": "python -m bertnas_jax.latency --validate=FOLDER", **tables}, folder)
    _plot({f"{split} left out (ms)": held for split, held in cpu.items()} | {f"{split} left out (us)": held for split, held in gpu.items()}, path)
    return path


def _tables(held_out: Mapping[str, HeldOut]) -> dict:
    return {
        split: {"all": held.figures(), "groups": {group: held.figures(group) for group in sorted(set(held.groups))}}
        for split, held in held_out.items()
    }


def _plot(held_out: Mapping[str, HeldOut], path: pathlib.Path) -> None:
    """Predicted against measured, a panel a split."""
    figure = Figure(figsize=(4 * len(held_out), 4), layout="constrained", facecolor="white")
    for axes, (title, held) in zip(figure.subplots(1, len(held_out)), held_out.items(), strict=True):
        axes.loglog(held.measured, held.predicted, ".", markersize=3, alpha=0.5)
        ends = [min(held.measured), max(held.measured)]
        axes.loglog(ends, ends, color="black", linewidth=1)
        axes.set(title=f"{title}: {held.figures()['mape']:.1%}", xlabel="measured", ylabel="predicted")
    with path.with_suffix(".png").open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
