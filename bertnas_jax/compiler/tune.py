"""Tuning: every product of a model timed in each tile of a small space, the fastest kept.

A product is timed as it runs in a model: with its bias, and with weights that are not in the second-level cache,
as a layer's are when its turn comes.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tvm
from tqdm import tqdm
from tvm import relax

from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.dataflow import Dataflow
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.gemm_tile import GemmShape, GemmTile, tile_choices
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.pack_weights import is_weight_matmul, pack_weights
from bertnas_jax.compiler.pipeline import apply, lower, rewrite_passes
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.quantize_projections import is_quantizable
from bertnas_jax.compiler.region import arguments_of
from bertnas_jax.compiler.threads import set_num_threads
from bertnas_jax.compiler.tuning import Tuning

_COLD_BYTES = 8 << 20  # of weights passed over before any is used again: more than the 0.5 to 2 MB of L2 of x86 and phone cores
_MOST_COPIES = 64  # so that the smallest products do not take a minute to compile
_TURN_FLOPS = 1_000_000_000  # of one timing: 4 ms at 250 GFLOP/s
_MIN_GAIN = 0.02  # below it the default stays: less is within the noise of a quiet machine

Times = Mapping[int, list[float]]  # by threads, a time a round


def product_shapes(traced: tvm.IRModule, target: tvm.target.Target, precision: Precision = "float32") -> list[GemmShape]:
    """The products with weights of a traced model, each once, as the compiler's rewrites leave them."""
    with target:
        passes = rewrite_passes()
        module = apply(passes[: passes.index(pack_weights)], traced)
        calls = [binding.value for binding in Dataflow(module["main"]).bindings if is_weight_matmul(binding.value)]
        return sorted({_shape_of_product(call, precision) for call in calls})


def _shape_of_product(call: relax.Call, precision: Precision) -> GemmShape:
    """That of a product in the numbers that it would be made of."""
    is_integer = precision.startswith("int8") and is_quantizable(call, integer_dots()[precision])
    return GemmShape(shape_of(call.args[0])[-2], *shape_of(call.args[1]), precision if is_integer else "float32")


def tune(shapes: Sequence[GemmShape], target: tvm.target.Target, threads: Sequence[int], rounds: int = 11) -> tuple[Tuning, list[str]]:
    """The tiles of these products on this machine, and a line about each.

    What has one choice alone is left out. Choices are timed in turns. A tile's score is the geometric mean over numbers
    of threads of the median over rounds of its time by the default's; the least wins if it gains 2 %.

    Raises:
      ValueError: there are fewer cores than threads.
    """
    cpu = str(target.attrs["mcpu"])
    with target:
        choices = {shape: tiles for shape in shapes if len(tiles := tile_choices(shape, max(threads))) > 1}
    tiles, lines = {}, []
    with tqdm(total=sum(map(len, choices.values())), desc="tuning", unit="tile", file=sys.stderr) as bar:
        for shape, candidates in choices.items():
            machines = []
            for tile in candidates:
                with Tuning(cpu, {shape: tile}):
                    machines.append(_compile(shape, target))
                bar.update()
            measured = _time(machines, shape, _copies(shape, target), threads, rounds)
            scores = [_score(times, measured[0]) for times in measured]
            best = min(range(len(scores)), key=scores.__getitem__)
            best = best if scores[best] <= 1 - _MIN_GAIN else 0
            tiles[shape] = candidates[best]
            lines.append(_told(shape, candidates, scores, best))
    provenance = {"threads": list(threads), "rounds": rounds, "tvm": tvm.__version__}
    return Tuning(cpu, tiles, {shape.describe(): provenance for shape in tiles}), lines


def _compile(shape: GemmShape, target: tvm.target.Target) -> relax.VirtualMachine:
    """x [rows, inner] times as many weights as keep each other out of the cache, each product with its bias."""
    rng, builder = np.random.default_rng(0), relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((shape.rows, shape.inner), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            weights, bias = (relax.const(rng.standard_normal((size, shape.columns), np.float32)) for size in (shape.inner, 1))
            result = builder.emit_output(relax.op.add(builder.emit(relax.op.matmul(x, weights)), bias))
        builder.emit_func_output(result)
    lowered = lower(builder.get(), target, precision=shape.precision)
    return relax.VirtualMachine(build_executable(_repeated(lowered, _copies(shape, target)), target), tvm.cpu())


def _repeated(lowered: tvm.IRModule, copies: int) -> tvm.IRModule:
    """The module with a function that calls the last kernel so many times, each time with its own copy of the weights."""
    *before, product = Dataflow(lowered["main"]).bindings
    (x,) = lowered["main"].params
    builder = relax.BlockBuilder(lowered)
    with builder.function("repeated", [x]):
        with builder.dataflow():
            made: dict[relax.Expr, relax.Expr] = {x: x}
            for binding in before:  # activations made whole numbers
                made[binding.var] = builder.emit(_called_with(binding.value, lambda value: made.get(value, value)))
            for _ in range(copies):
                result = builder.emit_output(_called_with(product.value, lambda value: made[value] if value in made else relax.const(value.value.numpy().copy())))
        builder.emit_func_output(result)
    return builder.get()


def _called_with(call: relax.Call, replaced: Callable[[relax.Expr], relax.Expr]) -> relax.Call:
    """The same kernel called with other arguments."""
    return relax.call_tir(call.args[0], list(map(replaced, arguments_of(call))), out_ty=call.ty)


def _copies(shape: GemmShape, target: tvm.target.Target) -> int:
    with target:
        width = np.dtype(integer_dots()[shape.precision].weight_dtype if shape.precision.startswith("int8") else np.float32).itemsize
    return min(_MOST_COPIES, max(1, _COLD_BYTES // (width * shape.inner * shape.columns)))


def _time(machines: Sequence[relax.VirtualMachine], shape: GemmShape, copies: int, threads: Sequence[int], rounds: int) -> list[Times]:
    """Seconds of every machine by threads and round, in turns."""
    x = tvm.runtime.tensor(np.random.default_rng(1).standard_normal((shape.rows, shape.inner), np.float32))
    flops = 2 * shape.rows * shape.inner * shape.columns * copies
    number = max(1, _TURN_FLOPS // flops)
    timers = [machine.time_evaluator("repeated", tvm.cpu(), number=number, repeat=1) for machine in machines]
    measured: list[dict[int, list[float]]] = [{count: [] for count in threads} for _ in machines]
    for _ in range(rounds):
        for count in threads:
            set_num_threads(count)
            for timer, times in zip(timers, measured, strict=True):
                times[count].append(timer(x).mean)
    return measured


def _score(times: Times, default: Times) -> float:
    """The time of a tile by the default's."""
    ratios = (statistics.median(own / other for own, other in zip(times[count], default[count], strict=True)) for count in times)
    return math.prod(ratios) ** (1 / len(times))


def _told(shape: GemmShape, candidates: Sequence[GemmTile], scores: Sequence[float], best: int) -> str:
    speeds = ", ".join(f"{tile.panel}x{tile.rows}/{tile.tasks} {1 / score:.2f}" for tile, score in zip(candidates, scores, strict=True))
    return f"{shape.describe()}: {'default' if best == 0 else candidates[best]} (speed by the default's, panel x rows / tasks: {speeds})"
