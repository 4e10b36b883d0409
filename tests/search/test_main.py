"""The program as a user meets it: its help, and what it says of wrong input."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def search(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bertnas_jax.search", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )


def test_help_teaches():
    shown = " ".join(search("--help").stdout.split())
    for words in (
        "--flagfile=configs/quickstart.cfg", "--speedup_over_bert_base", "pixel_4/1 large/tflite/float32: 30",
        "A run that is started again continues", "--supernet_epochs",
    ):  # fmt: skip
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sed=1"], "Unknown command line flag 'sed'"),
        (["--workdir=x", "stray"], "flags must begin with --, got ['stray']"),
        (["--workdir=x", "--teacher_learning_rate=nan"], "learning_rate must be 1e-08 to 1.0, got nan"),
        (["--workdir=x", "--latency_ms=5", "--checkpoint=./nowhere"], "'./nowhere', which does not exist"),
        (["--workdir=x", "--latency_ms=5", "--task=./nowhere"], "nowhere"),
        (["--workdir=x", "--latency_ms=5", "--sampler=tpe"], "value should be one of <controller|nsga2|evolution|predictor|random|uniform>"),
        (["--workdir=x", "--limits=pixel_4/1 huge: 30"], "core set must be of pixel_4, which has 1 large, 3 medium, 4 small, got '1 huge'"),
        (["--workdir=x", "--limits=pixel_4/1 large/onnx: 30"], "the runtime on cores must be one of tflite, tvm, got 'onnx'"),
        (["--workdir=x", "--latency_ms=5", "--device=pixel_4"], "device must be host, got 'pixel_4'; give a phone's limit as --limits="),
        (["--latency_ms=5"], "workdir must name a folder"),
        (["--workdir=x"], "a budget must be given"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_ends_with_a_message_and_no_traceback(arguments, message):
    ended = search(*arguments)
    said = ended.stderr + ended.stdout
    assert ended.returncode != 0
    assert message in said and "Traceback" not in said
    assert not (REPOSITORY / "x").exists()
