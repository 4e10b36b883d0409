"""The output that is parsed was recorded by others (see the golden's source): no phone was attached when this was written."""

import json

import pytest

from bertnas_jax.export import INPUT_NAMES
from bertnas_jax.latency.benchmark_model import BenchmarkOutput, benchmark_command, parse_benchmark
from bertnas_jax.latency.on_device import percentiles_of
from tests.conftest import REPOSITORY

RECORDED = json.loads((REPOSITORY / "tests/goldens/benchmark_model_recorded.json").read_text())
# Newer versions add percentiles to the line of statistics; this line has their form and is not recorded.
PERCENTILES = "INFO: count=50 first=9439 curr=9391 min=9353 max=9595 avg=9426.43 std=42 p5=9373 median=9419 p95=9517\n"
SUMMARY = "INFO: Inference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, Inference (avg): 9426.43\n"


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_recorded_output_is_read(where):
    expected = RECORDED[where]
    parsed = parse_benchmark(expected["text"])
    assert parsed == BenchmarkOutput(expected["runs"], pytest.approx(expected["mean_ms"]), expected["std_ms"], None, None, expected["peak_mb"])


def test_percentiles_are_read_where_they_are_printed():
    assert percentiles_of(parse_benchmark(PERCENTILES + SUMMARY)) == (9.419, 9.517)


def test_output_without_percentiles_makes_no_record():
    with pytest.raises(ValueError, match="must print median and p95, got mean 56.26"):
        percentiles_of(parse_benchmark(RECORDED["cpu"]["text"]))


@pytest.mark.parametrize("text", ["", "ERROR: Failed to load model\n", RECORDED["cpu"]["text"].split("INFO: Inference")[0], SUMMARY])
def test_output_that_ends_early_is_refused(text):
    with pytest.raises(ValueError, match="must end with its timings"):
        parse_benchmark(text)


def test_the_command_pins_and_counts():
    command = benchmark_command("model.tflite", 64, threads=2, runs=30, warmup=5, mask="90")
    assert command[:3] == ["taskset", "90", "/data/local/tmp/bertnas/benchmark_model"]
    wanted = {"--graph=/data/local/tmp/bertnas/model.tflite", "--num_threads=2", "--use_xnnpack=true", "--warmup_runs=5", "--num_runs=30"}
    assert wanted <= set(command)


def test_inputs_are_sentences():
    command = benchmark_command("model.tflite", 64, threads=2, runs=30, warmup=5)
    assert f"--input_layer={','.join(INPUT_NAMES)}" in command, "ranges go by the names of the exported model"
    assert "--input_layer_shape=1,64:1,64:1,64" in command
    assert "--input_layer_value_range=input_ids,0,99:attention_mask,1,1:token_type_ids,0,0" in command


def test_a_gpu_takes_no_mask_and_no_xnnpack():
    command = benchmark_command("model.tflite", 64, threads=1, runs=30, warmup=5, gpu=True)
    assert "taskset" not in command and "--use_gpu=true" in command and "--use_xnnpack=true" not in command
