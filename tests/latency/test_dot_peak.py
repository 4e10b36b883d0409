"""The loops of dot instructions against the instructions that the compiler takes for this CPU."""

import pytest

from bertnas_jax.compiler import host_target
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.latency import usable_cores
from bertnas_jax.latency.dot_peak import DOT_DTYPES, dot_peak

PRECISIONS = {"int8": "int8_fast", "int16": "int8_accurate"}


@pytest.mark.parametrize("dtype", DOT_DTYPES)
def test_operations_are_those_of_the_compilers_instruction(dtype):
    with host_target():
        dot = integer_dots()[PRECISIONS[dtype]]
    assert dot.weight_dtype == dtype
    cores = usable_cores()
    with dot_peak(dtype, cores, rounds=1000) as peak:
        assert peak.flops == 1000 * len(cores) * 12 * dot.lanes * dot.step * 2
        peak.run()
    assert usable_cores() == cores
