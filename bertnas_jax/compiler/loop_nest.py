"""FLOPs and bytes of a kernel, counted from its loop nest."""

from __future__ import annotations

from collections import Counter

import tvm
from tvm import tirx
from tvm.ir.expr import Call, Expr, TensorLoad
from tvm.s_tir import SBlock, SBlockRealize
from tvm_ffi import WalkResult, structural_walk

from bertnas_jax.compiler.emitter import dtype_of

_ARITHMETIC = (tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tirx.Max, tirx.Min)
_MATH = ("rsqrt", "sqrt", "exp", "log", "tanh", "erf", "sigmoid", "floor", "nearbyint", "pow", "fabs", "sin", "cos")

# The attribute of a PrimFunc that holds its FLOPs and bytes, where its loops no longer tell them.
COUNTED = "bertnas.counted"


def count_flops(function: tirx.PrimFunc) -> int:
    """Float operations as executed: 1 each for + - * / max min and a math call, so 2 per multiply-add.

    A polynomial counts every term, a value computed twice counts twice, padding counts. A kernel of dot instructions
    counts as what it was before it had them (`COUNTED`).
    """
    if COUNTED in function.attrs:
        return int(function.attrs[COUNTED]["flops"])
    return sum(times * count_operations(store.value) for store, times in _stores(function))


def count_bytes(function: tirx.PrimFunc) -> int:
    """Bytes of arguments read and of the result written, each element once: the least memory traffic.

    An argument that is looked up in places (an embedding table) counts only as often as it is read.
    """
    if COUNTED in function.attrs:
        return int(function.attrs[COUNTED]["bytes"])
    arguments = set(function.params)
    touched: Counter[tirx.Var] = Counter()
    for store, times in _stores(function):
        touched[store.buffer] += times * tvm.DataType(dtype_of(store.value)).lanes
        for node in expressions(store.value):
            if isinstance(node, TensorLoad):
                touched[node.source] += times * tvm.DataType(dtype_of(node)).lanes
    return sum(min(times, _elements(buffer)) * _width(buffer) for buffer, times in touched.items() if buffer in arguments)


def _elements(buffer: tirx.Var) -> int:
    count = 1
    for size in buffer.ty.shape:
        count *= int(size)
    return count


def _width(buffer: tirx.Var) -> int:
    return int(str(buffer.ty.dtype).lstrip("abcdefghijklmnopqrstuvwxyz") or 8) // 8


def count_operations(value: tirx.Expr) -> int:
    """Float operations of one evaluation of the expression, and those of a sum of products in int32."""
    nodes = expressions(value)
    floats = [node for node in nodes if "float" in str(node.ty)]
    in_int32 = sum(isinstance(node, tirx.Add | tirx.Mul) and "int32" in str(node.ty) for node in nodes)
    return in_int32 + sum(isinstance(node, _ARITHMETIC) or _is_math(node) for node in floats)


def _is_math(node: tirx.Expr) -> bool:
    return isinstance(node, Call) and getattr(node.op, "name", "").removeprefix("tirx.") in _MATH


def expressions(value: tirx.Expr) -> list[tirx.Expr]:
    """The expression and every one below it, as often as it stands there; of a buffer its name and not its shape."""
    found: list[tirx.Expr] = []

    def leaf(variable: tirx.Var) -> WalkResult:
        found.append(variable)
        return WalkResult.SKIP

    # By TVM's own account of what a node holds, so that none is passed over.
    structural_walk(value, [(tirx.Var, leaf), (Expr, found.append)], order="pre")
    return found


def _stores(function: tirx.PrimFunc) -> list[tuple[tirx.BufferStore, int]]:
    """Every store of the loop nest with the number of times it runs."""
    found: list[tuple[tirx.BufferStore, int]] = []

    def visit(statement, times: int) -> None:
        if isinstance(statement, tirx.For):
            visit(statement.body, times * int(statement.extent))
        elif isinstance(statement, SBlockRealize):
            visit(statement.block, times)
        elif isinstance(statement, SBlock):
            visit(statement.body, times)
        elif isinstance(statement, tirx.SeqStmt):
            for child in statement.seq:
                visit(child, times)
        elif isinstance(statement, tirx.BufferStore):
            found.append((statement, times))
        elif isinstance(statement, tirx.Evaluate):
            pass  # a prefetch: no arithmetic, no result
        else:
            kind = type(statement).__name__
            raise NotImplementedError(f"a kernel must consist of loops, blocks and stores, got {kind}; count it in loop_nest.py")

    visit(function.body, 1)
    return found
