"""Pass: the innermost loops of an integer GEMM become one dot instruction of the target.

Precondition: after schedule_kernels; `schedule_integer_gemm` marked a loop (`DOT`), under which only loops over
groups, lanes and depth lead to S[lane] += A[group, depth] * B[group, lane, depth], neighbours in memory along the
lanes of S, the depth of A, and the lanes and depth of B.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tvm
from tvm import tirx
from tvm.sym.analyzer import Analyzer
from tvm.ir.expr import Expr
from tvm.s_tir import SBlockRealize

from bertnas_jax.compiler.emitter import dtype_of
from bertnas_jax.compiler.integer_dot import IntegerDot, dot_of
from bertnas_jax.compiler.loop_nest import COUNTED, count_bytes, count_flops
from bertnas_jax.compiler.marked_loops import along_last, replace_marked
from bertnas_jax.compiler.schedule_integer_gemm import DOT
from bertnas_jax.compiler.schedule_kernels import KIND

# LLVM's names of the instructions, by the bits of a register.
_LLVM = {
    ("vpdpbusd", 512): "llvm.x86.avx512.vpdpbusd.512",
    ("vpdpbusd", 256): "llvm.x86.avx512.vpdpbusd.256",  # also of AVX-VNNI, which has no name of its own
    ("vpdpwssd", 512): "llvm.x86.avx512.vpdpwssd.512",
    ("vpdpwssd", 256): "llvm.x86.avx512.vpdpwssd.256",
    ("vpmaddwd", 512): "llvm.x86.avx512.pmaddw.d.512",
    ("vpmaddwd", 256): "llvm.x86.avx2.pmadd.wd",
    ("vpmaddubsw", 512): "llvm.x86.avx512.pmaddubs.w.512",
    ("vpmaddubsw", 256): "llvm.x86.avx2.pmadd.ub.sw",
}


def emit_dots(module: tvm.IRModule) -> tvm.IRModule:
    """The module with dot instructions in every integer GEMM."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc) and function.attrs.get(KIND) == "integer_gemm":
            counted = {"flops": count_flops(function), "bytes": count_bytes(function)}
            changed[variable] = function.with_body(replace_marked(function.body, DOT, _dot_of)).with_attr(COUNTED, counted)
    return changed


def _dot_of(loop: tirx.For) -> tirx.BufferStore:
    """The loops (group, lane, depth) around one multiplication and addition as one store."""
    loops = [loop]
    while isinstance(loops[-1].body, tirx.For):
        loops.append(loops[-1].body)
    realize = loops[-1].body
    store = realize.block.body
    product = store.value.b  # S + A * B
    activation, weight = product.a.value, product.b.value  # each cast to int32
    dot = dot_of(dtype_of(weight.source))
    pairs = []
    for step in range(dot.groups):
        at = _indices_at(realize, [each.loop_var for each in loops], (step, 0, 0))
        few = _vector(activation.source, at(activation.indices), dot.depth)
        pairs.append((_repeated(few, dot), _vector(weight.source, at(weight.indices), dot.lanes * dot.depth)))
    sums = _vector(store.buffer, at(store.indices), dot.lanes)
    return tirx.BufferStore(store.buffer, _sum(dot, sums, pairs), sums.indices)


def _indices_at(realize: SBlockRealize, loops: Sequence[tirx.Var], values: Sequence[int]) -> Callable[[Sequence[Expr]], list[Expr]]:
    """A function from indices in a block's own axes to the same in the loops around these, which stand still."""
    analyzer = Analyzer()
    for loop, value in zip(loops, values, strict=True):
        analyzer.bind(loop, tirx.const(value, "int64"))
    for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
        analyzer.bind(axis.var, analyzer.simplify(value))
    return lambda indices: [analyzer.simplify(index) for index in indices]


def _vector(buffer: tirx.Var, indices: list[Expr], lanes: int) -> Expr:
    """Neighbours along the last axis."""
    return tirx.BufferLoad(buffer, along_last(indices, lanes))


def _repeated(few: Expr, dot: IntegerDot) -> Expr:
    """The activations of one step (32 bits), once for each lane."""
    word = tirx.reinterpret("int32", few)
    return tirx.reinterpret(f"{dot.activation_dtype}x{dot.lanes * dot.depth}", tirx.Broadcast(word, dot.lanes))


def _sum(dot: IntegerDot, sums: Expr, pairs: list[tuple[Expr, Expr]]) -> Expr:
    """The sums with the products of one step added, by the instruction."""
    int32, int16 = f"int32x{dot.lanes}", f"int16x{2 * dot.lanes}"
    if dot.instruction in ("vpdpbusd", "vpdpwssd"):
        ((activations, weights),) = pairs
        return _call(dot.instruction, dot, int32, sums, activations, weights)
    if dot.instruction == "vpmaddwd":
        ((activations, weights),) = pairs
        return sums + _call("vpmaddwd", dot, int32, activations, weights)
    first, second = (_call("vpmaddubsw", dot, int16, activations, weights) for activations, weights in pairs)
    return sums + _call("vpmaddwd", dot, int32, first + second, tirx.Broadcast(tirx.const(1, "int16"), 2 * dot.lanes))


def _call(instruction: str, dot: IntegerDot, dtype: str, *operands: Expr) -> Expr:
    return tirx.call_llvm_pure_intrin(dtype, _LLVM[instruction, 32 * dot.lanes], *operands)
