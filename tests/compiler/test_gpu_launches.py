"""What launches are said to do, against the OpenCL C of the same loops and against what is counted by hand."""

import re

import pytest

from bertnas_jax.compiler import list_kernels, trace_model
from bertnas_jax.compiler.gpu_launches import describe_launches
from bertnas_jax.compiler.opencl import compile_opencl, lower_opencl
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target
from bertnas_jax.latency import Conditions, stand_in
from bertnas_jax.space import Layer, Subnet

TARGET, L = named_target(ANDROID_OPENCL), 16
SUBNET = Subnet(64, 32, (Layer(2, 96), Layer(1, 48)))


@pytest.fixture(scope="module")
def traced():
    return trace_model(stand_in(SUBNET, Conditions(L, threads=1)), L)


@pytest.mark.parametrize("without", [(), OPTIONAL], ids=["fused", "nothing fused"])
def test_launches_are_those_of_the_generated_code(traced, without):
    """Work-groups and local memory as the generated OpenCL C has them; FLOPs and least traffic as `list_kernels` counts them."""
    lowered = lower_opencl(traced, TARGET, without)
    source, functions = compile_opencl(lowered, TARGET)
    bodies = dict(re.findall(r"__kernel void (\w+)\([^)]*\) \{(.*?)\n\}", source, re.DOTALL))
    for kernel, launches in describe_launches(traced, TARGET, without):
        made = functions[kernel.name].launches
        sizes = [(launch.groups * launch.group_items, launch.group_items) for launch in launches]
        assert sizes == [(one.global_size[0], one.local_size[0]) for one in made]
        declared = [sum(4 * int(size) for size in re.findall(r"__local float \w+\[(\d+)\];", bodies[one.kernel])) for one in made]
        assert [launch.local_bytes for launch in launches] == declared
        assert sum(launch.flops for launch in launches) == kernel.flops
        assert all(launch.requested_bytes > 0 and launch.steps > 0 for launch in launches)
        between = sum(2 * kind.num_bytes for kind in functions[kernel.name].temporaries)
        assert kernel.bytes <= sum(launch.bytes for launch in launches) and (between or kernel.bytes == sum(launch.bytes for launch in launches))
    assert [kernel for kernel, _ in describe_launches(traced, TARGET, without)] == list(list_kernels(lowered))


def test_a_product_is_as_counted_by_hand(traced):
    """[16, 64] x [64, 192] in blocks of 4 x 4: a row's number serves 4 columns, a weight 4 rows; then the bias is read and the result written."""
    (launch,) = next(launches for kernel, launches in describe_launches(traced, TARGET) if kernel.signature.startswith("gemm(float32[1x16x64],float32[12x64x16]"))
    assert launch.requested_bytes == 4 * (16 * 64 * (192 // 4) + 64 * 192 * (16 // 4) + 2 * 16 * 192)
    assert launch.bytes == 4 * (16 * 64 + 64 * 192 + 192 + 16 * 192)
    assert launch.flops == 2 * 16 * 64 * 192 + 16 * 192
    assert (launch.groups, launch.group_items, launch.local_bytes) == (16 // 4 * 192 // 4 // 64, 64, 0)
    assert launch.steps == 64 + 1 + 1  # terms of a sum; the load of a product's first, and of the bias
