"""A task: text to train on, text to score on, and the score."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Float32, Int32

from bertnas_jax.data.metrics import CLASSIFICATION_METRICS, METRICS, REGRESSION_METRICS

LABELLED_KINDS = ("classification", "regression")
KINDS = (*LABELLED_KINDS, "text")
RELATION_AGREEMENT = "relation_agreement"
_METRICS_OF = {"classification": tuple(CLASSIFICATION_METRICS), "regression": tuple(REGRESSION_METRICS), "text": (RELATION_AGREEMENT,)}


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Sentences, or pairs of them, with their labels: ids (int32; zeros for text without labels) or finite scores (float32).

    Raises:
      ValueError: the columns differ in length, or a label is not a number of these types.
    """

    first: tuple[str, ...]
    second: tuple[str, ...] | None
    labels: Int32[np.ndarray, " n"] | Float32[np.ndarray, " n"]

    def __post_init__(self):
        if self.labels.dtype not in (np.int32, np.float32) or self.labels.ndim != 1:
            raise ValueError(
                f"Examples.labels must be a vector of int32 or float32, got {self.labels.dtype} {self.labels.shape}; "
                "use int32 ids or float32 scores"
            )
        lengths = [len(column) for column in (self.first, self.second, self.labels) if column is not None]
        if len(set(lengths)) > 1:
            raise ValueError(f"Examples must have columns of one length, got {lengths}; give one label a sentence")
        if not np.all(np.isfinite(self.labels)):
            row = int(np.flatnonzero(~np.isfinite(self.labels))[0])
            raise ValueError(
                f"Examples.labels must be finite, got {self.labels[row]} in row {row}; "
                "drop or mend that row"
            )

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: np.ndarray) -> Examples:
        """These rows, in this order."""
        second = None if self.second is None else tuple(self.second[row] for row in rows)
        return Examples(tuple(self.first[row] for row in rows), second, self.labels[rows])


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A task. `label_names[i]` is the text of label i; a regression has none, and text has no labels at all.

    Raises:
      ValueError: a split is empty, or kind, metric, labels and splits do not fit each other.
    """

    name: str
    kind: str
    label_names: tuple[str, ...]
    metric: str
    train: Examples
    dev: Examples

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"Task.kind must be one of {KINDS}, got {self.kind!r}; score a number by regression")
        self._check_metric()
        for split, examples in (("train", self.train), ("dev", self.dev)):
            self._check_split(split, examples)
        if (self.train.second is None) != (self.dev.second is None):
            raise ValueError(
                f"{self.name}: train and dev must both be pairs or both not, got one of each; "
                "name the same columns"
            )

    @property
    def num_outputs(self) -> int:
        """Width of the model's head: one logit a label, or one number (which nothing reads for text without labels)."""
        return len(self.label_names) if self.kind == "classification" else 1

    @property
    def has_labels(self) -> bool:
        return self.kind in LABELLED_KINDS

    def score(self, predictions: Float[np.ndarray, "n C"], labels: np.ndarray) -> float:
        """The task's metric of these predictions.

        Raises:
          ValueError: the task has no labels.
        """
        if not self.has_labels:
            raise ValueError(f"{self.name} must have labels to score predictions by, got text alone; compare models by their relations")
        return METRICS[self.metric](predictions, labels)

    def _check_metric(self) -> None:
        if self.metric not in _METRICS_OF[self.kind]:
            raise ValueError(
                f"metric of a {self.kind} must be one of {_METRICS_OF[self.kind]}, got {self.metric!r}; "
                "use one of these"
            )
        if self.kind != "classification":
            if self.label_names:
                raise ValueError(f"a {self.kind} must have no label_names, got {self.label_names}; leave them empty")
            return
        if len(self.label_names) < 2 or len(set(self.label_names)) < len(self.label_names):
            raise ValueError(
                f"{self.name}: a classification must have 2 or more distinct labels, got {self.label_names}; "
                "check the label column"
            )
        if self.metric == "f1" and len(self.label_names) != 2:
            raise ValueError(f"f1 must have 2 labels, got {len(self.label_names)}; use accuracy or matthews")

    def _check_split(self, split: str, examples: Examples) -> None:
        if not len(examples):
            raise ValueError(f"{self.name}: {split} must hold at least one example, got none; check the {split} file")
        dtype = np.float32 if self.kind == "regression" else np.int32
        if examples.labels.dtype != dtype:
            raise ValueError(
                f"{self.name}: {split} labels of a {self.kind} must be {dtype.__name__}, got {examples.labels.dtype}; "
                "set kind"
            )
        low, high = examples.labels.min(), examples.labels.max()
        if self.kind == "classification" and (low < 0 or high >= len(self.label_names)):
            raise ValueError(
                f"{self.name}: {split} labels must lie in 0 to {len(self.label_names) - 1}, got {low} to {high}; "
                "name every label"
            )
