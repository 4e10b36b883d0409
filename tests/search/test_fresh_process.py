"""One small model, timed in real processes."""

import os

import pytest

from bertnas_jax.benchmark.cell import draw_model
from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.export import export_tflite
from bertnas_jax.search.fresh_process import timed_afresh
from bertnas_jax.space import Subnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A compiled library and the same model as a .tflite file."""
    folder, model = tmp_path_factory.mktemp("model"), draw_model(Subnet.uniform(1, 32, 2, 64), 16, 0)
    compile_model(model, 16, host_target()).save(folder / "model.so")
    export_tflite(model, 16, folder / "model.tflite", "float32")
    return folder / "model.so", folder / "model.tflite"


def test_each_timing_is_of_another_process(files):
    found = timed_afresh(*files, seq_len=16, threads=1, rounds=3, processes=2)
    assert len({os.getpid(), *(one.process for one in found)}) == 3
    assert all(one.timing.runs == 3 and one.timing.median_ms > 0 and one.timing.ratio > 0 for one in found)


def test_what_the_process_raises_is_raised_here_and_one_that_dies_is_told(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="a compiled model must be a file, got .*missing.so"):
        timed_afresh(tmp_path / "missing.so", files[1], 16, 1, rounds=3, processes=1)
    with pytest.raises(RuntimeError, match="must be timed in a process of its own, got one that ended"):
        timed_afresh(_Killer(), files[1], 16, 1, rounds=3, processes=1)


class _Killer:
    """A path that ends the process which reads it."""

    def __fspath__(self):
        os.kill(os.getpid(), 9)
