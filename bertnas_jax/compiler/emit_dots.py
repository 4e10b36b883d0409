"""Pass: the innermost loops of an integer GEMM become one dot instruction of the target.

Precondition: after schedule_kernels; `schedule_integer_gemm` marked a loop over steps (`DOT`), under which only loops over
rows, registers, groups, lanes and depth lead to S[row, register, lane] += A[row, step, group, depth] * B[step, group,
register, lane, depth], neighbours in memory along the lanes of S, the steps, groups and depth of A, and the lanes and
depth of B. In a loop over digits (`DIGITS`) A is shifted left by 8 bits but for the last digit; here the sums are shifted
instead, between two digits.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import tvm
from tvm import tirx
from tvm.sym.analyzer import Analyzer
from tvm.ir.expr import Expr

from bertnas_jax.compiler.emitter import dtype_of
from bertnas_jax.compiler.integer_dot import DIGIT_BITS, IntegerDot, dot_of
from bertnas_jax.compiler.loop_nest import COUNTED, count_bytes, count_flops
from bertnas_jax.compiler.marked_loops import along_last, replace_marked
from bertnas_jax.compiler.schedule_integer_gemm import DIGITS, DOT
from bertnas_jax.compiler.schedule_kernels import KIND

# LLVM's names of the instructions, by the bits of the sums.
_LLVM = {
    ("vpdpbusd", 512): "llvm.x86.avx512.vpdpbusd.512",
    ("vpdpbusd", 256): "llvm.x86.avx512.vpdpbusd.256",  # also of AVX-VNNI, which has no name of its own
    ("vpdpwssd", 512): "llvm.x86.avx512.vpdpwssd.512",
    ("vpdpwssd", 256): "llvm.x86.avx512.vpdpwssd.256",
    ("vpmaddwd", 512): "llvm.x86.avx512.pmaddw.d.512",
    ("vpmaddwd", 256): "llvm.x86.avx2.pmadd.wd",
    ("vpmaddubsw", 512): "llvm.x86.avx512.pmaddubs.w.512",
    ("vpmaddubsw", 256): "llvm.x86.avx2.pmadd.ub.sw",
    ("sdot", 128): "llvm.aarch64.neon.sdot.v4i32.v16i8",
    ("smlal", 128): "llvm.aarch64.neon.smull.v4i32",  # and an addition, which LLVM makes one SMLAL of
    ("sadalp", 128): "llvm.aarch64.neon.saddlp.v4i32.v8i16",  # likewise
    ("smull", 128): "llvm.aarch64.neon.smull.v8i16",
}


def emit_dots(module: tvm.IRModule) -> tvm.IRModule:
    """The module with dot instructions in every integer GEMM."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc) and function.attrs.get(KIND) == "integer_gemm":
            counted = {"flops": count_flops(function), "bytes": count_bytes(function)}
            changed[variable] = function.with_body(_with_dots(function.body)).with_attr(COUNTED, counted)
    return changed


def _with_dots(statement: tirx.Stmt) -> tirx.Stmt:
    return replace_marked(replace_marked(statement, DIGITS, _digit_by_digit), DOT, _dots_of)


def _digit_by_digit(digits: tirx.For) -> tirx.For:
    """The loop over digits with the sums shifted by one first, which are 0 before the first digit."""
    outer = _nest(digits.body)
    first = next(position for position, loop in enumerate(outer) if DOT in loop.annotations)
    block = _Block(outer[first], {loop.loop_var: 0 for loop in (digits, *outer[:first])})
    body = tirx.SeqStmt([*(block.shifted(row, register) for row, register in block.registers()), digits.body])
    return tirx.For(digits.loop_var, digits.min, digits.extent, digits.kind, body)


def _nest(loop: tirx.For) -> list[tirx.For]:
    """The loop and every one in it."""
    loops = [loop]
    while isinstance(loops[-1].body, tirx.For):
        loops.append(loops[-1].body)
    return loops


def _dots_of(loop: tirx.For) -> tirx.Stmt:
    """The loops around one multiplication and addition as one store for each step and register of sums."""
    block = _Block(loop)
    return tirx.stmt_seq(*(block.dot(step, row, register) for step in range(block.steps) for row, register in block.registers()))


