import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm.script import ir as I
from tvm.script import tirx as T

from bertnas_jax.compiler.emit_dots import emit_dots
from bertnas_jax.compiler.schedule_kernels import KIND
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from tests.compiler.conftest import assert_same_results, normal, scheduled

AVX_VNNI = tvm.target.Target({"kind": "llvm", "mcpu": "alderlake", "mtriple": "x86_64-linux-gnu"})
HASWELL = tvm.target.Target({"kind": "llvm", "mcpu": "haswell", "mtriple": "x86_64-linux-gnu"})


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(2), T.int64(4)), "uint8"),
        panels: T.Buffer((T.int64(1), T.int64(1), T.int64(32)), "int8"),
        sums: T.Buffer((T.int64(2), T.int64(8)), "int32"),
    ):
        T.func_attr({"bertnas.kind": "integer_gemm"})
        for step in T.serial(T.int64(1), annotations={"bertnas.dot": 1}):
            for row, register, group, lane, depth in T.grid(T.int64(2), T.int64(1), T.int64(1), T.int64(8), T.int64(4)):
                with T.sblock("update"):
                    vi, vg, vk = T.axis.remap("SRR", [row, step, depth])
                    vj = T.axis.spatial(T.int64(8), register * T.int64(8) + lane)
                    sums[vi, vj] = sums[vi, vj] + T.Cast("int32", x[vi, vg * T.int64(4) + vk]) * T.Cast(
                        "int32", panels[vj // T.int64(8), vg, vj % T.int64(8) * T.int64(4) + vk]
                    )


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(2), T.int64(4)), "uint8"),
        panels: T.Buffer((T.int64(1), T.int64(1), T.int64(32)), "int8"),
        sums: T.Buffer((T.int64(2), T.int64(8)), "int32"),
    ):
        # 2 * 4 bytes of activations, 32 of weights, 2 * 8 sums of 4 bytes; 2 * 8 * 4 products and additions.
        T.func_attr({"bertnas.counted": {"bytes": 8 + 32 + 64, "flops": 128}, "bertnas.kind": "integer_gemm"})
        with T.sblock("root"):
            T.reads()
            T.writes()
            sums[T.int64(0), T.int64(0) : T.int64(8)] = T.call_llvm_pure_intrin(
                "int32x8",
                "llvm.x86.avx512.vpdpbusd.256",
                sums[T.int64(0), T.Ramp(T.int64(0), T.int64(1), 8)],
                T.reinterpret("uint8x32", T.Broadcast(T.reinterpret("int32", x[T.int64(0), T.Ramp(T.int64(0), T.int64(1), 4)]), 8)),
                panels[T.int64(0), T.int64(0), T.Ramp(T.int64(0), T.int64(1), 32)],
            )
            sums[T.int64(1), T.int64(0) : T.int64(8)] = T.call_llvm_pure_intrin(
                "int32x8",
                "llvm.x86.avx512.vpdpbusd.256",
                sums[T.int64(1), T.Ramp(T.int64(0), T.int64(1), 8)],
                T.reinterpret("uint8x32", T.Broadcast(T.reinterpret("int32", x[T.int64(1), T.Ramp(T.int64(0), T.int64(1), 4)]), 8)),
                panels[T.int64(0), T.int64(0), T.Ramp(T.int64(0), T.int64(1), 32)],
            )


def test_the_loops_of_two_rows_become_two_instructions():
    with AVX_VNNI:
        tvm.ir.assert_structural_equal(emit_dots(Before), Expected)


