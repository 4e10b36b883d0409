import json
import math
import re

import numpy as np
import pytest

from bertnas_jax.compiler import trace_model
from bertnas_jax.compiler.opencl import lower_opencl
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.compiler.targets import ANDROID_OPENCL, WORK_GROUP, named_target
from bertnas_jax.export import opencl_files
from bertnas_jax.export.opencl_files import LAUNCHES_FILE, OPENCL_WEIGHTS_FILE, SOURCE_FILE, write_opencl
from bertnas_jax.export.opencl_process import run_opencl
from bertnas_jax.export.parity import logits_of
from tests.export.conftest import VOCAB_SIZE
from tests.export.libraries import bert, needs_opencl, random_subnet, sentence

LENGTHS = (8, 16, 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opencl") / "gpu"
    write_opencl(bert(), LENGTHS, named_target(ANDROID_OPENCL), folder)
    return folder


@pytest.fixture(scope="module")
def plan(folder):
    return json.loads((folder / LAUNCHES_FILE).read_text())


def tokens(count, length, seed=0):
    """A sentence of that many tokens, padded to the length."""
    ids, _, types = sentence(length, seed)
    mask = (np.arange(length) < count).astype(np.int32)[None]
    return ids * mask, mask, types * mask


def logits_of_all(model, sequences):
    return np.concatenate([np.asarray(logits_of(model, *inputs)) for inputs in sequences])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_opencl_computes_what_jax_does(seed, tmp_path):
    needs_opencl()
    rng = np.random.default_rng(seed)
    seq_len = int(rng.integers(1, 33))
    model, inputs = bert(random_subnet(rng), pooling=("mean", "cls")[seed % 2], seed=seed), sentence(seq_len, seed)
    write_opencl(model, [seq_len], named_target(ANDROID_OPENCL), tmp_path / "gpu")
    twice = [inputs, inputs]  # the buffers of one run are those of the next
    np.testing.assert_allclose(run_opencl(tmp_path / "gpu", twice), logits_of_all(model, twice), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_nothing_fused_computes_the_same(tmp_path, monkeypatch):
    """Every operator a kernel of its own, as what fusion gains is told beside."""
    needs_opencl()
    monkeypatch.setattr(opencl_files, "lower_opencl", lambda module, target: lower_opencl(module, target, OPTIONAL))
    model, inputs = bert(), sentence(8)
    write_opencl(model, [8], named_target(ANDROID_OPENCL), tmp_path / "gpu")
    np.testing.assert_allclose(run_opencl(tmp_path / "gpu", [inputs]), logits_of_all(model, [inputs]), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_sentence_of_any_length_has_the_logits_of_jax(folder):
    """In turn on all lengths, which share buffers: what one leaves there may not reach the next."""
    needs_opencl()
    counts = [24, 1, 17, 0, 8, 9, 16, 3, 24]
    padded = [tokens(count, 24, seed) for seed, count in enumerate(counts)]
    got, expected = run_opencl(folder, padded), logits_of_all(bert(), padded)
    assert np.abs(expected[:, None] - expected[None]).max(axis=-1)[~np.eye(len(counts), dtype=bool)].min() > 1e-3
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)
    cut = [tuple(array[:, : max(count, 1)] for array in inputs) for count, inputs in zip(counts, padded, strict=True) if count]
    np.testing.assert_array_equal(run_opencl(folder, cut), got[np.array(counts) > 0])


@pytest.mark.slow
@pytest.mark.parametrize(("count", "length"), [(0, 24), (1, 8), (8, 8), (9, 16), (17, 24)])
def test_the_least_length_that_holds_a_sentence_is_run(folder, plan, count, length, tmp_path):
    """The launches of all other lengths are taken away."""
    needs_opencl()
    for name in (SOURCE_FILE, OPENCL_WEIGHTS_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    runs = [run if run["length"] == length else run | {"launches": []} for run in plan["lengths"]]
    (tmp_path / LAUNCHES_FILE).write_text(json.dumps(plan | {"lengths": runs}))
    sequences = [tokens(count, 24)]
    np.testing.assert_array_equal(run_opencl(tmp_path, sequences), run_opencl(folder, sequences))


def test_every_launch_is_of_a_kernel_of_the_source_with_its_arguments(folder, plan):
    source = (folder / SOURCE_FILE).read_text()
    parameters = {name: listed.count("__global") for name, listed in re.findall(r"__kernel void (\w+)\(([^)]*)\)\s*\{", source)}
    launches = [launch for run in plan["lengths"] for launch in run["launches"]]
    assert [run["length"] for run in plan["lengths"]] == list(LENGTHS) and all(run["launches"] for run in plan["lengths"])
    assert {launch["kernel"] for launch in launches} == set(parameters)
    for launch in launches:
        assert len(launch["arguments"]) == parameters[launch["kernel"]]
        assert all(size % group == 0 for size, group in zip(launch["global"], launch["local"], strict=True))
        assert math.prod(launch["local"]) <= WORK_GROUP, "some phones' GPUs start no larger group"
        assert all(0 <= number < len(plan["buffers"]) for number in launch["arguments"])


def test_lengths_share_weights_buffers_and_kernels(folder, plan, tmp_path):
    write_opencl(bert(), [24], named_target(ANDROID_OPENCL), tmp_path / "whole")
    whole = json.loads((tmp_path / "whole" / LAUNCHES_FILE).read_text())
    sizes = [(path / OPENCL_WEIGHTS_FILE).stat().st_size for path in (folder, tmp_path / "whole")]
    rows = 4 * bert().config.subnet.hidden * (8 + 16)
    assert sizes[0] - sizes[1] == rows, "each length has its own rows of the position embeddings, and nothing else"
    free = [[buffer["bytes"] for buffer in each["buffers"] if "weights_offset" not in buffer] for each in (plan, whole)]
    assert free[0] == free[1]
    kernels = [{launch["kernel"] for launch in run["launches"]} for run in plan["lengths"]]
    shared = set.intersection(*kernels)
    assert any("rsqrt" in name for name in shared), "a LayerNorm is a work-group a row, however many rows there are"
    assert len(set.union(*kernels)) < sum(map(len, kernels))


def test_products_load_and_store_vectors(folder):
    source = (folder / SOURCE_FILE).read_text()
    kernels = re.findall(r"__kernel void fused_packed_gemm_add_multiply_erf_\d+_kernel\([^)]*\) \{.*?\n\}", source, re.DOTALL)
    assert len(kernels) == len(LENGTHS)
    for kernel in kernels:
        assert "vload4" in kernel and "vstore4" in kernel and "float4" in kernel


def test_less_is_launched_than_the_model_has_operators(plan):
    for run in plan["lengths"]:
        assert sum("packed_gemm" in launch["kernel"] for launch in run["launches"]) == 4 * bert().config.subnet.depth + 1
        assert len(run["launches"]) < len(trace_model(bert(), run["length"])["main"].body.blocks[0].bindings) / 2


@pytest.mark.slow
def test_weights_of_another_model_are_refused(folder, tmp_path):
    needs_opencl()
    for name in (SOURCE_FILE, LAUNCHES_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / OPENCL_WEIGHTS_FILE).read_bytes()
    (tmp_path / OPENCL_WEIGHTS_FILE).write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="must be whole"):
        run_opencl(tmp_path, [sentence(8)])
    (tmp_path / OPENCL_WEIGHTS_FILE).write_bytes(whole[:8] + b"other" + whole[13:])
    with pytest.raises(ValueError, match="another model's"):
        run_opencl(tmp_path, [sentence(8)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, VOCAB_SIZE, "input_ids must be whole numbers from 0 to 119, got 0 to 120"),
        (0, -1, "input_ids must be whole numbers from 0 to 119, got -1"),
        (1, 2, "attention_mask must be whole numbers from 0 to 1, got 0 to 2"),
        (2, 2, "token_type_ids must be whole numbers from 0 to 1, got 0 to 2"),
    ],
)
def test_values_out_of_range_are_refused(folder, index, value, message):
    needs_opencl()
    inputs = tokens(6, 8)
    inputs[index][0, -1] = value
    with pytest.raises(ValueError, match=message):
        run_opencl(folder, [inputs])


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 25])
def test_a_length_that_is_not_within_the_models_is_refused(folder, length):
    needs_opencl()
    with pytest.raises(ValueError, match=r"L from 1 to 24, got \(1, \d+\); cut or pad it"):
        run_opencl(folder, [tokens(length, length)])
