import pytest
import tvm
from tvm import te

from bertnas_jax.compiler.kernel_object import codegen
from bertnas_jax.compiler.stack_tiles import STACK_BYTES
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target


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
