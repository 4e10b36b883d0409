import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.compiler import trace_model
from bertnas_jax.compiler.opencl import lower_opencl
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target
from bertnas_jax.export import opencl_files
from bertnas_jax.export.opencl_files import LAUNCHES_FILE, OPENCL_WEIGHTS_FILE, SOURCE_FILE, write_opencl
from bertnas_jax.export.opencl_runtime import OpenclModel
from tests.export.libraries import bert, opencl_device, random_subnet, sentence

L = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opencl") / "gpu"
    write_opencl(bert(), L, named_target(ANDROID_OPENCL), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_opencl_computes_what_jax_does(seed, tmp_path):
    opencl_device()
    rng = np.random.default_rng(seed)
    seq_len = int(rng.integers(1, 33))
    model, inputs = bert(random_subnet(rng), pooling=("mean", "cls")[seed % 2], seed=seed), sentence(seq_len, seed)
    write_opencl(model, seq_len, named_target(ANDROID_OPENCL), tmp_path / "gpu")
    compiled = OpenclModel(tmp_path / "gpu")
    for _ in range(2):  # the buffers of one run are those of the next
        logits = compiled.run(*inputs)
    np.testing.assert_allclose(logits, model(*map(jnp.asarray, inputs)), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_nothing_fused_computes_the_same(tmp_path, monkeypatch):
    """Every operator a kernel of its own, as what fusion gains is told beside."""
    opencl_device()
    monkeypatch.setattr(opencl_files, "lower_opencl", lambda module, target: lower_opencl(module, target, OPTIONAL))
    model, inputs = bert(), sentence(L)
    write_opencl(model, L, named_target(ANDROID_OPENCL), tmp_path / "gpu")
    np.testing.assert_allclose(OpenclModel(tmp_path / "gpu").run(*inputs), model(*map(jnp.asarray, inputs)), rtol=0, atol=1e-4)


def test_every_launch_is_of_a_kernel_of_the_source_with_its_arguments(folder):
    plan, source = json.loads((folder / LAUNCHES_FILE).read_text()), (folder / SOURCE_FILE).read_text()
    parameters = {name: listed.count("__global") for name, listed in re.findall(r"__kernel void (\w+)\(([^)]*)\)\s*\{", source)}
    assert plan["launches"]
    for launch in plan["launches"]:
        assert len(launch["arguments"]) == parameters[launch["kernel"]]
        assert all(size % group == 0 for size, group in zip(launch["global"], launch["local"], strict=True))
        assert all(0 <= number < len(plan["buffers"]) for number in launch["arguments"])


def test_products_load_and_store_vectors(folder):
    source = (folder / SOURCE_FILE).read_text()
    (kernel,) = re.findall(r"__kernel void fused_packed_gemm_add_multiply_erf_kernel\([^)]*\) \{.*?\n\}", source, re.DOTALL)
    assert "vload4" in kernel and "vstore4" in kernel and "float4" in kernel


def test_less_is_launched_than_the_model_has_operators(folder):
    launches = json.loads((folder / LAUNCHES_FILE).read_text())["launches"]
    assert sum("packed_gemm" in launch["kernel"] for launch in launches) == 4 * bert().config.subnet.depth + 1
    assert len(launches) < len(trace_model(bert(), L)["main"].body.blocks[0].bindings) / 2


def test_weights_of_another_model_are_refused(folder, tmp_path):
    opencl_device()
    for name in (SOURCE_FILE, LAUNCHES_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / OPENCL_WEIGHTS_FILE).read_bytes()
    (tmp_path / OPENCL_WEIGHTS_FILE).write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="must be whole"):
        OpenclModel(tmp_path)
    (tmp_path / OPENCL_WEIGHTS_FILE).write_bytes(whole[:8] + b"other" + whole[13:])
    with pytest.raises(ValueError, match="another model's"):
        OpenclModel(tmp_path)


def test_a_length_that_is_not_the_models_is_refused(folder):
    opencl_device()
    with pytest.raises(ValueError, match="pad it to the model's length"):
        OpenclModel(folder).run(*sentence(L + 1))
