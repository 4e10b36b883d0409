"""Loops that a schedule marked, replaced after scheduling; TVM 0.27 has no statement mutator in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir.expr import Expr
from tvm.s_tir import SBlock, SBlockRealize


def replace_marked(statement: tirx.Stmt, mark: str, replacement: Callable[[tirx.For], tirx.Stmt]) -> tirx.Stmt:
    """The statement with every outermost loop that has the annotation `mark` replaced; blocks with axes are not entered."""
    if isinstance(statement, tirx.For):
        if mark in statement.annotations:
            return replacement(statement)
        body = replace_marked(statement.body, mark, replacement)
        kind = statement.kind, body, statement.thread_binding, statement.annotations
        return tirx.For(statement.loop_var, statement.min, statement.extent, *kind)
    if isinstance(statement, tirx.SeqStmt):
        return tirx.SeqStmt([replace_marked(child, mark, replacement) for child in statement.seq])
    if isinstance(statement, SBlockRealize) and not statement.block.iter_vars:
        block = statement.block
        body = replace_marked(block.body, mark, replacement)
        fields = block.iter_vars, block.reads, block.writes, block.name_hint, body, block.init, block.alloc_buffers
        block = SBlock(*fields, block.match_buffers, block.annotations)
        return SBlockRealize(statement.iter_values, statement.predicate, block)
    return statement


def along_last(indices: Sequence[Expr], lanes: int) -> list[Expr]:
    """The indices of a vector of neighbours along the last axis."""
    *outer, first = indices
    return [*outer, tirx.Ramp(first, tirx.const(1, first.ty.dtype), lanes)]
