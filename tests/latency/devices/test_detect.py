"""This machine, measured: what the operating system says of it is the oracle."""

import pytest

from bertnas_jax.latency import describe_host, usable_cores
from bertnas_jax.latency.devices import BASES, load_profile
from bertnas_jax.latency.devices.detect import _cache_kib


@pytest.fixture(scope="module")
def host():
    return load_profile("host")


def test_the_host_is_this_machine(host):
    (cluster,) = host.cpu.clusters
    seen = describe_host()
    assert cluster.cores.value == len(usable_cores()) and host.soc == seen.cpu
    # An FMA of 8 lanes, one or two a cycle; with AVX-512 of 16. A core whose other work shares it still has one a cycle.
    assert cluster.float32_per_cycle.value in ((16, 32, 64) if "avx512f" in seen.isa else (16, 32))
    assert all(figure.source and figure.basis in BASES for _, figure in host.figures())
    assert {name.split(".")[-1] for name, figure in host.figures() if figure.basis == "measured"} >= {
        *("clock_ghz", "float32_per_cycle", "int8_per_cycle", "int16_per_cycle", "dram_gb_s")
    }


def test_one_measurement_a_process(host):
    assert load_profile("host") == host


def test_caches_are_those_that_the_kernel_tells(tmp_path):
    for number, (kind, level, size) in enumerate([("Data", 1, "48K"), ("Instruction", 1, "32K"), ("Unified", 2, "1024K")]):
        index = tmp_path / f"index{number}"
        index.mkdir()
        for name, value in (("type", kind), ("level", level), ("size", size)):
            (index / name).write_text(f"{value}\n")
    first, second, third = (_cache_kib(level, 512.0, tmp_path) for level in (1, 2, 3))
    assert (first["value"], first["basis"]) == (48.0, "published")
    assert second["value"] == 1024.0 and str(tmp_path / "index2" / "size") == second["source"]
    assert (third["value"], third["basis"]) == (512.0, "assumed")
