import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import te
from tvm.script import ir as I
from tvm.script import tirx as T

from bertnas_jax.compiler.kernel_object import codegen
from bertnas_jax.compiler.stack_tiles import STACK_BYTES, lowering_name, stack_tiles
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from tests.compiler.conftest import normal


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
        small = T.alloc_buffer((512,), "float32")
        large = T.alloc_buffer((513,), "float32")
        for i in range(8):
            small[i] = x[i]
            large[i] = small[i]
            y[i] = large[7 - i]


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
        small = T.alloc_buffer((512,), "float32", annotations={"disable_lower_builtin": 1})
        large = T.alloc_buffer((513,), "float32")
        for i in range(8):
            small[i] = x[i]
            large[i] = small[i]
            y[i] = large[7 - i]


def test_an_array_of_at_most_two_kilobytes_is_marked():
    tvm.ir.assert_structural_equal(stack_tiles(Before), Expected)
    tvm.ir.assert_structural_equal(stack_tiles(Expected), Expected)


def test_without_such_an_array_nothing_is_changed():
    before = _sums_of(STACK_BYTES // 4 + 1)
    tvm.ir.assert_structural_equal(stack_tiles(before), before)


@given(st.integers(1, 300), st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_random_sums_are_the_same(target, columns, seed):
    x = normal(seed, 2 * columns)
    results = []
    for pipeline in ("s_tir", lowering_name()):
        result = tvm.runtime.tensor(np.zeros_like(x))
        tvm.compile(_sums_of(x.size), target, tir_pipeline=pipeline)["main"](tvm.runtime.tensor(x), result)
        results.append(result.numpy())
    np.testing.assert_array_equal(*results)


def _sums_of(elements: int) -> tvm.IRModule:
    """A kernel that keeps so many float32 between two loops."""
    x = te.placeholder((elements,), name="x")
    kept = te.compute(x.shape, lambda i: te.exp(x[i]), name="kept")
    result = te.compute(x.shape, lambda i: kept[elements - 1 - i] + kept[i], name="result")
    return tvm.IRModule({"kernel": te.create_prim_func([x, result])})


@pytest.mark.parametrize("name", ["host", ANDROID_ARM64])
@pytest.mark.parametrize(("elements", "asks"), [(STACK_BYTES // 4, False), (STACK_BYTES // 4 + 1, True)])
def test_only_what_is_larger_than_a_tile_asks_for_memory(name, elements, asks):
    assembly = codegen(_sums_of(elements), named_target(name)).inspect_source("asm")
    assert ("AllocWorkspace" in assembly) == asks
