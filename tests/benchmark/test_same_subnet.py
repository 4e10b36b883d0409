import dataclasses
import json
import subprocess
import sys

import jax
import pytest
from flax import nnx

from bertnas_jax.benchmark.config import BenchmarkConfig
from bertnas_jax.benchmark.same_subnet import geometric_means, run, slower_than
from bertnas_jax.model import Bert, BertConfig, save_checkpoint
from bertnas_jax.space import Layer, Subnet, product_flops
from tests.conftest import REPOSITORY

SMALL = BenchmarkConfig(shapes="1x32x2x48x8,1x32x2x64x8", threads=(1,), runtimes="tvm,tflite,tflite_int8", rounds=3)


def runtime(dtype, **speed_over):
    return {"dtype": dtype, "speed_over": speed_over}


def cell(ratio, peak_scaling=1.0):
    runtimes = {"tvm": runtime("float32", tflite=ratio), "tflite": runtime("float32", tvm=1 / ratio)}
    return {"peak_scaling": peak_scaling, "runtimes": runtimes}


def test_what_is_slower_is_named_within_a_dtype():
    cell = {"runtimes": {"tvm": runtime("float32", tflite=1.2, openvino=0.9, tflite_int8=0.5)}}
    assert slower_than(cell) == ["openvino"]


def test_geometric_means():
    assert geometric_means([cell(1.0), cell(4.0)]) == [("tvm", ["tflite"], [2.0]), ("tflite", ["tvm"], [0.5])]


def test_disturbed_cells_count_only_where_all_are():
    assert geometric_means([cell(4.0), cell(1.0, peak_scaling=0.5)])[0] == ("tvm", ["tflite"], [4.0])
    assert geometric_means([cell(4.0, peak_scaling=0.5), cell(1.0, peak_scaling=0.5)])[0] == ("tvm", ["tflite"], [2.0])


@pytest.mark.slow
def test_a_run_goes_on_and_writes_what_it_measured(tmp_path, capsys):
    config = dataclasses.replace(SMALL, workdir=str(tmp_path / "run"), results=str(tmp_path))
    first = dataclasses.replace(config, shapes="1x32x2x48x8")
    kept = json.loads(run(first).read_text())["cells"]
    written = json.loads(run(config).read_text())
    assert written["cells"][0] == kept[0] and len(written["cells"]) == 2  # the first was not measured again
    assert written["settings"]["shapes"] == config.shapes and {"machine", "versions", "date"} <= written.keys()
    for cell, ffn in zip(written["cells"], (48, 64), strict=True):
        each = cell["runtimes"]
        assert cell["product_gflop"] == round(product_flops(Subnet.uniform(1, 32, 2, ffn), 8) / 1e9, 3)
        assert each["tvm"]["logits_max_abs_err"] < 1e-5 > each["tflite"]["logits_max_abs_err"]
        assert all(0 < one["median_ms"] <= one["p90_ms"] and one["built_s"] > 0 for one in each.values())
        # A runtime's share of the peak and its time say the same, but for medians of ratios against ratios of medians.
        assert each["tvm"]["share_of_peak"] / each["tflite"]["share_of_peak"] == pytest.approx(each["tvm"]["speed_over"]["tflite"], rel=0.5)
    assert "of 2 cells" in capsys.readouterr().out
    with pytest.raises(ValueError, match="settings must be those of the records"):
        run(dataclasses.replace(config, rounds=4))


@pytest.mark.slow
def test_a_checkpoint_of_uneven_blocks_is_measured(tmp_path):
    subnet = Subnet(32, 8, (Layer(2, 48), Layer(4, 24)))
    model = Bert(BertConfig(subnet, 100, max_positions=16), nnx.Rngs(0))
    with jax.numpy_dtype_promotion("standard"):
        (tmp_path / "tokenizer").mkdir()
        (tmp_path / "tokenizer" / "vocab.txt").write_text("[PAD]\n")
        save_checkpoint(model, tmp_path / "checkpoint", tmp_path / "tokenizer")
    config = dataclasses.replace(
        SMALL, shapes="8", checkpoint=str(tmp_path / "checkpoint"), workdir=str(tmp_path / "run"), results=str(tmp_path)
    )
    (cell,) = json.loads(run(config).read_text())["cells"]
    assert cell["subnet"] == subnet.describe() and cell["runtimes"]["tvm"]["logits_max_abs_err"] < 1e-5


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--shapes=4x256", "a shape must be LAYERSxHIDDENxHEADSxFFNxTOKENS"),
        ("--runtimes=tflite,torch", "got torch"),
        ("--threads=200", "usable cores, got 200"),
        ("--checkpoint=./nowhere --shapes=8", "'./nowhere', which does not exist"),
    ],
)
def test_wrong_input_ends_with_a_message_and_no_traceback(argument, message):
    command = [sys.executable, "-m", "bertnas_jax.benchmark", "--runtimes=tvm,tflite", "--workdir=x", *argument.split()]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 2 and message in ended.stderr and "Traceback" not in ended.stderr
    assert not (REPOSITORY / "x").exists()
