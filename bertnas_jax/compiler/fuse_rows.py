"""Pass: softmax, layer normalisation and the like, reductions along rows with their neighbours, become one kernel.

Precondition: primitive Relax operators in one dataflow block, after FuseAttention, before
LegalizeOps.
"""

from __future__ import annotations

import tvm
from tvm import relax

from bertnas_jax.compiler.dataflow import ELEMENTWISE, REDUCTIONS, Dataflow, operator_of
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.outline import outline


def fuse_rows(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every row-wise group outlined as a function `rows`."""
    return outline(module, {"rows": row_groups(Dataflow(module["main"]))})


def row_groups(dataflow: Dataflow) -> list[list[relax.Var]]:
    """Groups of operators that work on one row at a time and reduce along it."""
    epilogues = dataflow.epilogues()
    groups: list[list[relax.Var]] = []
    taken: set[relax.Var] = set()
    for binding in reversed(dataflow.bindings):
        root = binding.var
        if root in taken or root in epilogues or operator_of(binding.value) not in ELEMENTWISE:
            continue
        group = dataflow.closure(root, lambda variable: variable not in epilogues and _is_rowwise(dataflow, variable, shape_of(root)))
        if any(operator_of(dataflow.value(variable)) in REDUCTIONS for variable in group):
            groups.append(group)
            taken.update(group)
    return groups[::-1]


def _is_rowwise(dataflow: Dataflow, variable: relax.Var, space: tuple[int, ...]) -> bool:
    """True if the value at a row of the space depends on that row (or a looked-up one) only."""
    call, shape = dataflow.value(variable), shape_of(variable)
    if len(space) < 2 or shape[:-1] != space[:-1] or shape[-1] not in (1, space[-1]):
        return False
    operator = operator_of(call)
    if operator in REDUCTIONS:
        return call.attrs.keepdims and [int(axis) % len(space) for axis in call.attrs.axis] == [len(space) - 1]
    return operator in ELEMENTWISE or operator == "relax.take"
