"""That LLVM leaves conversions to narrow numbers in the vectors that the schedule made, whatever their number."""

import re

import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import s_tir, tirx
from tvm.script import ir as I
from tvm.script import tirx as T

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.keep_vectors import keep_vectors
from bertnas_jax.compiler.kernel_object import codegen
from bertnas_jax.compiler.schedule_elementwise import VECTORS
from bertnas_jax.compiler.schedule_kernels import KIND
from tests.compiler.conftest import assert_same_results, normal, scheduled, trace

ZEN5 = tvm.target.Target({"kind": "llvm", "mcpu": "znver5", "mtriple": "x86_64-linux-gnu"})


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(2), T.int64(16)), "float32"), y: T.Buffer((T.int64(2), T.int64(16)), "int8")):
        T.func_attr({"bertnas.kind": "elementwise"})
        for i in range(T.int64(2)):
            for j in T.serial(T.int64(2), annotations={"bertnas.vectors": 1}):
                for lane in T.vectorized(T.int64(8)):
                    with T.sblock("narrow"):
                        vi = T.axis.spatial(T.int64(2), i)
                        vj = T.axis.spatial(T.int64(16), j * T.int64(8) + lane)
                        y[vi, vj] = T.Cast("int8", x[vi, vj])


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(2), T.int64(16)), "float32"), y: T.Buffer((T.int64(2), T.int64(16)), "int8")):
        T.func_attr({"bertnas.kind": "elementwise"})
        for i in range(T.int64(2)):
            for j in range(T.int64(2)):
                T.call_llvm_intrin("void", "llvm.prefetch", T.address_of(x[i, j * T.int64(8) + T.int64(256)]), 0, 3, 1)
                for lane in T.vectorized(T.int64(8)):
                    with T.sblock("narrow"):
                        vi = T.axis.spatial(T.int64(2), i)
                        vj = T.axis.spatial(T.int64(16), j * T.int64(8) + lane)
                        y[vi, vj] = T.Cast("int8", x[vi, vj])


def test_a_marked_loop_asks_for_what_it_reads_256_elements_later():
    tvm.ir.assert_structural_equal(keep_vectors(Before), Expected)


def test_other_loops_and_kernels_stay():
    schedule = s_tir.Schedule(Before["kernel"])
    schedule.unannotate(schedule.get_loops(schedule.get_sblock("narrow"))[1], VECTORS)
    of_another_kind = tvm.IRModule({"kernel": Before["kernel"].with_attr(KIND, "rows")})
    for before in (schedule.mod, of_another_kind):
        tvm.ir.assert_structural_equal(keep_vectors(before), before)


@given(st.integers(1, 5), st.sampled_from([8, 24, 56, 104]), st.sampled_from(["int8_accurate", "int8_fast"]), st.integers(0, 5))
@settings(max_examples=5, deadline=None)
def test_random_products_of_narrow_numbers_compute_the_same(target, rows, inner, precision, seed):
    x, weights = normal(seed, rows, inner), normal(seed + 1, inner, 48)
    before = scheduled(target, lambda x: x @ weights, x, precision=precision)
    after = keep_vectors(before)
    assert "llvm.prefetch" in after.script() and "llvm.prefetch" not in before.script()
    assert_same_results(target, before, after, x, rtol=0, atol=1e-6)


def assembly_of_quantize(inner, precision):
    weights = np.ones((inner, 96), np.float32)
    lowered = lower(trace(lambda x: x @ weights, np.ones((128, inner), np.float32)), ZEN5, precision=precision)
    (kernel,) = (function for variable, function in lowered.functions_items() if isinstance(function, tirx.PrimFunc) and "divide_quantize" in variable.name_hint)
    return codegen(tvm.IRModule({"main": kernel}), ZEN5).inspect_source("asm")


@pytest.mark.parametrize("precision", ["int8_accurate", "int8_fast"])
@pytest.mark.parametrize("inner", [256, 312, 384, 1200, 1536])
def test_no_number_is_rounded_gathered_or_inserted_alone(inner, precision):
    kernel = kernel_in(assembly_of_quantize(inner, precision))
    assert kernel
    assert not re.findall(r"vrndscaless|vroundss|vgather|vscatter|vpinsr|vpextr|vextractps|vinsertps", kernel)


def kernel_in(code):
    """The function that rounds; LLVM's module brings conversions of half precision along."""
    return "\n".join(part for part in re.split(r"\n\.Lfunc_begin\d+:", code) if re.search(r"vrndscaleps|vroundps", part))
