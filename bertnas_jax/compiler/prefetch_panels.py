"""Pass: a GEMM, of floats or of whole numbers, prefetches the next weight panel while it computes with the current one.

Weights are read once a run and come from memory: the lines of the next panel, in rows of K, are
spread evenly over the loops that pass K once a block of rows. A product of digits, which passes K
several times, is left alone.
Precondition: after schedule_kernels, before emit_dots; the loops of a GEMM are those of its schedule, panels outermost, then
blocks of rows, which hold what clears the sums, the loop over K and the epilogue.
"""

from __future__ import annotations

import tvm
from tvm import tirx
from tvm.s_tir import SBlock, SBlockRealize

from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.region import element_bytes
from bertnas_jax.compiler.schedule_integer_gemm import DIGITS
from bertnas_jax.compiler.schedule_kernels import KIND

# Source: LLVM language reference, llvm.prefetch: address, read (0), locality (3 keeps it in all
# cache levels), data cache (1).
_READ, _KEEP, _DATA = 0, 3, 1
_LINE_BYTES = 64
_KINDS = ("gemm", "integer_gemm")


def prefetch_panels(module: tvm.IRModule) -> tvm.IRModule:
    """The module with prefetches in every GEMM."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc) and function.attrs.get(KIND) in _KINDS:
            changed[variable] = with_prefetches(function)
    return changed


def with_prefetches(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """A GEMM as `schedule_gemm` or `schedule_integer_gemm` leaves it, with prefetches in its loop over K."""
    root = function.body.block
    panel, rows = root.body, root.body.body
    clear, inner, epilogue = rows.body.seq
    if DIGITS in inner.annotations:
        return function
    weights = _weights_of(inner)
    tasks = int(panel.extent) // shape_of(weights)[0]
    inner = _with_body(inner, tirx.SeqStmt([*_prefetches(panel, rows, inner, weights, tasks), inner.body]))
    rows = _with_body(rows, tirx.SeqStmt([clear, inner, epilogue]))
    block = SBlock(
        root.iter_vars, root.reads, root.writes, root.name_hint, _with_body(panel, rows), root.init, root.alloc_buffers
    )
    return function.with_body(SBlockRealize(function.body.iter_values, function.body.predicate, block))


def _weights_of(inner: tirx.For) -> tirx.Var:
    """The packed weights that the product in a loop over K reads last."""
    product = inner
    while isinstance(product, tirx.For):
        product = product.body
    return product.block.reads[-1].source


def _prefetches(panel: tirx.For, rows: tirx.For, inner: tirx.For, weights: tirx.Var, tasks: int) -> list[tirx.Stmt]:
    """The prefetches of one step of the loop over K: its share of the rows of the next panel."""
    panels, depth, columns = shape_of(weights)
    blocks, steps = int(rows.extent), int(inner.extent)
    unrolled = depth // steps
    following = tirx.min(tirx.floordiv(panel.loop_var + tasks, tasks), panels - 1)
    statements, line = [], _LINE_BYTES // element_bytes(dtype_of(weights))
    for first in range(0, unrolled, blocks):
        row = tirx.floordiv(rows.loop_var * depth + inner.loop_var * unrolled + first, blocks)
        for column in range(0, columns, line):
            statements.append(prefetch(weights, [following, row, column]))
    return statements


def prefetch(buffer: tirx.Var, indices: list[tirx.Expr]) -> tirx.Stmt:
    """The line of one element asked for; no error where there is none."""
    address = tirx.address_of(tirx.BufferLoad(buffer, indices))
    return tirx.Evaluate(tirx.call_llvm_intrin("void", "llvm.prefetch", address, _READ, _KEEP, _DATA))


def _with_body(loop: tirx.For, body: tirx.Stmt) -> tirx.For:
    return tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding, loop.annotations)
