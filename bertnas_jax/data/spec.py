"""Which task to load, and how to read it."""

from __future__ import annotations

import dataclasses

from bertnas_jax.data.metrics import METRICS, REGRESSION_METRICS
from bertnas_jax.data.task import LABELLED_KINDS
from bertnas_jax.knobs import check_knobs, knob

DEMO = "demo"
HUB = "hub:"
TEXT = "text:"


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """Where the examples are and which columns hold them.

    Raises:
      ValueError: an unknown kind or metric, a negative limit, or columns or a dev file that do not go with the task.
    """

    task: str = knob(
        DEMO,
        "'demo'; a folder in GLUE's layout; a folder or path prefix of train and dev files (.csv or .tsv) with "
        "text_column and label_column named; 'hub:name/config' ('hub:name/' for the default config); or 'text:FILE', "
        "'text:FILE,FILE' or 'text:FOLDER' for text without labels, one passage a line.",
    )
    text_column: str = knob("", "Column of the (first) sentence; '' where the layout is known.")
    pair_column: str = knob("", "Column of the second sentence; '' for single sentences.")
    label_column: str = knob("", "Column of the label; '' where the layout is known.")
    metric: str = knob("", f"Score on dev, one of {', '.join(METRICS)}; '' for the task's own.", choices=("", *METRICS))
    kind: str = knob("", "classification or regression; '' to infer it from the metric, or from decimal labels.", choices=("", *LABELLED_KINDS))
    max_train: int = knob(0, "Train on at most this many examples, drawn by a fixed permutation; 0 for all.", lower=0)
    max_dev: int = knob(0, "Score on at most this many examples, drawn by a fixed permutation; 0 for all.", lower=0)
    dev_file: str = knob("", "Passages to score on, for a task 'text:...'; '' to set some of its own aside.")
    dev_share: float = knob(0.02, "Share of a text's passages that is set aside to score on, chosen by their hash.", lower=0.0, upper=0.9)

    def __post_init__(self):
        if not self.task:
            raise ValueError(
                "task must name a task, got ''; "
                f"use {DEMO!r}, a folder, a path prefix or '{HUB}name/config'"
            )
        check_knobs(self)
        if self.kind and self.metric and self.kind != _kind_of(self.metric):
            raise ValueError(f"metric must fit kind, got metric={self.metric}, kind={self.kind}; leave one of them ''")
        self._check_columns()

    @property
    def is_text(self) -> bool:
        """True for text without labels."""
        return self.task.startswith(TEXT)

    @property
    def wanted_kind(self) -> str:
        """The kind asked for, by name or by metric; '' if neither."""
        return self.kind or (_kind_of(self.metric) if self.metric else "")

    def _check_columns(self) -> None:
        named = bool(self.text_column), bool(self.label_column)
        if named[0] != named[1] or (self.pair_column and not named[0]):
            raise ValueError(
                f"text_column and label_column must be named together, got text_column={self.text_column!r}, "
                f"pair_column={self.pair_column!r}, label_column={self.label_column!r}; name both or neither"
            )
        if self.is_text and (any(named) or self.kind or self.metric):
            raise ValueError(f"{self.task} has no labels: columns, kind and metric must be '', got one; leave them out")
        if self.dev_file and not self.is_text:
            raise ValueError(f"dev_file must go with a task '{TEXT}...', got {self.dev_file!r} with {self.task!r}; leave it ''")
        if self.task == DEMO and any(named):
            raise ValueError(f"the task {DEMO!r} must have no columns named, got {self.text_column!r}; leave them ''")
        if self.task.startswith(HUB) and not all(named):
            raise ValueError(f"{self.task} must have its columns named, got ''; set text_column and label_column")


def _kind_of(metric: str) -> str:
    return "regression" if metric in REGRESSION_METRICS else "classification"
