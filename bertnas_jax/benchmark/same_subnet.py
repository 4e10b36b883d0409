"""The same sub-networks in our compiler and in the runtimes a user could pick instead: table, geometric means, dated JSON."""

from __future__ import annotations

import concurrent.futures
import importlib.metadata
import math
import multiprocessing
import pathlib
import sys
from collections.abc import Sequence

from tqdm import tqdm

from bertnas_jax.benchmark.cell import measure_cell
from bertnas_jax.benchmark.config import REFERENCE, BenchmarkConfig, Shape
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.benchmark.result import write_result
from bertnas_jax.benchmark.runtimes import RUNTIMES
from bertnas_jax.benchmark.trained_run import without_folder
from bertnas_jax.latency import describe_host
from bertnas_jax.model import check_weights, read_config, resolve_checkpoint

OURS = "tvm"
# Of what the cores give one by one; a cell with less of it was measured beside something else, or on cores that are one.
LEAST_SCALING = 0.75
_PACKAGES = ("apache-tvm", "ai-edge-litert", "onnxruntime", "openvino")
_KEPT = ("checkpoint", "runtimes", "rounds", "seed")  # what the figures of a folder have in common


def run(config: BenchmarkConfig) -> pathlib.Path:
    """Measures what the workdir lacks, prints the table and returns the JSON's path.

    Raises:
      ValueError: the machine lacks cores or a package, or the workdir's figures are of other settings.
    """
    config.check_machine()
    if config.checkpoint:
        folder = resolve_checkpoint(config.checkpoint)
        check_weights(folder, read_config(folder))
    workdir = pathlib.Path(config.workdir).expanduser()
    asked = {name: getattr(config, name) for name in _KEPT}
    check_settings(workdir, asked | {"cpu": describe_host().cpu, "versions": _versions(config)})
    cells = {f"{shape.text} on {threads}": (shape, threads) for shape in config.parsed_shapes() for threads in config.threads}
    with tqdm(total=len(cells), desc="shapes x threads", unit="cell", file=sys.stderr) as bar:

        def record(key: str) -> dict:
            fields = _in_a_new_process(config, *cells[key])
            bar.write(describe_cell({"cell": key} | fields), file=sys.stderr)
            bar.update()
            return fields

        done = recorded(workdir / "cells.jsonl", "cell", cells, record)
    print("\n".join([_HEAD, *map(describe_cell, done), *describe_means(done)]))
    means = {name: dict(zip(others, values, strict=True)) for name, others, values in geometric_means(done)}
    settings = asked | {"checkpoint": without_folder(config.checkpoint), "shapes": config.shapes, "threads": config.threads}
    fields = {"settings": settings, "peer_versions": _versions(config), "geometric_means": means, "cells": done}
    path = write_result("same_subnet", fields, pathlib.Path(config.results).expanduser())
    print(f"written to {path}")
    return path


def _in_a_new_process(config: BenchmarkConfig, shape: Shape, threads: int) -> dict:
    """Of each cell its own: thread pools, TVM's among them, never grow beyond the cores that they were made on."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(measure_cell, config, shape, threads).result()


def _versions(config: BenchmarkConfig) -> dict[str, str]:
    needed = {module for name in config.parsed_runtimes() for module in RUNTIMES[name].peers}
    return {name: importlib.metadata.version(name) for name in _PACKAGES if name in needed or name in _PACKAGES[:2]}


_HEAD = f"{'runtime':18s} {'median ms':>10s} {'p90 ms':>10s} {'x ' + REFERENCE:>10s} {'x ' + REFERENCE + '_int8':>14s} {'% of peak':>10s} {'max error':>10s}"


def describe_cell(cell: dict) -> str:
    """A shape's table: a row a runtime, and what TVM was slower than."""
    lines = [f"-- {cell['cell']} threads, peak {cell['peak_gflops']} GFLOP/s, largest logit {cell['largest_logit']}"]
    if cell["peak_scaling"] < LEAST_SCALING:
        lines.append(f"disturbed: the peak is {cell['peak_scaling']} of what the cores give one by one; measure it again on a quiet machine")
    for name, each in cell["runtimes"].items():
        against = [_ratio(name, each, other) for other in (REFERENCE, f"{REFERENCE}_int8")]
        lines.append(
            f"{name:18s} {each['median_ms']:10.2f} {each['p90_ms']:10.2f} {against[0]:>10s} {against[1]:>14s} "
            f"{100 * each['share_of_peak']:10.1f} {each['logits_max_abs_err']:10.1e}"
        )
    return "\n".join(lines + [f"{OURS} is slower than {name}" for name in slower_than(cell)])


def _ratio(name: str, each: dict, other: str) -> str:
    return "1" if name == other else f"{each['speed_over'][other]:.3f}" if other in each["speed_over"] else ""


def slower_than(cell: dict) -> list[str]:
    """The runtimes of the same dtype that are faster than ours."""
    ours = cell["runtimes"].get(OURS, {"speed_over": {}, "dtype": ""})
    return [name for name, ratio in ours["speed_over"].items() if ratio < 1 and RUNTIMES[name].dtype == ours["dtype"]]


def undisturbed(cells: Sequence[dict]) -> Sequence[dict]:
    """The cells whose cores gave what they can; all, if none did: then that is the machine."""
    return [cell for cell in cells if cell["peak_scaling"] >= LEAST_SCALING] or cells


def geometric_means(cells: Sequence[dict]) -> list[tuple[str, list[str], list[float]]]:
    """Every runtime with the others and how many times as fast it is, over the undisturbed cells."""
    cells, rows = undisturbed(cells), []
    for name in cells[0]["runtimes"]:
        logs = {
            other: [math.log(cell["runtimes"][name]["speed_over"][other]) for cell in cells] for other in cells[0]["runtimes"][name]["speed_over"]
        }
        rows.append((name, list(logs), [round(math.exp(sum(each) / len(each)), 4) for each in logs.values()]))
    return rows


def describe_means(cells: Sequence[dict]) -> list[str]:
    """The geometric means, a line a runtime."""
    lines = [f"-- geometric means over {len(undisturbed(cells))} undisturbed of {len(cells)} cells: times as fast as"]
    for name, others, values in geometric_means(cells):
        lines.append(f"{name:18s} " + ", ".join(f"{other} {value:.3f}" for other, value in zip(others, values, strict=True)))
    return lines
