import os

import pytest

from bertnas_jax.latency.fma_peak import fma_peak
from bertnas_jax.latency import describe_host, usable_cores


def test_flops_are_those_of_the_registers():
    """12 chains of 16 lanes with AVX-512 and of 8 without, 2 FLOPs each, on every core."""
    lanes = 16 if "avx512f" in describe_host().isa else 8
    cores = usable_cores()
    with fma_peak(cores, rounds=1000) as peak:
        assert peak.flops == 1000 * len(cores) * 12 * lanes * 2
        peak.run()
    assert usable_cores() == cores  # only the loop's own threads are bound


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="install the package gcc"), fma_peak((0,)):
        pass