@I.ir_module
class BeforeOfDigits:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(1), T.int64(2), T.int64(4)), "int8"),
        panels: T.Buffer((T.int64(1), T.int64(1), T.int64(16)), "int8"),
        sums: T.Buffer((T.int64(1), T.int64(4)), "int32"),
    ):
        T.func_attr({"bertnas.kind": "integer_gemm"})
        for digit in T.serial(T.int64(2), annotations={"bertnas.digits": 1}):
            for outer in range(T.int64(1)):
                for step in T.serial(T.int64(1), annotations={"bertnas.dot": 1}):
                    for row, register, group, lane, depth in T.grid(T.int64(1), T.int64(1), T.int64(1), T.int64(4), T.int64(4)):
                        with T.sblock("update"):
                            vi, vd, vk = T.axis.remap("SRR", [row, digit, depth])
                            vg = T.axis.reduce(T.int64(1), outer + step + group)
                            vj = T.axis.spatial(T.int64(4), register * T.int64(4) + lane)
                            sums[vi, vj] = sums[vi, vj] + T.Select(
                                vd == T.int64(0),
                                T.shift_left(T.Cast("int32", x[vi, vd, vg * T.int64(4) + vk]), 8),
                                T.Cast("int32", x[vi, vd, vg * T.int64(4) + vk]),
                            ) * T.Cast("int32", panels[vj // T.int64(4), vg, vj % T.int64(4) * T.int64(4) + vk])


@I.ir_module
class ExpectedOfDigits:
    @T.prim_func(private=True, s_tir=True)
    def kernel(
        x: T.Buffer((T.int64(1), T.int64(2), T.int64(4)), "int8"),
        panels: T.Buffer((T.int64(1), T.int64(1), T.int64(16)), "int8"),
        sums: T.Buffer((T.int64(1), T.int64(4)), "int32"),
    ):
        # 2 * 4 bytes of digits, 16 of weights, 4 sums of 4 bytes; 2 * 4 * 4 products and additions.
        T.func_attr({"bertnas.counted": {"bytes": 8 + 16 + 16, "flops": 64}, "bertnas.kind": "integer_gemm"})
        with T.sblock("root"):
            T.reads()
            T.writes()
            for digit in range(T.int64(2)):
                sums[T.int64(0), T.int64(0) : T.int64(4)] = T.shift_left(sums[T.int64(0), T.Ramp(T.int64(0), T.int64(1), 4)], T.Broadcast(8, 4))
                for outer in range(T.int64(1)):
                    sums[T.int64(0), T.int64(0) : T.int64(4)] = T.call_llvm_pure_intrin(
                        "int32x4",
                        "llvm.aarch64.neon.sdot",
                        sums[T.int64(0), T.Ramp(T.int64(0), T.int64(1), 4)],
                        panels[T.int64(0), outer, T.Ramp(T.int64(0), T.int64(1), 16)],
                        T.reinterpret("int8x16", T.Broadcast(T.reinterpret("int32", x[T.int64(0), digit, T.Ramp(outer * T.int64(4), T.int64(1), 4)]), 4)),
                    )


def test_before_each_digit_the_sums_are_shifted_instead_of_every_activation():
    with named_target(ANDROID_ARM64):
        tvm.ir.assert_structural_equal(emit_dots(BeforeOfDigits), ExpectedOfDigits)


@pytest.mark.parametrize("kind", ["gemm", None])
def test_a_kernel_that_is_no_integer_gemm_stays(kind):
    kernel = Before["kernel"].without_attr(KIND) if kind is None else Before["kernel"].with_attr(KIND, kind)
    before = tvm.IRModule({"kernel": kernel})
    tvm.ir.assert_structural_equal(emit_dots(before), before)


shapes = st.tuples(st.integers(1, 9), st.sampled_from([8, 24, 64]), st.sampled_from([48, 49, 100]))


@pytest.mark.parametrize("cpu", ["host", "haswell"])
@given(shapes, st.sampled_from(["int8_accurate", "int8_fast"]), st.integers(0, 5))
@settings(max_examples=4, deadline=None)
def test_random_products_compute_the_same(target, cpu, shape, precision, seed):
    rows, inner, columns = shape
    target = target if cpu == "host" else HASWELL
    x, weights = normal(seed, rows, inner), normal(seed + 1, inner, columns)
    before = scheduled(target, lambda x: x @ weights, x, precision=precision)
    with target:
        after = emit_dots(before)
    assert "call_llvm_pure_intrin" in after.script() and "call_llvm_pure_intrin" not in before.script()
    assert_same_results(target, before, after, x, rtol=1e-6, atol=1e-6)  # the sums are whole numbers; what follows is rounded
