import ctypes
import dataclasses
import json
import re
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.compiler.precision import PRECISIONS
from bertnas_jax.export import library_parity
from bertnas_jax.export.c_library import LIBRARY_FILE, WEIGHTS_FILE
from bertnas_jax.export.config import ExportConfig
from bertnas_jax.export.export_winner import export_winner
from bertnas_jax.export.library_card import CARD_FILE
from bertnas_jax.export.opencl_files import LAUNCHES_FILE
from bertnas_jax.model import save_checkpoint
from tests.conftest import REPOSITORY
from tests.export.libraries import arm64_emulator, bert, needs_opencl, sentence

L = 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What the export program reads of a run folder."""
    folder = tmp_path_factory.mktemp("run")
    save_checkpoint(bert(num_outputs=3), folder / "winner", folder)
    (folder / "summary.json").write_text(json.dumps({"budget": {"seq_len": L}}))
    return folder


def test_the_host_library_of_a_run_computes_what_its_winner_does(run, tmp_path):
    told = export_winner(ExportConfig(workdir=str(run), target="host", out=str(tmp_path / "out")))
    assert bert().config.subnet.describe() in told and LIBRARY_FILE in told
    library, model, logits = ctypes.CDLL(str(tmp_path / "out" / LIBRARY_FILE)), ctypes.c_void_p(), np.empty((1, 3), np.float32)
    assert library.bertnas_create(str(tmp_path / "out" / WEIGHTS_FILE).encode(), 1, ctypes.byref(model)) == 0
    inputs = [np.ascontiguousarray(array) for array in sentence(L)]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*inputs, logits)]
    assert library.bertnas_run(model, *pointers[:3], L, pointers[3]) == 0
    library.bertnas_destroy(model)
    np.testing.assert_allclose(logits, bert(num_outputs=3)(*map(jnp.asarray, inputs)), rtol=0, atol=1e-4)


def test_what_is_no_export_is_not_replaced(run, tmp_path):
    before = sorted(path.name for path in run.iterdir())
    for out in (run, run / "winner", run / "summary.json"):
        with pytest.raises(ValueError, match="out must be a new folder, an empty one or that of an earlier export"):
            export_winner(ExportConfig(workdir=str(run), target="host", out=str(out)))
    assert sorted(path.name for path in run.iterdir()) == before
    for _ in range(2):
        export_winner(ExportConfig(workdir=str(run), target="host", out=str(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_phones_library_comes_with_its_precision_and_parity_on_a_card(run, precision, tmp_path):
    arm64_emulator()
    out = tmp_path / "out"
    told = export_winner(ExportConfig(workdir=str(run), out=str(out), precision=precision))
    card = (out / CARD_FILE).read_text()
    error = float(re.search(r"largest difference (\S+) over 2 sequences of drawn ids under qemu-aarch64", card)[1])
    assert f"`{precision}`" in card and precision in told and precision in (out / "bertnas.h").read_text()
    assert 0 < error < {"float32": 1e-4, "float16": 1e-2, "int8_accurate": 0.05, "int8_fast": 0.2}[precision]


@pytest.mark.slow
def test_a_card_says_why_nothing_was_measured(run, monkeypatch, tmp_path):
    monkeypatch.setattr(library_parity, "_EMULATORS", ("no-such-emulator",))
    arm64_emulator()
    for count, reason in ((0, "no sequences were asked for"), (1, "install the package qemu-user-static")):
        export_winner(ExportConfig(workdir=str(run), out=str(tmp_path / "out"), parity_sequences=count))
        assert re.search(f"not measured: .*{reason}", (tmp_path / "out" / CARD_FILE).read_text())


def test_seq_len_may_differ_from_the_runs(run, tmp_path):
    export_winner(ExportConfig(workdir=str(run), target="android-opencl", out=str(tmp_path / "out"), seq_len=5))
    assert _opencl_lengths(tmp_path / "out") == [5]


def _opencl_lengths(folder):
    return [each["length"] for each in json.loads((folder / LAUNCHES_FILE).read_text())["lengths"]]


@pytest.mark.slow
def test_opencl_comes_with_shorter_lengths_and_its_parity_on_a_card(run, tmp_path):
    needs_opencl()
    out, config = tmp_path / "out", ExportConfig(workdir=str(run), target="android-opencl", out=str(tmp_path / "out"), seq_len=20)
    told = export_winner(config)
    card = (out / CARD_FILE).read_text()
    assert _opencl_lengths(out) == [8, 16, 20] and "| 8, 16, 20 |" in card and "as OpenCL C" in card and "float32, for android-opencl" in told
    assert 0 < float(re.search(r"largest difference (\S+) over 2 sequences of drawn ids on the OpenCL device \S", card)[1]) < 1e-4
    export_winner(dataclasses.replace(config, shorter=False, parity_sequences=0))
    assert _opencl_lengths(out) == [20] and "not measured" in (out / CARD_FILE).read_text()


def test_a_run_that_is_not_finished_is_told(run, tmp_path):
    with pytest.raises(ValueError, match="without the folder winner; finish"):
        export_winner(ExportConfig(workdir=str(tmp_path), out=str(tmp_path / "out")))
    with pytest.raises(ValueError, match="at most the winner's 48 positions, got 49"):
        export_winner(ExportConfig(workdir=str(run), out=str(tmp_path / "out"), seq_len=49))
    (tmp_path / "winner").symlink_to(run / "winner")
    with pytest.raises(ValueError, match="summary.json must tell the budget's seq_len"):
        export_winner(ExportConfig(workdir=str(tmp_path), out=str(tmp_path / "out")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "workdir must name a folder"),
        (["--workdir=x"], "out must name a folder"),
        (["--workdir=nowhere", "--out=x"], "finish python -m bertnas_jax.search there first"),
        (["--workdir=x", "--out=x", "--target=ios"], "android-opencl"),
        (["--workdir=x", "--out=x", "--target=android-opencl", "--compiler=gcc"], "compiler must be left out"),
        (["--workdir=x", "--out=x", "--target=android-opencl", "--precision=int8_fast"], "precision must be float32"),
        (["--workdir=x", "--out=x", "--target=host", "--precision=float16"], "precision float16 must be for android-arm64"),
    ],
)
def test_wrong_input_ends_with_a_message_and_no_traceback(arguments, message):
    ended = subprocess.run([sys.executable, "-m", "bertnas_jax.export", *arguments], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode != 0 and message in ended.stderr + ended.stdout and "Traceback" not in ended.stderr
