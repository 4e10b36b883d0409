import dataclasses
import types

import jax
import numpy as np
import pytest

from bertnas_jax.compiler import host_target, load_compiled
from bertnas_jax.export import CardFacts, TfliteModel, library_file, logit_error, max_abs_error, run_examples, write_bundle
from bertnas_jax.model import load_checkpoint, read_config
from bertnas_jax.space import Subnet, count_parameters

LATENCY = types.SimpleNamespace(
    model="winner", runtime="tflite", dtype="float32", device="a CPU", threads=1, seq_len=16, source="measured", median_ms=1.5, p90_ms=1.75,
    cores="", low_ms=None, high_ms=None,
)  # fmt: skip
SIMULATED = types.SimpleNamespace(**vars(LATENCY) | {"device": "pixel_4", "cores": "1 large", "source": "simulated", "p90_ms": None, "low_ms": 1.25, "high_ms": 2.0})
FACTS = CardFacts("winner", "sst2", "accuracy", 0.9, (LATENCY, SIMULATED))


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    return folder


@pytest.fixture(scope="module")
def bundle(model, tokenizer_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "winner"
    write_bundle(model, folder, tokenizer_folder, 16, host_target(), FACTS)
    return folder


def test_every_file_is_there(bundle):
    expected = {"README.md", "config.json", "model.safetensors", "model.tflite", library_file(host_target()), "subnet.json", "vocab.txt"}
    assert {path.name for path in bundle.iterdir()} == expected
    assert [path.name for path in bundle.parent.iterdir()] == ["winner"]


def test_all_three_models_agree(bundle, model, encoded):
    assert Subnet.from_json((bundle / "subnet.json").read_text()) == model.config.subnet
    reloaded = load_checkpoint(bundle, read_config(bundle), jax.random.key(0))
    for run in (TfliteModel(bundle / "model.tflite").run, load_compiled(bundle / library_file(host_target())).run):
        assert max_abs_error(reloaded, run, encoded, 16) < 1e-4


def test_the_card_states_score_sizes_and_latency(bundle, model):
    card = (bundle / "README.md").read_text()
    for stated in ("| accuracy | 0.9000 |", f"{count_parameters(model.config.subnet, model.config.vocabulary):,}", "| a CPU | 1 | 16 | 1.50 | 1.75 |  | measured |", "| pixel_4, 1 large | 1 | 16 | 1.50 | n/a | 1.25 to 2.00 | simulated |"):
        assert stated in card


def test_the_cards_python_runs(bundle, monkeypatch, capsys):
    """The compiled library's snippet; that of the .tflite downloads nothing but needs a real tokenizer."""
    snippets = (bundle / "README.md").read_text().split("```python\n")[1:]
    library = next(text for text in snippets if "VirtualMachine" in text).split("```")[0]
    monkeypatch.chdir(bundle)
    exec(compile(library, "README.md", "exec"), {})
    assert "[[" in capsys.readouterr().out


@pytest.mark.slow
def test_a_narrow_library_is_named_and_told(model, tokenizer_folder, encoded, tmp_path):
    facts = dataclasses.replace(FACTS, precision="int8_accurate", tflite_dtypes=("float32", "int8"), narrow_values={("tvm", "int8_accurate"): 0.8765})
    write_bundle(model, tmp_path / "winner", tokenizer_folder, 16, host_target(), facts)
    library = tmp_path / "winner" / library_file(host_target(), "int8_accurate")
    assert library.name == library_file(host_target()).replace(".so", "_int8_accurate.so")
    error = logit_error(model, load_compiled(library).run, encoded, 16)
    assert 1e-4 < error.rms < 0.1 * np.abs(run_examples(TfliteModel(tmp_path / "winner" / "model.tflite").run, encoded, 16)).max()
    card = (tmp_path / "winner" / "README.md").read_text()
    assert "made of whole numbers (int8_accurate), the checkpoint and model.tflite are float32; accuracy on the dev split, run so: 0.8765" in card
    assert "`model_int8.tflite`: products with 8-bit weights" in card and "float16" not in card
    assert {path.name for path in (tmp_path / "winner").glob("*.tflite")} == {"model.tflite", "model_int8.tflite"}
    assert f'load_module("{library.name}")' in card


def test_no_tokenizer_no_bundle(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="a bundle must have a tokenizer"):
        write_bundle(model, tmp_path / "winner", tmp_path, 16, host_target(), FACTS)
    assert not list(tmp_path.iterdir())


def test_a_failed_bundle_leaves_the_old_one(model, bundle, tokenizer_folder):
    before = {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()}
    with pytest.raises(ValueError, match="seq_len"):
        write_bundle(model, bundle, tokenizer_folder, 4096, host_target(), FACTS)
    assert {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()} == before
    assert np.all([path.name == "winner" for path in bundle.parent.iterdir()])
