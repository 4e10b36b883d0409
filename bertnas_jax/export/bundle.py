"""The folder to deploy: checkpoint, tokenizer, Subnet, .tflite, compiled library, model card."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import tvm

from bertnas_jax.compiler import bucket_lengths, compile_lengths
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.export.card import CardFacts, model_card
from bertnas_jax.export.tflite import export_tflite, tflite_file
from bertnas_jax.whole_file import whole
from bertnas_jax.model import Bert, save_checkpoint
from bertnas_jax.model.checkpoint import TOKENIZER_FILES
from bertnas_jax.space.subnet import SUBNET_FILE

CARD_FILE = "README.md"


def library_file(target: tvm.target.Target, precision: Precision = "float32") -> str:
    """The name of the compiled model, which says what CPU it is for and in what, e.g. `model_znver3.so` or `model_znver3_int8_fast.so`."""
    narrow = "" if precision == "float32" else f"_{precision}"
    return f"model_{target.attrs.get('mcpu', target.kind.name)}{narrow}.so"


def write_bundle(
    model: Bert, folder: pathlib.Path, tokenizer_folder: pathlib.Path, seq_len: int, target: tvm.target.Target, facts: CardFacts
) -> None:
    """Writes the folder in Hugging Face layout, whole or not at all; it replaces an older one.

    The library is of the facts' precision, the .tflite files are of its dtypes; the checkpoint is float32.

    Raises:
      FileNotFoundError: `tokenizer_folder` holds no tokenizer.
      ValueError: `seq_len` is not within the model's positions.
    """
    folder, tokenizer_folder = pathlib.Path(folder), pathlib.Path(tokenizer_folder)
    if not any((tokenizer_folder / name).is_file() for name in TOKENIZER_FILES):
        raise FileNotFoundError(f"a bundle must have a tokenizer, got {tokenizer_folder} with none of {TOKENIZER_FILES}; give its folder")
    with whole(folder) as partial:
        save_checkpoint(model, partial, tokenizer_folder)
        origin = {"kept_layers": list(facts.kept_layers)} if facts.kept_layers else {}
        (partial / SUBNET_FILE).write_text(json.dumps(dataclasses.asdict(model.config.subnet) | origin) + "\n", encoding="utf-8")
        for dtype in facts.tflite_dtypes:
            export_tflite(model, seq_len, partial / tflite_file(dtype), dtype)
        library = library_file(target, facts.precision)
        compile_lengths(model, bucket_lengths(seq_len), target, facts.precision).save(partial / library)
        card = model_card(facts, model.config.subnet, model.config.vocabulary, seq_len, library)
        (partial / CARD_FILE).write_text(card, encoding="utf-8")
