import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from bertnas_jax.compiler.legalize_views import VIEWS
from tests.compiler.conftest import assert_same_results, normal, simplified, trace


def legalized(module, rules=VIEWS):
    return relax.transform.LegalizeOps(rules)(simplified(module))


def reshape(before, after):
    return trace(lambda x: x.reshape(after), np.ones(before, np.float32))


def test_heads_are_split_and_merged_by_the_last_axes_alone():
    @I.ir_module
    class Split:
        @T.prim_func(private=True, s_tir=True)
        def split_heads(x: T.Buffer((T.int64(1), T.int64(4), T.int64(6)), "float32"), heads: T.Buffer((T.int64(1), T.int64(4), T.int64(2), T.int64(3)), "float32")):
            T.func_attr({"tirx.noalias": True})
            for b, i, n, h in T.grid(T.int64(1), T.int64(4), T.int64(2), T.int64(3)):
                with T.sblock("split_heads"):
                    vb, vi, vn, vh = T.axis.remap("SSSS", [b, i, n, h])
                    heads[vb, vi, vn, vh] = x[vb, vi, vn * T.int64(3) + vh]

        @R.function
        def main(x0: R.Tensor((1, 4, 6), "float32")) -> R.Tensor((1, 4, 2, 3), "float32"):
            cls = Split
            with R.dataflow():
                heads = R.call_tir(cls.split_heads, (x0,), out_ty=R.Tensor((1, 4, 2, 3), "float32"))
                R.output(heads)
            return heads

    @I.ir_module
    class Merged:
        @T.prim_func(private=True, s_tir=True)
        def merge_heads(heads: T.Buffer((T.int64(1), T.int64(4), T.int64(2), T.int64(3)), "float32"), x: T.Buffer((T.int64(1), T.int64(4), T.int64(6)), "float32")):
            T.func_attr({"tirx.noalias": True})
            for b, i, d in T.grid(T.int64(1), T.int64(4), T.int64(6)):
                with T.sblock("merge_heads"):
                    vb, vi, vd = T.axis.remap("SSS", [b, i, d])
                    x[vb, vi, vd] = heads[vb, vi, vd // T.int64(3), vd % T.int64(3)]

        @R.function
        def main(x0: R.Tensor((1, 4, 2, 3), "float32")) -> R.Tensor((1, 4, 6), "float32"):
            cls = Merged
            with R.dataflow():
                x = R.call_tir(cls.merge_heads, (x0,), out_ty=R.Tensor((1, 4, 6), "float32"))
                R.output(x)
            return x

    tvm.ir.assert_structural_equal(legalized(reshape((1, 4, 6), (1, 4, 2, 3))), Split)
    tvm.ir.assert_structural_equal(legalized(reshape((1, 4, 2, 3), (1, 4, 6))), Merged)


@pytest.mark.parametrize(("before", "after"), [((4, 6), (6, 4)), ((2, 3, 4), (6, 4)), ((8,), (2, 2, 2)), ((4, 6), (4, 1, 6, 1))], ids=str)
def test_any_other_reshape_is_lowered_as_tvm_does(before, after):
    tvm.ir.assert_structural_equal(legalized(reshape(before, after)), legalized(reshape(before, after), {}))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.lists(st.sampled_from(["split", "merge", "reverse"]), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_random_reshapes_compute_the_same(target, shape, steps):
    shapes = {
        "split": lambda shape: (*shape[:-1], 2, shape[-1] // 2) if shape[-1] % 2 == 0 else (*shape, 1),
        "merge": lambda shape: (*shape[:-2], shape[-2] * shape[-1]) if len(shape) > 1 else shape,
        "reverse": lambda shape: shape[::-1],
    }

    def program(x):
        for step in steps:
            x = x.reshape(shapes[step](x.shape)) * 2
        return x

    x = normal(0, *shape)
    assert_same_results(target, legalized(trace(program, x), {}), legalized(trace(program, x)), x, rtol=0, atol=0)
