"""The compiler as a list of named passes, from primitive operators to scheduled kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tvm
from tvm import relax

from bertnas_jax.compiler.fuse_polyhedral import fuse_polyhedral
from bertnas_jax.compiler.legalize_views import VIEWS
from bertnas_jax.compiler.pack_weights import pack_weights
from bertnas_jax.compiler.prefetch_panels import prefetch_panels
from bertnas_jax.compiler.schedule_kernels import schedule_kernels
from bertnas_jax.compiler.sink_division import sink_division
from bertnas_jax.compiler.vector_math import VECTOR_MATH


Pass = Callable[[tvm.IRModule], tvm.IRModule]


def fusion_passes() -> list[Pass]:
    """Primitive Relax operators -> `main` as calls of fused, unscheduled PrimFuncs."""
    transform = relax.transform
    return [
        transform.EliminateCommonSubexpr(),
        transform.CanonicalizeBindings(),
        transform.DeadCodeElimination(),
        sink_division,
        transform.DeadCodeElimination(),
        pack_weights,
        transform.LegalizeOps(VECTOR_MATH | VIEWS),
        transform.CanonicalizeBindings(),
        transform.DeadCodeElimination(),
        fuse_polyhedral,
    ]


def schedule_passes() -> list[Pass]:
    """Fused PrimFuncs -> the same, scheduled for a CPU with AVX2."""
    return [schedule_kernels, prefetch_panels]


def fuse(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every kernel fused and none scheduled."""
    return _apply(fusion_passes(), module)


def lower(module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """The module with every kernel fused and scheduled for the target."""
    with target:
        return _apply([*fusion_passes(), *schedule_passes()], module)


def _apply(passes: Sequence[Pass], module: tvm.IRModule) -> tvm.IRModule:
    # A loop of our own: tvm.transform.Sequential turns the errors of Python passes into RuntimeError.
    for step in passes:
        module = step(module)
    return module
