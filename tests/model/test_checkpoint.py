import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from bertnas_jax.model import Bert, BertConfig, CheckpointError, get_parameters, load_checkpoint, read_config, resolve_checkpoint, save_checkpoint
from bertnas_jax.model.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from bertnas_jax.space import Layer, Subnet

CONFIG = BertConfig(Subnet(32, 8, (Layer(2, 48), Layer(4, 16))), vocab_size=50, max_positions=16, num_outputs=3)
KEY = jax.random.key(1)


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(Bert(CONFIG, nnx.Rngs(0)), tmp_path / "model")
    return tmp_path / "model"


def edit_config(folder, **changes):
    fields = json.loads((folder / CONFIG_FILE).read_text()) | changes
    (folder / CONFIG_FILE).write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_save_and_load_is_the_identity(tmp_path, pooling):
    model = Bert(dataclasses.replace(CONFIG, pooling=pooling), nnx.Rngs(0))
    save_checkpoint(model, tmp_path / "model")
    assert read_config(tmp_path / "model") == model.config
    loaded = load_checkpoint(tmp_path / "model", read_config(tmp_path / "model"), KEY)
    jax.tree.map(np.testing.assert_array_equal, get_parameters(loaded), get_parameters(model))


def test_a_uniform_subnet_is_written_as_a_plain_bert(tmp_path):
    config = dataclasses.replace(CONFIG, subnet=Subnet.uniform(2, 32, 4, 64))
    save_checkpoint(Bert(config, nnx.Rngs(0)), tmp_path / "model")
    edit_config(tmp_path / "model", bertnas=None)
    assert read_config(tmp_path / "model").subnet == config.subnet


def test_old_layer_norm_names_and_half_precision_are_read(folder):
    tensors = safetensors.numpy.load_file(folder / WEIGHTS_FILE)
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value.astype(np.float16)
        for name, value in tensors.items()
    }
    safetensors.numpy.save_file(renamed, folder / WEIGHTS_FILE)
    model = load_checkpoint(folder, CONFIG, KEY)
    expected = tensors["bert.encoder.layer.1.output.LayerNorm.weight"]
    np.testing.assert_allclose(model.layer[1].feed_forward.output.LayerNorm.scale[...], expected, atol=1e-3)
    assert model.layer[1].feed_forward.output.LayerNorm.scale[...].dtype == jnp.float32


def test_a_head_that_the_folder_lacks_is_drawn_from_the_key(folder):
    tensors = safetensors.numpy.load_file(folder / WEIGHTS_FILE)
    safetensors.numpy.save_file({n: v for n, v in tensors.items() if not n.startswith("classifier")}, folder / WEIGHTS_FILE)
    first, again = (load_checkpoint(folder, CONFIG, KEY).head.classifier.kernel[...] for _ in range(2))
    other = load_checkpoint(folder, CONFIG, jax.random.key(2)).head.classifier.kernel[...]
    assert (first == again).all() and (first != other).any()


def test_the_tokenizer_comes_along(folder, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    save_checkpoint(Bert(CONFIG, nnx.Rngs(0)), folder, tokenizer_folder=tmp_path)
    assert (folder / "vocab.txt").read_text() == "[PAD]\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "must say model_type='bert', got 'roberta'"),
        ({"hidden_act": "relu"}, "must say hidden_act='gelu', got 'relu'"),
        ({"position_embedding_type": "relative_key"}, "must say position_embedding_type='absolute'"),
        ({"vocab_size": None}, "must give vocab_size"),
    ],
)
def test_another_architecture_is_refused(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        read_config(folder)


def test_a_truncated_file_is_refused(folder):
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="must be a whole safetensors file"):
        load_checkpoint(folder, CONFIG, KEY)


def test_missing_files_are_named(folder):
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match="must hold model.safetensors"):
        load_checkpoint(folder, CONFIG, KEY)
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(CheckpointError, match="must hold config.json"):
        read_config(folder)


def test_weights_of_other_shapes_are_named(folder):
    with pytest.raises(CheckpointError, match=r"word_embeddings.weight is \(50, 32\), the configuration needs \(60, 32\)"):
        load_checkpoint(folder, dataclasses.replace(CONFIG, vocab_size=60), KEY)
    deeper = dataclasses.replace(CONFIG, subnet=Subnet(32, 8, (*CONFIG.subnet.layers, Layer(2, 16))))
    with pytest.raises(CheckpointError, match=r"encoder.layer.2.*is missing.*and 11 more"):
        load_checkpoint(folder, deeper, KEY)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no_such_package_here", "package must be installed and hold a checkpoint"),
        ("./no/such/folder", "which does not exist"),
        ("nonsense", "which does not exist"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused(name, message):
    with pytest.raises(CheckpointError, match=message):
        resolve_checkpoint(name)
