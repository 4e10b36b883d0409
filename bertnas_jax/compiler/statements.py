"""The statements of an operator's loop nest: their iteration domains, and what each execution reads and writes.

A statement is a block of the loop nest: its domain holds one point per execution, its maps say
which element of which buffer that execution writes and reads.

Source: Feautrier 1991, "Dataflow analysis of array and scalar references" (the model).
"""

from __future__ import annotations

import dataclasses
import math

import islpy as isl
from tvm import tirx
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlock, SBlockRealize

from bertnas_jax.compiler.access_map import AccessMap
from bertnas_jax.compiler.loop_nest import count_operations, expressions


@dataclasses.dataclass(frozen=True, eq=False)
class Statement:
    """One block: points of its domain are (spatial..., reduced...) iterations in the block's own order.

    `operations` counts the float operations of one execution, `copies` says that it only moves a value,
    `gathers` that an index is read from memory (then the map reaches every element it may be).
    `divisors` holds (axis, constant) for each index that divides an axis by a constant.
    """

    name: str
    extents: tuple[int, ...]
    reduced: tuple[bool, ...]
    result: tirx.Var
    writes: isl.Map
    reads: tuple[tuple[tirx.Var, isl.Map], ...]
    operations: int
    copies: bool
    gathers: bool
    divisors: frozenset[tuple[int, int]]

    @property
    def executions(self) -> int:
        return math.prod(self.extents)

    @property
    def is_product(self) -> bool:
        """True for a contraction: a sum over elements of at least two arguments."""
        return any(self.reduced) and len(self.reads) > 1


def read_statements(function: tirx.PrimFunc) -> tuple[Statement, ...]:
    """The statements of an unscheduled PrimFunc, in program order."""
    return tuple(map(_statement, blocks_in(function)))


def blocks_in(function: tirx.PrimFunc) -> list[SBlock]:
    """The blocks of an unscheduled PrimFunc, in program order."""
    found: list[SBlock] = []

    def visit(node) -> None:
        if isinstance(node, SBlock) and node.iter_vars:
            found.append(node)
        elif isinstance(node, SBlockRealize):
            visit(node.block)
        elif isinstance(node, SBlock | tirx.For):
            visit(node.body)
        elif isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child)
        else:
            kind = type(node).__name__
            raise NotImplementedError(f"an operator must consist of loops and blocks with axes, got {kind}; analyse it before it is scheduled")

    visit(function.body)
    return found


def _statement(block: SBlock) -> Statement:
    names = {axis.var: f"i{position}" for position, axis in enumerate(block.iter_vars)}
    extents = tuple(int(axis.dom.extent) for axis in block.iter_vars)
    if not isinstance(block.body, tirx.BufferStore):
        raise NotImplementedError(f"block {block.name_hint} must be one store, got {type(block.body).__name__}; split it")
    loads = {}
    for node in expressions(block.body.value):
        if isinstance(node, TensorLoad) and not node.source.same_as(block.body.buffer):
            loads.setdefault((node.source, tuple(map(str, node.indices))), node)
    maps = {key: AccessMap(names, extents) for key in loads}
    reads = tuple((load.source, maps[key].of(load.source, load.indices)) for key, load in loads.items())
    return Statement(
        block.name_hint,
        extents,
        tuple(axis.iter_type == tirx.IterVar.CommReduce for axis in block.iter_vars),
        block.body.buffer,
        AccessMap(names, extents).of(block.body.buffer, block.body.indices),
        reads,
        count_operations(block.body.value),
        isinstance(block.body.value, TensorLoad),
        any(access.gathers for access in maps.values()),
        frozenset().union(*(access.divisors for access in maps.values())),
    )
