"""That LLVM leaves conversions to narrow numbers in the vectors that the schedule made, whatever their number."""

import re

import numpy as np
import pytest
import tvm
from tvm import tirx

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.kernel_object import codegen
from tests.compiler.conftest import trace

ZEN5 = tvm.target.Target({"kind": "llvm", "mcpu": "znver5", "mtriple": "x86_64-linux-gnu"})


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
