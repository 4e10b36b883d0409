"""Small loops whose answer is seen by eye, and what LLVM is told of a kernel that writes over what it reads."""

import re

import pytest
from tvm import IRModule
from tvm.script import tirx as T

from bertnas_jax.compiler import lower, trace_model
from bertnas_jax.compiler.in_place import in_place_arguments
from bertnas_jax.compiler.kernel_object import codegen, kernels_of, over_argument
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target


@T.prim_func(private=True, s_tir=True)
def elementwise(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in T.parallel(8):
        y[i] = x[i] + T.float32(1)


@T.prim_func(private=True, s_tir=True)
def in_vectors(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in T.parallel(2):
        for j in T.vectorized(4):
            y[i * 4 + j] = x[i * 4 + j] + T.float32(1)


@T.prim_func(private=True, s_tir=True)
def two_arguments(w: T.Buffer((8,), "float32"), x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = w[i // 2] + x[i]


@T.prim_func(private=True, s_tir=True)
def reversed_order(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = x[7 - i]


@T.prim_func(private=True, s_tir=True)
def from_the_right(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(7):
        y[i] = x[i + 1]


@T.prim_func(private=True, s_tir=True)
def from_the_right_by_threads(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in T.parallel(7):
        y[i] = x[i + 1]


@T.prim_func(private=True, s_tir=True)
def from_the_left(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(7):
        y[i + 1] = x[i]


@T.prim_func(private=True, s_tir=True)
def rows_by_threads(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4, 8), "float32")):
    total = T.alloc_buffer((4,), "float32")
    for i in T.parallel(4):
        total[i] = T.float32(0)
        for j in range(8):
            total[i] = total[i] + x[i, j]
        for j in T.vectorized(8):
            y[i, j] = x[i, j] - total[i]


@T.prim_func(private=True, s_tir=True)
def columns_by_threads(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4, 8), "float32")):
    """Each thread writes a row and sums columns, which are also the others'."""
    total = T.alloc_buffer((4,), "float32")
    for i in T.parallel(4):
        total[i] = T.float32(0)
        for j in range(4):
            total[i] = total[i] + x[j, i]
        for j in range(8):
            y[i, j] = x[i, j] - total[i]


@T.prim_func(private=True, s_tir=True)
def sums_before_all(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4, 8), "float32")):
    """As columns_by_threads, but all sums are there before the threads that write are started."""
    total = T.alloc_buffer((4,), "float32")
    for i in T.parallel(4):
        total[i] = T.float32(0)
        for j in range(4):
            total[i] = total[i] + x[j, i]
    for i in T.parallel(4):
        for j in range(8):
            y[i, j] = x[i, j] - total[i]


@T.prim_func(private=True, s_tir=True)
def sums_again_in_each_half(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4, 8), "float32")):
    """The second half sums the row again, of which the first half is then overwritten."""
    total = T.alloc_buffer((4,), "float32")
    for i in T.parallel(4):
        for half in range(2):
            total[i] = T.float32(0)
            for j in range(8):
                total[i] = total[i] + x[i, j]
            for j in range(4):
                y[i, half * 4 + j] = x[i, half * 4 + j] - total[i]


@T.prim_func(private=True, s_tir=True)
def read_again(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32"), z: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = x[i] + T.float32(1)
        z[i] = x[i] + T.float32(2)


@T.prim_func(private=True, s_tir=True)
def adds_to_its_result(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = y[i] + x[i]


@T.prim_func(private=True, s_tir=True)
def other_type(x: T.Buffer((8,), "int32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = T.Cast("float32", x[i])


@T.prim_func(private=True, s_tir=True)
def looked_up(ids: T.Buffer((8,), "int32"), x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = x[ids[i]]


@T.prim_func(private=True, s_tir=True)
def shuffled(x: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in range(8):
        y[i] = x[i] + T.Shuffle([x[T.Ramp(0, 1, 4)], x[T.Ramp(4, 1, 4)]], [0])


PAIRS = {
    elementwise: ((0, 1),),
    in_vectors: ((0, 1),),
    two_arguments: ((1, 2),),
    reversed_order: (),
    from_the_right: ((0, 1),),
    from_the_right_by_threads: (),
    from_the_left: (),
    rows_by_threads: ((0, 1),),
    columns_by_threads: (),
    sums_before_all: ((0, 1),),
    sums_again_in_each_half: (),
    read_again: ((0, 2),),
    adds_to_its_result: (),
    other_type: (),
    looked_up: (),
    shuffled: (),
}


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_a_pair_is_one_where_every_element_is_read_before_it_is_written(number):
    function, pairs = list(PAIRS.items())[number]
    assert in_place_arguments(function) == pairs, function


@pytest.fixture(scope="module", params=["host", ANDROID_ARM64])
def last_product(request, make_bert):
    """The kernel of a block's last product, which adds the residual, and its target."""
    target = named_target(request.param)
    lowered = lower(trace_model(make_bert(depth=1, hidden=128, ffn=256), 16), target)
    return target, lowered["fused_packed_gemm_add2"]


@pytest.mark.slow
def test_a_product_may_be_written_over_the_residual_and_a_layer_norm_over_its_rows(make_bert, target):
    lowered = lower(trace_model(make_bert(hidden=128, ffn=256), 16), target)
    pairs = {variable.name_hint: in_place_arguments(function) for variable, function in kernels_of(lowered).items()}
    assert pairs["fused_packed_gemm_add1"] == pairs["fused_packed_gemm_add2"] == ((3, 4),)
    assert pairs["fused_sum_multiply_subtract_square_add_rsqrt"] == ((0, 3),)
    assert pairs["fused_packed_gemm_add_multiply_erf"] == ()


def _sources(last_product, kind):
    """What LLVM makes of the kernel, and of the same written over its residual."""
    target, kernel = last_product
    apart = codegen(IRModule({"kernel": kernel}), target).inspect_source(kind)
    return apart, codegen(IRModule({"kernel": over_argument(kernel, 3, 4)}), target).inspect_source(kind)


def test_llvm_knows_that_what_is_read_is_what_is_written(last_product):
    """TVM gives every buffer's accesses a type of their own (tbaa): of two types LLVM may move a read behind a write."""
    apart, overwriting = (_types_beside_stores(text) for text in _sources(last_product, "ll"))
    assert not apart and overwriting


def _types_beside_stores(text):
    """The alias types of accesses to memory that are both loaded and stored."""
    loaded, stored = (set(re.findall(rf"{operation} .*!tbaa (!\d+)", text)) for operation in ("= load", "store"))
    return loaded & stored


def test_the_loop_over_k_stays_the_same(last_product):
    apart, overwriting = map(_inner_loop, _sources(last_product, "asm"))
    assert apart == overwriting and sum(bool(re.match("vfmadd|fmla", instruction)) for instruction in apart) >= 8


def _inner_loop(assembly):
    """The instructions, without registers, of the loop with the most multiply-adds, up to its branch back."""
    blocks = re.split(r"^[.\w$]+:.*$", assembly, flags=re.MULTILINE)
    loops = [re.split(r"\n\t(?:j\w+|b\.\w+|b|cbn?z|tbn?z)\t", block)[0] for block in blocks]
    instructions = [[line.split()[0] for line in loop.splitlines() if re.match(r"\t[a-z]", line)] for loop in loops]
    return max(instructions, key=lambda loop: sum(bool(re.match("vfmadd|fmla", instruction)) for instruction in loop))
