"""The commands of the README, as a user types them."""

import json
import subprocess
import sys

import pytest

from bertnas_jax.latency.devices import parse_profile
from bertnas_jax.space import Subnet
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def latency(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bertnas_jax.latency", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )


def test_devices_are_listed():
    shown = latency("--list").stdout
    assert "pixel_4" in shown and "1 large (Cortex-A76 at 2.84 GHz), 3 medium" in shown


def test_prices_are_explained():
    shown = latency("--explain", "--device=pixel_4", "--core_set=1 large + 1 medium", "--dtype=int8", "--seq_len=128").stdout
    assert "FULLY_CONNECTED up" in shown and "bound by" in shown and "90 % between" in shown
    assert "mJ at the 1.92 W that 1 large + 1 medium draw in CoreMark" in shown


def test_our_own_kernels_are_explained_and_what_is_not_known_is_said():
    shown = latency("--explain", "--runtime=tvm", "--device=pixel_4", "--core_set=1 large", "--seq_len=16").stdout
    assert "fused_packed_gemm" in shown and "FULLY_CONNECTED" not in shown
    assert "known: specifications" in shown and "fitted on TensorFlow Lite's runs" in shown


def test_our_own_launches_on_a_gpu_are_explained_and_what_is_not_known_is_said():
    shown = latency("--explain", "--runtime=tvm", "--device=galaxy_s20", "--core_set=gpu", "--seq_len=16").stdout
    assert "fused_packed_gemm_add, " in shown and "x 64 items" in shown and "B local" in shown and "operands" in shown
    assert "known: specifications" in shown and "none was ever timed on a phone's GPU" in shown


def test_this_machine_is_detected():
    profile = parse_profile("host", json.loads(latency("--new_profile=host", "--detect").stdout))
    assert profile.cpu.clusters[0].clock_ghz.basis == "measured"


def test_a_draft_is_a_profile():
    shown = latency("--new_profile=my_phone", "--clusters=2xCortex-A76@2.2,6xCortex-A55@2.0", "--dram_gb_s=17").stdout
    assert parse_profile("my_phone", json.loads(shown)).cpu.clusters[1].core == "Cortex-A55"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "must be given, got none"),
        (["--list", "--explain"], "got ['--list', '--explain']"),
        (["--explain", "--device=pixel5"], "the nearest are pixel_"),
        (["--explain", "--core_set=2 large"], "which has 1 large"),
        (["--explain", "--runtime=tvm", "--dtype=int8"], "our kernels must be in float32"),
        (["--explain", "--runtime=tvm", "--core_set=gpu", "--dtype=int8_fast"], "our kernels on a GPU must be in float32"),
        (["--explain", "--runtime=tvm", "--core_set=gpu", "--device=raspberry_pi_4"], "raspberry_pi_4 must have a GPU in its profile"),
        (["--explain", "--calibration=any.json", "--core_set=gpu"], "calibration must be of cores of a CPU"),
        (["--explain", "--runtime=c"], "runtime must be tvm or tflite to be explained"),
        (["--list", "--detect"], "detect must be given with new_profile"),
        (["--explain", "--dtype=float16"], "float16 is priced on GPUs"),
        (["--measure", "--tracker=127.0.0.1:1", "--model_file=m", "--subnet={subnet}", "--key=k"], "must be reachable at 127.0.0.1:1"),
    ],
)
def test_wrong_input_ends_with_a_message_and_no_traceback(arguments, message, tmp_path):
    (tmp_path / "subnet.json").write_text(Subnet.uniform(2, 32, 4, 48).to_json())
    ended = latency(*(argument.format(subnet=tmp_path / "subnet.json") for argument in arguments))
    said = ended.stderr + ended.stdout
    assert ended.returncode != 0
    assert message in said and "Traceback" not in said
