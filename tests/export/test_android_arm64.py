import numpy as np
import pytest

from bertnas_jax.compiler import bucket_lengths
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.parity import logits_of
from tests.export.libraries import arm64_emulator, bert, random_subnet, run_model, sentence


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_an_arm64_library_computes_what_jax_does(seed, tmp_path):
    emulator = arm64_emulator()
    rng = np.random.default_rng(seed)
    seq_len, pooling = int(rng.integers(1, 40)), ("mean", "cls")[seed % 2]
    model, inputs = bert(random_subnet(rng), pooling=pooling, seed=seed), sentence(seq_len, seed)
    target = named_target(ANDROID_ARM64_PLAIN if seed % 3 == 0 else ANDROID_ARM64)
    write_c_library(model, bucket_lengths(seq_len), target, tmp_path / "c")
    logits = run_model(target, tmp_path / "c", inputs, threads=1 + seed % 2, emulator=emulator)
    np.testing.assert_allclose(logits, logits_of(model, *inputs), rtol=0, atol=1e-4)


def test_a_missing_cross_compiler_names_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="install the package gcc-aarch64-linux-gnu"):
        write_c_library(bert(), [8], named_target(ANDROID_ARM64), tmp_path / "c")
