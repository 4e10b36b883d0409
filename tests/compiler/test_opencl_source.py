import re

import pytest

from bertnas_jax.compiler import trace_model
from bertnas_jax.compiler.length_buckets import merge_lengths
from bertnas_jax.compiler.opencl import compile_opencl, lower_opencl
from bertnas_jax.compiler.opencl_source import distinct_kernels
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target

_BEFORE = """\
// Function: a_kernel
__kernel void a_kernel(__global float* restrict x);
__kernel void b_kernel(__global float* restrict x);
__kernel void c_kernel(__global float* restrict x);
__kernel void a_kernel(__global float* restrict x) {
  x[0] = 1.0f;
}

// Function: b_kernel
__kernel void a_kernel(__global float* restrict x);
__kernel void b_kernel(__global float* restrict x);
__kernel void c_kernel(__global float* restrict x);
__kernel void b_kernel(__global float* restrict x) {
  x[0] = 2.0f;
}

// Function: c_kernel
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
__kernel void a_kernel(__global float* restrict x);
__kernel void b_kernel(__global float* restrict x);
__kernel void c_kernel(__global float* restrict x);
__kernel void c_kernel(__global float* restrict x) {
  x[0] = 1.0f;
}

"""


def test_declarations_go_and_what_a_kernel_needs_stays():
    source, names = distinct_kernels(_BEFORE)
    assert names == {"a_kernel": "a_kernel", "b_kernel": "b_kernel", "c_kernel": "c_kernel"}
    assert source.count("__kernel") == 3 and "restrict x);" not in source
    assert source.index("#pragma") < source.index("void c_kernel")


def test_equal_kernels_are_kept_once_under_the_first_name():
    source, names = distinct_kernels(_BEFORE.replace("#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n", ""))
    assert names == {"a_kernel": "a_kernel", "b_kernel": "b_kernel", "c_kernel": "a_kernel"}
    assert re.findall(r"void (\w+)\([^)]*\) \{\n  x\[0\] = (\d)", source) == [("a_kernel", "1"), ("b_kernel", "2")]


@pytest.mark.slow
def test_a_models_lengths_launch_only_kernels_that_are_there(make_bert):
    target = named_target(ANDROID_OPENCL)
    lowered = merge_lengths({length: lower_opencl(trace_model(make_bert(), length), target) for length in (8, 16)})
    source, functions = compile_opencl(lowered, target)
    launched = [launch.kernel for function in functions.values() for launch in function.launches]
    defined = re.findall(r"__kernel void (\w+)\([^)]*\) \{", source)
    assert sorted(set(launched)) == sorted(defined) and len(defined) < len(launched)
