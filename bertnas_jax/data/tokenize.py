"""Text in, token ids out, each example as long as it is."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int32, Int64

from bertnas_jax.data.task import Examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


@dataclasses.dataclass(frozen=True, eq=False)
class Encoded:
    """Token ids and token types, one vector [L] an example, with the labels and the id that pads."""

    input_ids: tuple[np.ndarray, ...]
    token_type_ids: tuple[np.ndarray, ...]
    labels: Int32[np.ndarray, " n"] | Float32[np.ndarray, " n"]
    pad_id: int

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def lengths(self) -> Int64[np.ndarray, " n"]:
        """Number of tokens of each example, special ones included."""
        return np.array([len(ids) for ids in self.input_ids], np.int64)

    def take(self, rows: np.ndarray) -> Encoded:
        """These rows, in this order."""
        ids, types = (tuple(column[row] for row in rows) for column in (self.input_ids, self.token_type_ids))
        return Encoded(ids, types, self.labels[rows], self.pad_id)


def load_tokenizer(folder: str | os.PathLike[str]) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a folder in Hugging Face layout, or of a name on the hub where no such folder exists.

    Raises:
      FileNotFoundError: the folder has no tokenizer files.
      ValueError: the tokenizer is not a fast one, or does not pad.
    """
    from transformers import AutoTokenizer  # here, as it takes a second that most users of this room need not wait

    local = Path(folder).is_dir()
    if local and not any((Path(folder) / name).is_file() for name in TOKENIZER_FILES):
        raise FileNotFoundError(
            f"{folder} must hold a tokenizer, got none of {TOKENIZER_FILES}; "
            "copy them from the checkpoint's origin"
        )
    tokenizer = AutoTokenizer.from_pretrained(os.fspath(folder), local_files_only=local)
    if not tokenizer.is_fast:
        raise ValueError(
            f"{folder} must have a fast tokenizer, got {type(tokenizer).__name__}; "
            "save it with tokenizer.json"
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            f"{folder} must have a tokenizer that pads, got no pad_token; "
            "name it in tokenizer_config.json"
        )
    return tokenizer


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> None:
    """Raises ValueError if the tokenizer has an id for which a checkpoint of `vocab_size` rows has no embedding."""
    token, largest = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if largest >= vocab_size:
        raise ValueError(
            f"token ids must be below the checkpoint's vocab_size={vocab_size}, got id {largest} of {token!r} from the "
            f"tokenizer {tokenizer.name_or_path}; use the tokenizer the checkpoint came with"
        )


def encode(examples: Examples, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoded:
    """The examples as token ids, of at most `max_length` tokens: of a pair, the longer sentence is cut first.

    Token types are zeros where the tokenizer gives none (XLM-R and its like).

    Raises:
      ValueError: `max_length` leaves no room for text beside the special tokens.
    """
    num_special = tokenizer.num_special_tokens_to_add(pair=examples.second is not None)
    if max_length <= num_special:
        raise ValueError(
            f"max_length must exceed the {num_special} special tokens, got {max_length}; "
            f"use {num_special + 1} or more"
        )
    second = None if examples.second is None else list(examples.second)
    output = tokenizer(
        list(examples.first),
        second,
        truncation="longest_first",
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
    )
    input_ids = tuple(np.array(ids, np.int32) for ids in output["input_ids"])
    if "token_type_ids" in output:
        token_types = tuple(np.array(types, np.int32) for types in output["token_type_ids"])
    else:
        token_types = tuple(np.zeros_like(ids) for ids in input_ids)
    return Encoded(input_ids, token_types, examples.labels, tokenizer.pad_token_id)
