"""That no sum of whole numbers can leave its width: by the bounds, and at the extremes themselves."""

import numpy as np
import pytest
import tvm
from tvm import tirx

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.integer_dot import check_precision, integer_dots
from bertnas_jax.compiler.kernel_object import codegen
from bertnas_jax.compiler.targets import named_target
from tests.compiler.conftest import call, trace

INT8 = ("int8_accurate", "int8_fast")
# CPU -> instructions of (accurate, fast).
CPUS = {
    "haswell": ("vpmaddwd", "vpmaddubsw"),
    "znver3": ("vpmaddwd", "vpmaddubsw"),
    "skylake-avx512": ("vpmaddwd", "vpmaddubsw"),
    "cascadelake": ("vpdpwssd", "vpdpbusd"),
    "znver4": ("vpdpwssd", "vpdpbusd"),
    "alderlake": ("vpdpwssd", "vpdpbusd"),
}


# Of Arm, by the name of the target.
PHONES = {"android-arm64": ("sdot", "sdot"), "android-arm64-nodot": ("smlal", "sadalp")}
ALL = CPUS | PHONES


def target_of(cpu):
    if cpu in PHONES:
        return named_target(cpu)
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu, "mtriple": "x86_64-linux-gnu"})


def dots_of(cpu):
    with target_of(cpu):
        return integer_dots()


@pytest.mark.parametrize("cpu", ALL)
def test_a_target_has_the_instructions_of_its_cpu(cpu):
    assert tuple(dots_of(cpu)[precision].instruction for precision in INT8) == ALL[cpu]


@pytest.mark.parametrize("cpu", ALL)
@pytest.mark.parametrize("precision", INT8)
def test_the_compiled_product_is_made_of_that_instruction(cpu, precision):
    weights, target = np.ones((64, 96), np.float32), target_of(cpu)
    lowered = lower(trace(lambda x: x @ weights, np.ones((8, 64), np.float32)), target, precision=precision)
    (kernel,) = (function for _, function in lowered.functions_items() if _is_gemm(function))
    code = codegen(tvm.IRModule({"main": kernel}), target).inspect_source("asm")
    assert code.count(ALL[cpu][INT8.index(precision)]) >= 8


def _is_gemm(function):
    return isinstance(function, tirx.PrimFunc) and function.attrs.get("bertnas.kind") == "integer_gemm"


@pytest.mark.parametrize("cpu", ALL)
@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize("inner", [1, 384, 1536, 3072, 16384])
def test_no_sum_leaves_int32_and_a_larger_limit_would(cpu, precision, inner):
    dot = dots_of(cpu)[precision]
    limit = dot.activation_limit(inner)
    assert 127 <= limit <= dot.widest
    largest = limit + (128 if dot.digits > 1 else 0)  # of 256 times a first digit
    assert inner * largest * dot.weight_limit < 2**31
    assert limit == dot.widest or inner * (largest + 1) * dot.weight_limit >= 2**31


@pytest.mark.parametrize("cpu", ALL)
def test_pairs_of_bytes_fit_int16_where_they_are_summed_in_it(cpu):
    dot = dots_of(cpu)["int8_fast"]
    products = {"vpmaddubsw": dot.groups * 2, "sadalp": dot.groups}.get(dot.instruction, 0)
    assert products * dot.widest * dot.weight_limit <= 2**15 - 1


def test_two_digits_reach_as_far_as_is_said():
    """h = floor((q + 128) / 256) and q - 256 h are bytes for every activation that there may be."""
    widest = dots_of("android-arm64")["int8_accurate"].widest
    q = np.arange(-widest, widest + 1)
    first = (q + 128) // 256
    last = q - 256 * first
    assert np.abs(first).max() == 127 and last.min() == -128 and last.max() == 127


def test_a_sum_of_too_many_products_is_refused():
    with pytest.raises(ValueError, match="must be at most 133144, got 140000"):
        dots_of("znver4")["int8_fast"].activation_limit(140_000)


def test_a_cpu_without_avx2_is_named():
    with target_of("nehalem"), pytest.raises(ValueError, match="must have AVX2, got .*nehalem"):
        integer_dots()


@pytest.mark.parametrize(
    ("cpu", "known"), [("znver3", ["float32", *INT8]), ("android-arm64-nodot", ["float32", *INT8]), ("android-arm64", ["float32", *INT8, "float16"])]
)
def test_a_precision_without_instructions_is_refused(cpu, known):
    for precision in known:
        check_precision(precision, target_of(cpu))
    for precision in {"float16", "int4"} - {*known}:
        with pytest.raises(ValueError, match=f"precision must be one of {', '.join(known)} on .*, got '{precision}'"):
            check_precision(precision, target_of(cpu))


def test_outside_of_a_target_there_is_none():
    with pytest.raises(ValueError, match="a target must be around what is compiled"):
        integer_dots()


@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("inner", [8, 1536, 12288])
@pytest.mark.parametrize("cpu", ["host", "haswell"])
def test_the_largest_sums_are_exact(target, cpu, precision, sign, inner):
    """Every activation but one at its limit, every weight at its limit: the sum of ones is a whole number."""
    target = target if cpu == "host" else target_of("haswell")
    weights = np.full((inner, 48), sign, np.float32)
    x = np.ones((4, inner), np.float32)
    x[:, 3] = 0  # the least value of an unsigned row
    executable = build_executable(lower(trace(lambda x: x @ weights, x), target, precision=precision), target)
    np.testing.assert_allclose(call(executable, x), np.full((4, 48), sign * (inner - 1.0)), rtol=1e-6)