class _Block:
    """One multiplication and addition S + A * B in loops over (step, row, register, group, lane, depth)."""

    def __init__(self, loop: tirx.For, outside: Mapping[tirx.Var, int] = MappingProxyType({})):
        self._loops = _nest(loop)
        self._outside = outside
        self._realize = self._loops[-1].body
        self._store = self._realize.block.body
        product = self._store.value.b  # of two that are cast to int32
        activation = product.a.false_value if isinstance(product.a, tirx.Select) else product.a  # that of the last digit
        self._activation, self._weight = activation.value, product.b.value
        self._dot = dot_of(dtype_of(self._weight.source))
        self.steps = int(loop.extent)

    def registers(self) -> Iterator[tuple[int, int]]:
        """Rows and registers of each row."""
        return itertools.product(*(range(int(loop.extent)) for loop in self._loops[1:3]))

    def dot(self, step: int, row: int, register: int) -> tirx.BufferStore:
        """Sums with the products of one step added."""
        dot, pairs = self._dot, []
        for group in range(dot.groups):
            at = self._indices_at(step, row, register, group)
            pairs.append((self._activations(step, row, register, group), _vector(self._weight.source, at(self._weight.indices), dot.lanes * dot.depth)))
        sums = self._sums(row, register)
        return tirx.BufferStore(self._store.buffer, _sum(dot, sums, pairs), sums.indices)

    def shifted(self, row: int, register: int) -> tirx.BufferStore:
        """Sums shifted by one digit."""
        sums = self._sums(row, register)
        bits = tirx.Broadcast(tirx.const(DIGIT_BITS, "int32"), self._dot.lanes)
        return tirx.BufferStore(self._store.buffer, tirx.shift_left(sums, bits), sums.indices)

    def _sums(self, row: int, register: int) -> Expr:
        return _vector(self._store.buffer, self._indices_at(0, row, register, 0)(self._store.indices), self._dot.lanes)

    def _activations(self, step: int, row: int, register: int, group: int) -> Expr:
        """The activations of one group, once for each lane; those of all steps are loaded at once."""
        dot, source = self._dot, self._activation.source
        bits = dot.depth * int(dot.activation_dtype.lstrip("uint"))
        if self.steps == 1:
            few = _vector(source, self._indices_at(0, row, register, group)(self._activation.indices), dot.depth)
            repeated = tirx.Broadcast(tirx.reinterpret(f"int{bits}", few), dot.lanes)
        else:
            all_steps = self.steps * dot.step
            many = _vector(source, self._indices_at(0, row, register, 0)(self._activation.indices), all_steps)
            words = tirx.reinterpret(f"int{bits}x{all_steps // dot.depth}", many)
            enough = [words] * -(-dot.lanes * dot.depth // all_steps)  # TVM takes no fewer numbers than it makes
            repeated = tirx.Shuffle(enough, [tirx.const(step * dot.groups + group, "int32")] * dot.lanes)
        return tirx.reinterpret(f"{dot.activation_dtype}x{dot.lanes * dot.depth}", repeated)

    def _indices_at(self, *values: int) -> Callable[[Sequence[Expr]], list[Expr]]:
        """A function from indices in the block's axes to the same at these values of (step, row, register, group), lane and depth 0."""
        analyzer = Analyzer()
        inside = zip((loop.loop_var for loop in self._loops), (*values, 0, 0), strict=True)
        for variable, value in (*self._outside.items(), *inside):
            analyzer.bind(variable, tirx.const(value, "int64"))
        for axis, value in zip(self._realize.block.iter_vars, self._realize.iter_values, strict=True):
            analyzer.bind(axis.var, analyzer.simplify(value))
        return lambda indices: [analyzer.simplify(index) for index in indices]


def _vector(buffer: tirx.Var, indices: list[Expr], lanes: int) -> Expr:
    """Neighbours along the last axis."""
    return tirx.BufferLoad(buffer, along_last(indices, lanes) if lanes > 1 else indices)


def _sum(dot: IntegerDot, sums: Expr, pairs: list[tuple[Expr, Expr]]) -> Expr:
    """The sums with the products of one step added, by the instruction."""
    int32, int16 = f"int32x{dot.lanes}", f"int16x{2 * dot.lanes}"
    if dot.instruction in ("vpdpbusd", "vpdpwssd", "sdot"):
        ((activations, weights),) = pairs
        if dot.instruction == "sdot":  # LLVM takes one lane of a register for all of the second operand
            activations, weights = weights, activations
        return _call(dot.instruction, dot, int32, sums, activations, weights)
    if dot.instruction in ("vpmaddwd", "smlal"):
        ((activations, weights),) = pairs
        return sums + _call(dot.instruction, dot, int32, activations, weights)
    if dot.instruction == "sadalp":
        products = [_call("smull", dot, int16, activations, weights) for activations, weights in pairs]
        return sums + _call("sadalp", dot, int32, functools.reduce(operator.add, products))
    first, second = (_call("vpmaddubsw", dot, int16, activations, weights) for activations, weights in pairs)
    return sums + _call("vpmaddwd", dot, int32, first + second, tirx.Broadcast(tirx.const(1, "int16"), 2 * dot.lanes))


def _call(instruction: str, dot: IntegerDot, dtype: str, *operands: Expr) -> Expr:
    return tirx.call_llvm_pure_intrin(dtype, _LLVM[instruction, 32 * dot.lanes], *operands)
