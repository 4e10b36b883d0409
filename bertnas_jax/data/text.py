"""Unlabelled text: files of one passage a line, for training that only compares a model with its teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bertnas_jax.data.read import read_utf8
from bertnas_jax.data.spec import TEXT, TaskSpec
from bertnas_jax.data.task import RELATION_AGREEMENT, Examples, Task

_HASH_BYTES = 8


def load_text(spec: TaskSpec) -> Task:
    """The passages of the files, or of the .txt files of the folders, that `text:` names.

    Without a `dev_file` a passage is of dev if the hash of its text is: in every order, and for every copy of it.

    Raises:
      FileNotFoundError: a file is missing, or a folder holds no .txt file.
      ValueError: a file is not UTF-8 or holds no passage, or a split would be empty.
    """
    paths = _files(spec.task.removeprefix(TEXT).split(","))
    train = [passage for path in paths for passage in _passages(path)]
    if spec.dev_file:
        dev = _passages(Path(spec.dev_file))
    else:
        chosen = [_is_dev(passage, spec.dev_share) for passage in train]
        dev = [passage for passage, is_dev in zip(train, chosen, strict=True) if is_dev]
        train = [passage for passage, is_dev in zip(train, chosen, strict=True) if not is_dev]
        if not (train and dev):
            raise ValueError(
                f"{spec.task} must have passages for train and dev, got {len(train)} and {len(dev)} by dev_share={spec.dev_share}; "
                "set another dev_share, or give --dev_file"
            )
    return Task(paths[0].stem, "text", (), RELATION_AGREEMENT, _examples(train), _examples(dev))


def _files(names: Sequence[str]) -> list[Path]:
    if not all(names):
        raise ValueError(f"task must name a file after {TEXT!r} and after each comma, got {','.join(names)!r}; e.g. {TEXT}corpus.txt")
    paths = []
    for name in map(Path, names):
        found = sorted(name.glob("*.txt")) if name.is_dir() else [name]
        if not found:
            raise FileNotFoundError(f"{name} must hold .txt files, got none; name the files, separated by commas")
        paths += found
    return paths


def _passages(path: Path) -> list[str]:
    """The lines that are not blank."""
    # Not splitlines(): it would also split at U+0085 and U+2028, which occur inside sentences.
    passages = [line.strip() for line in read_utf8(path).split("\n") if line.strip()]
    if not passages:
        raise ValueError(f"{path} must hold a passage a line, got no text; check the task's path")
    return passages


def _is_dev(passage: str, share: float) -> bool:
    digest = hashlib.blake2b(passage.encode("utf-8"), digest_size=_HASH_BYTES).digest()
    return int.from_bytes(digest, "big") < share * 2 ** (8 * _HASH_BYTES)


def _examples(passages: list[str]) -> Examples:
    return Examples(tuple(passages), None, np.zeros(len(passages), np.int32))
