import dataclasses

import pytest

from bertnas_jax.latency import Conditions, KernelTable, Provenance, UnpricedKernelError, decompose
from bertnas_jax.space import Layer, Subnet
from tests.latency.test_kernel_parts import SPACE, kernels_of

PROVENANCE = Provenance(Conditions(seq_len=16, threads=1), "a CPU", {"jax": "0"}, "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def table():
    signatures = sorted({name for subnet in SPACE.enumerate() for name in kernels_of(subnet)})
    return KernelTable({name: 1.0 + i for i, name in enumerate(signatures)}, 7.0, decompose(SPACE, kernels_of), PROVENANCE)


def test_the_price_is_the_sum_over_kernels(table):
    subnet = Subnet(16, 8, (Layer(2, 64), Layer(4, 24), Layer(2, 24)))
    expected_us = sum(count * table.microseconds[name] for name, count in kernels_of(subnet).items())
    assert table.price_ms(subnet) == pytest.approx((7 + expected_us) / 1e3)


def test_each_block_adds_its_own_price(table):
    first, second = Layer(1, 64), Layer(4, 24)

    def price(*layers):
        return table.price_ms(Subnet(32, 8, layers))

    assert price(first, second, first) - price(first, second) == pytest.approx(price(second, first) - price(second))
    assert price(first, second) == pytest.approx(price(second, first))


def test_an_unpriced_kernel_is_named(table):
    missing = {name: time for name, time in table.microseconds.items() if name != "attention 4"}
    with pytest.raises(UnpricedKernelError, match="^a kernel must be in the table to be priced, got attention 4; fill"):
        dataclasses.replace(table, microseconds=missing).price_ms(Subnet(16, 8, (Layer(4, 24),)))


def test_save_and_load(table, tmp_path):
    table.save(tmp_path / "table.json")
    assert KernelTable.load(tmp_path / "table.json") == table
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"provenance": 3}'])
def test_a_broken_file(tmp_path, content):
    (tmp_path / "table.json").write_text(content)
    with pytest.raises(ValueError, match="(?s)table.json must be a kernel table, got .*; delete it and fill it again"):
        KernelTable.load(tmp_path / "table.json")
    with pytest.raises(FileNotFoundError):
        KernelTable.load(tmp_path / "none.json")
