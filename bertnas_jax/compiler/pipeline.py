"""The compiler as a list of named passes, from primitive operators to scheduled kernels.

Each is in a file of its own, which states its precondition. One more runs in the middle of TVM's lowering of scheduled
loops, and is so in its list of passes: stack_tiles.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence

import tvm
from tvm import relax

from bertnas_jax.compiler.emit_dots import emit_dots
from bertnas_jax.compiler.fold_scale import fold_scale
from bertnas_jax.compiler.fuse_polyhedral import fuse_polyhedral
from bertnas_jax.compiler.fusion_plan import RELATIONS
from bertnas_jax.compiler.halve_projections import halve_projections
from bertnas_jax.compiler.keep_vectors import keep_vectors
from bertnas_jax.compiler.legalize_views import VIEWS
from bertnas_jax.compiler.merge_projections import merge_projections
from bertnas_jax.compiler.pack_weights import pack_weights
from bertnas_jax.compiler.precision import PRECISIONS, Precision
from bertnas_jax.compiler.prefetch_panels import prefetch_panels
from bertnas_jax.compiler.quantize_projections import quantize_projections
from bertnas_jax.compiler.schedule_gpu import schedule_gpu
from bertnas_jax.compiler.schedule_kernels import schedule_kernels
from bertnas_jax.compiler.shuffle_transposes import shuffle_transposes
from bertnas_jax.compiler.sink_division import sink_division
from bertnas_jax.compiler.subnet_name import naming, subnet_of_module
from bertnas_jax.compiler.vector_math import BYTE_MATH, VECTOR_MATH


Pass = Callable[[tvm.IRModule], tvm.IRModule]

# Algebraic rewrites of primitive operators, in the order they run.
REWRITES: tuple[Pass, ...] = (fold_scale, merge_projections, sink_division)
# What `without` may name: rewrites, and relations over which operators are fused.
OPTIONAL = (*(rewrite.__name__ for rewrite in REWRITES), *RELATIONS)


def rewrite_passes(without: Collection[str] = (), precision: Precision = "float32") -> list[Pass]:
    """Primitive Relax operators -> fewer and cheaper ones, each a call of an unscheduled PrimFunc."""
    if unknown := sorted(set(without) - set(OPTIONAL)):
        raise ValueError(f"a pass to leave out must be one of {', '.join(OPTIONAL)}, got {', '.join(unknown)}; name one of those")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision}; int8_accurate is the safe choice of int8")
    transform = relax.transform
    return [
        transform.EliminateCommonSubexpr(),
        transform.CanonicalizeBindings(),
        transform.DeadCodeElimination(),
        *(rewrite for rewrite in REWRITES if rewrite.__name__ not in without),
        transform.DeadCodeElimination(),
        *_narrowing(precision),
        pack_weights,
        transform.LegalizeOps((BYTE_MATH if precision == "int8_fast" else VECTOR_MATH) | VIEWS),
        transform.CanonicalizeBindings(),
        transform.DeadCodeElimination(),
    ]


def _narrowing(precision: Precision) -> list[Pass]:
    """What makes products with weights of narrower numbers."""
    if precision == "float32":
        return []
    return [halve_projections] if precision == "float16" else [functools.partial(quantize_projections, precision=precision)]


def fusion_passes(without: Collection[str] = ()) -> list[Pass]:
    """Calls of single operators -> calls of fused, unscheduled PrimFuncs."""
    relations = [name for name in without if name in RELATIONS]
    return [functools.partial(fuse_polyhedral, without=relations)]


def schedule_passes() -> list[Pass]:
    """Fused PrimFuncs -> the same, scheduled for a CPU with vectors."""
    return [schedule_kernels, *instruction_passes()]


def instruction_passes() -> list[Pass]:
    """Scheduled loops -> the same, those that schedules mark as instructions."""
    return [shuffle_transposes, prefetch_panels, keep_vectors, emit_dots]


def gpu_schedule_passes() -> list[Pass]:
    """Fused PrimFuncs -> the same, scheduled for a GPU that OpenCL drives."""
    return [schedule_gpu]


def fuse(module: tvm.IRModule, target: tvm.target.Target, without: Collection[str] = (), precision: Precision = "float32") -> tvm.IRModule:
    """The module with every kernel fused, weights packed for the target, and none scheduled; `without` leaves out what `OPTIONAL` names."""
    with naming(subnet_of_module(module)), target:
        return apply([*rewrite_passes(without, precision), *fusion_passes(without)], module)


def lower(module: tvm.IRModule, target: tvm.target.Target, without: Collection[str] = (), precision: Precision = "float32") -> tvm.IRModule:
    """The module with every kernel fused and scheduled for the target; `without` as for `fuse`."""
    with naming(subnet_of_module(module)), target:
        return apply([*rewrite_passes(without, precision), *fusion_passes(without), *schedule_passes()], module)


def apply(passes: Sequence[Pass], module: tvm.IRModule) -> tvm.IRModule:
    """The module after each pass in turn."""
    # A loop of our own: tvm.transform.Sequential turns the errors of Python passes into RuntimeError.
    for step in passes:
        module = step(module)
    return module
