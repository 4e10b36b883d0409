"""Which lines of weights a product asks for ahead of time: all of the next panel's, each once while a panel is computed with."""

import collections
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx
from tvm.s_tir import SBlockRealize
from tvm.script import ir as I
from tvm.script import tirx as T
from tvm.sym.analyzer import Analyzer

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.prefetch_panels import prefetch_panels
from bertnas_jax.compiler.schedule_kernels import KIND
from bertnas_jax.compiler.targets import named_target
from tests.compiler.conftest import assert_same_results, normal, scheduled, trace

ZEN5 = tvm.target.Target({"kind": "llvm", "mcpu": "znver5", "mtriple": "x86_64-linux-gnu"})


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(4), T.int64(2)), "float32"),
        panels: T.Buffer((T.int64(3), T.int64(2), T.int64(16)), "float32"),
        y: T.Buffer((T.int64(4), T.int64(48)), "float32"),
    ):
        T.func_attr({"bertnas.kind": "gemm"})
        sums = T.sblock_alloc_buffer((T.int64(4), T.int64(48)))
        for panel, rows in T.grid(T.int64(3), T.int64(2)):
            for row, lane in T.grid(T.int64(2), T.int64(16)):
                with T.sblock("clear"):
                    vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                    vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                    sums[vi, vj] = T.float32(0)
            for k in range(T.int64(2)):
                for row, lane in T.grid(T.int64(2), T.int64(16)):
                    with T.sblock("update"):
                        vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                        vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                        vk = T.axis.reduce(T.int64(2), k)
                        sums[vi, vj] = sums[vi, vj] + x[vi, vk] * panels[vj // T.int64(16), vk, vj % T.int64(16)]
            for row, lane in T.grid(T.int64(2), T.int64(16)):
                with T.sblock("write"):
                    vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                    vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                    y[vi, vj] = sums[vi, vj]


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(4), T.int64(2)), "float32"),
        panels: T.Buffer((T.int64(3), T.int64(2), T.int64(16)), "float32"),
        y: T.Buffer((T.int64(4), T.int64(48)), "float32"),
    ):
        T.func_attr({"bertnas.kind": "gemm"})
        sums = T.sblock_alloc_buffer((T.int64(4), T.int64(48)))
        for panel, rows in T.grid(T.int64(3), T.int64(2)):
            for row, lane in T.grid(T.int64(2), T.int64(16)):
                with T.sblock("clear"):
                    vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                    vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                    sums[vi, vj] = T.float32(0)
            for k in range(T.int64(2)):
                T.call_llvm_intrin(
                    "void",
                    "llvm.prefetch",
                    T.address_of(panels[T.min(panel + T.int64(1), T.int64(2)), (rows * T.int64(2) + k) // T.int64(2), 0]),
                    0,
                    3,
                    1,
                )
                for row, lane in T.grid(T.int64(2), T.int64(16)):
                    with T.sblock("update"):
                        vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                        vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                        vk = T.axis.reduce(T.int64(2), k)
                        sums[vi, vj] = sums[vi, vj] + x[vi, vk] * panels[vj // T.int64(16), vk, vj % T.int64(16)]
            for row, lane in T.grid(T.int64(2), T.int64(16)):
                with T.sblock("write"):
                    vi = T.axis.spatial(T.int64(4), rows * T.int64(2) + row)
                    vj = T.axis.spatial(T.int64(48), panel * T.int64(16) + lane)
                    y[vi, vj] = sums[vi, vj]


def test_two_steps_over_two_blocks_of_rows_ask_for_the_two_rows_of_the_next_panel():
    tvm.ir.assert_structural_equal(prefetch_panels(Before), Expected)


@pytest.mark.parametrize("kind", ["matmul", "half_gemm", None])
def test_a_kernel_that_is_no_gemm_stays(kind):
    kernel = Before["kernel"].without_attr(KIND) if kind is None else Before["kernel"].with_attr(KIND, kind)
    before = tvm.IRModule({"kernel": kernel})
    tvm.ir.assert_structural_equal(prefetch_panels(before), before)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 100), st.sampled_from(["float32", "int8_fast"]), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_random_products_compute_the_same(target, rows, inner, columns, precision, seed):
    x, weights = normal(seed, rows, inner), normal(seed + 1, inner, columns)
    before = scheduled(target, lambda x: jnp.tanh(x @ weights), x, precision=precision)
    assert_same_results(target, before, prefetch_panels(before), x, rtol=0, atol=1e-6)


def kernel_of(target, precision):
    weights = np.ones((64, 144), np.float32)
    lowered = lower(trace(lambda x: x @ weights, np.ones((16, 64), np.float32)), target, precision=precision)
    return next(function for _, function in lowered.functions_items() if "gemm" in str(getattr(function, "attrs", {}).get("bertnas.kind", "")))


def prefetched(statement, loops=()):
    """The weights' indices of every prefetch, with the loops around it."""
    if isinstance(statement, tirx.For):
        yield from prefetched(statement.body, (*loops, statement))
    elif isinstance(statement, SBlockRealize):
        yield from prefetched(statement.block.body, loops)
    elif isinstance(statement, tirx.SeqStmt):
        for child in statement.seq:
            yield from prefetched(child, loops)
    elif isinstance(statement, tirx.Evaluate):
        address = next(argument for argument in statement.value.args if hasattr(argument, "args"))
        yield address.args[0].indices, loops


def lines_by_panel(kernel):
    """(panel, row, column) of every prefetch of a run, by the panel that is computed with meanwhile."""
    found = collections.defaultdict(list)
    for indices, loops in prefetched(kernel.body):
        for values in itertools.product(*(range(int(loop.extent)) for loop in loops)):
            analyzer = Analyzer()
            for loop, value in zip(loops, values, strict=True):
                analyzer.bind(loop.loop_var, tirx.const(value, loop.loop_var.ty.dtype))
            found[values[0]].append(tuple(int(analyzer.simplify(index)) for index in indices))
    return found


@pytest.mark.parametrize(("precision", "width"), [("float32", 4), ("int8_accurate", 2), ("int8_fast", 1)])
def test_while_a_panel_is_computed_with_every_line_of_the_next_is_asked_for_once(precision, width):
    found = lines_by_panel(kernel_of(ZEN5, precision))
    panels, panel_bytes = 3, 64 * 48 * width
    assert sorted(found) == list(range(panels))
    for panel, lines in found.items():
        assert {line[0] for line in lines} == {min(panel + 1, panels - 1)}
        assert len(set(lines)) == len(lines) == panel_bytes // 64


def test_weights_that_are_passed_once_a_digit_are_not():
    assert not list(prefetched(kernel_of(named_target("android-arm64"), "int8_accurate").body))
