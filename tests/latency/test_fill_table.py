import dataclasses
import random
from collections import Counter

import pytest

from bertnas_jax.compiler import host_target, list_kernels, lower, trace_model
from bertnas_jax.latency import Conditions, fill_kernel_table, stand_in, table_residuals
from bertnas_jax.space import Layer, SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(3, 48, 6, 64), (1, 2, 3), (32, 48), (2, 6), (32, 64))
NARROW_SPACE = SearchSpace(Subnet.uniform(3, 32, 4, 64), (1, 2, 3), (32,), (2, 4), (64,))
CONDITIONS = Conditions(seq_len=8, threads=1)


@pytest.fixture(scope="module")
def table():
    return fill_kernel_table(SPACE, CONDITIONS, host_target(), progress=False)


def test_the_parts_are_the_compilers_kernels(table):
    rng = random.Random(2)
    for subnet in (SPACE.sample(rng) for _ in range(4)):
        kernels = list_kernels(lower(trace_model(stand_in(subnet, CONDITIONS), CONDITIONS.seq_len), host_target()))
        assert table.parts.kernels(subnet) == Counter(kernel.signature for kernel in kernels)


@pytest.mark.slow
def test_a_narrow_table_is_filled_by_narrow_kernels_that_add_up():
    """A token's scale is found in the kernel before the product, perhaps in the block before: the sums must hold all the same."""
    conditions = dataclasses.replace(CONDITIONS, precision="int8_fast")
    table = fill_kernel_table(NARROW_SPACE, conditions, host_target(), progress=False)
    assert table.provenance.conditions == conditions and any("integer_gemm" in signature for signature in table.microseconds)
    subnet = Subnet(32, 8, (Layer(4, 64), Layer(2, 64), Layer(4, 64)))
    kernels = list_kernels(lower(trace_model(stand_in(subnet, conditions), conditions.seq_len), host_target(), precision="int8_fast"))
    assert table.parts.kernels(subnet) == Counter(kernel.signature for kernel in kernels)
    assert table.price_ms(subnet) > 0


def test_every_subnet_of_the_space_has_a_price(table):
    assert all(table.price_ms(subnet) > 0 for subnet in SPACE.enumerate())
    assert table.provenance.conditions == CONDITIONS


def test_residuals_compare_price_and_measurement(table):
    (residual,) = table_residuals(table, [SPACE.largest], host_target(), rounds=3, progress=False)
    assert residual.price_ms == table.price_ms(SPACE.largest)
    assert residual.relative_error == pytest.approx(residual.price_ms / residual.measured_ms - 1)
