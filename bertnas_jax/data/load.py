"""A task from wherever its spec says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from bertnas_jax.data.demo import load_demo
from bertnas_jax.data.glue import load_glue
from bertnas_jax.data.hub import load_hub
from bertnas_jax.data.spec import DEMO, HUB, TEXT, TaskSpec
from bertnas_jax.data.table import load_table
from bertnas_jax.data.task import Examples, Task
from bertnas_jax.data.text import load_text

SAMPLE_SEED = 0


def load_task(spec: TaskSpec) -> Task:
    """The task of the spec, no longer than its limits.

    Raises:
      FileNotFoundError: a file or folder is missing.
      ModuleNotFoundError: the hub is asked for without the package it needs.
      ValueError: a file is not what the spec or its layout says, naming the file and the place.
    """
    task = _load(spec)
    if spec.kind and spec.kind != task.kind:
        raise ValueError(f"{spec.task} must be loaded as the {task.kind} it is, got kind={spec.kind}; leave kind ''")
    return dataclasses.replace(
        task,
        metric=spec.metric or task.metric,
        train=sample(task.train, spec.max_train),
        dev=sample(task.dev, spec.max_dev),
    )


def sample(examples: Examples, limit: int) -> Examples:
    """At most `limit` examples (0: all), drawn without regard to their order; fewer are a subset of more."""
    if limit == 0 or limit >= len(examples):
        return examples
    return examples.take(np.random.default_rng(SAMPLE_SEED).permutation(len(examples))[:limit])


def _load(spec: TaskSpec) -> Task:
    if spec.task == DEMO:
        return load_demo()
    if spec.task.startswith(HUB):
        return load_hub(spec)
    if spec.is_text:
        return load_text(spec)
    if spec.text_column:
        return load_table(spec)
    if not Path(spec.task).is_dir():
        raise FileNotFoundError(
            f"task must be {DEMO!r}, {HUB}name/config, {TEXT}FILE, a folder, or a path prefix with columns named, got {spec.task!r}; "
            "check the path, or set text_column and label_column"
        )
    return load_glue(Path(spec.task))
