"""Labels as text in, a `Task` with label ids or scores out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from bertnas_jax.data.read import Table
from bertnas_jax.data.task import Examples, Task

DEFAULT_METRIC = {"classification": "accuracy", "regression": "pearson_spearman"}


@dataclasses.dataclass(frozen=True)
class RawSplit:
    """Sentences with labels still as text. `places[i]` is where row i stands, for messages."""

    source: str
    first: tuple[str, ...]
    second: tuple[str, ...] | None
    labels: tuple[str, ...]
    places: tuple[str, ...]

    @classmethod
    def of_table(cls, table: Table, text_column: str, pair_column: str, label_column: str) -> RawSplit:
        """The named columns of a table; `pair_column` is '' for single sentences."""
        second = table.column(pair_column) if pair_column else None
        labels = tuple(label.strip() for label in table.column(label_column))
        places = tuple(f"{table.source}:{line}" for line in table.lines)
        return cls(table.source, table.column(text_column), second, labels, places)


def make_task(
    name: str, train: RawSplit, dev: RawSplit, kind: str = "", metric: str = "", label_names: tuple[str, ...] = ()
) -> Task:
    """The task of two splits. What is '' is inferred; label names are those of train, sorted, unless given.

    Names that are all integers sort as numbers. With two labels the second is the positive one of F1.

    Raises:
      ValueError: a split is empty, a label is missing, not a number, or not among the known ones.
    """
    for split, raw in (("train", train), ("dev", dev)):
        if not raw.labels:
            raise ValueError(
                f"{name}: {split} must hold at least one example, got none in {raw.source}; "
                "add rows to it"
            )
    kind = kind or infer_kind(train.labels)
    metric = metric or DEFAULT_METRIC[kind]
    if kind == "regression":
        return Task(name, kind, (), metric, *(Examples(raw.first, raw.second, _scores(raw)) for raw in (train, dev)))
    for raw in (train, dev):
        _check_present(raw)
    names = label_names or sort_labels(set(train.labels))
    return Task(name, kind, names, metric, *(Examples(raw.first, raw.second, _ids(raw, names)) for raw in (train, dev)))


def infer_kind(labels: Sequence[str]) -> str:
    """'regression' if any label is a number with a decimal point or exponent, else 'classification'."""
    return "regression" if any(_is_fraction(label) for label in set(labels)) else "classification"


def sort_labels(names: set[str]) -> tuple[str, ...]:
    """The names in alphabetical order, or in numerical order if all of them are integers."""
    if all(name.removeprefix("-").isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def _is_fraction(label: str) -> bool:
    number = _number(label)
    return math.isfinite(number) and not label.removeprefix("-").removeprefix("+").isdecimal()


def _number(label: str) -> float:
    """The number a label spells; NaN if it spells none."""
    try:
        return float(label)
    except ValueError:
        return math.nan


def _check_present(raw: RawSplit) -> None:
    for label, place in zip(raw.labels, raw.places, strict=True):
        if label.lower() in ("", "nan"):
            raise ValueError(f"{place} must have a label, got {label!r}; fill it in or drop the row")


def _ids(raw: RawSplit, names: tuple[str, ...]) -> np.ndarray:
    ids = {name: position for position, name in enumerate(names)}
    for label, place in zip(raw.labels, raw.places, strict=True):
        if label not in ids:
            known = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
            raise ValueError(
                f"{place} must have a label that train has ({known}), got {label!r}; "
                "mend the row or add it to train"
            )
    return np.array([ids[label] for label in raw.labels], np.int32)


def _scores(raw: RawSplit) -> np.ndarray:
    scores = np.array([_number(label) for label in raw.labels])
    for row in np.flatnonzero(~np.isfinite(scores)):
        raise ValueError(
            f"{raw.places[row]} must have a finite number as its label, got {raw.labels[row]!r}; "
            "mend it or set kind=classification"
        )
    return scores.astype(np.float32)
