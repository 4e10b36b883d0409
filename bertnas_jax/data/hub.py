"""Tasks from the Hugging Face hub, by the optional package `datasets`."""

from __future__ import annotations

from collections.abc import Mapping

from absl import logging

from bertnas_jax.data.labels import RawSplit, make_task
from bertnas_jax.data.spec import HUB, TaskSpec
from bertnas_jax.data.task import Task

DEV_SPLITS = ("validation", "dev", "test")


def load_hub(spec: TaskSpec) -> Task:
    """The task of a data set on the hub: its train split, and its validation, dev or (logged) test split.

    Raises:
      ModuleNotFoundError: the package `datasets` is not installed.
      ValueError: a split or column is missing, or a label is.
    """
    name, config = parse_hub_name(spec.task)
    try:
        import datasets  # here, as it is an optional extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{spec.task} must have the package datasets, got {error}; "
            "pip install bertnas_jax[hub]"
        ) from error
    splits = datasets.load_dataset(name, config or None)
    used = [_find_split(spec.task, splits, wanted) for wanted in (("train",), DEV_SPLITS)]
    for split in used:
        _check_columns(spec, tuple(splits[split].column_names))
    feature = splits["train"].features[spec.label_column]
    names = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else ()
    raws = (_raw(spec, split, splits[split], names) for split in used)
    kind = spec.wanted_kind or ("classification" if names else "")
    label_names = names if kind == "classification" else ()
    return make_task(spec.task.removeprefix(HUB).strip("/"), *raws, kind, spec.metric, label_names)


def parse_hub_name(task: str) -> tuple[str, str]:
    """Name and config of `hub:name/config`: the last slash parts them, and the config may be ''."""
    path = task.removeprefix(HUB)
    name, _, config = path.rpartition("/") if "/" in path else (path, "", "")
    if not name:
        raise ValueError(
            f"task must be hub:name/config, got {task!r}; "
            "e.g. hub:nyu-mll/glue/sst2, or hub:owner/name/ without a config"
        )
    return name, config


def _find_split(task: str, splits: Mapping, wanted: tuple[str, ...]) -> str:
    found = [split for split in wanted if split in splits]
    if not found:
        raise ValueError(f"{task} must have a split {' or '.join(wanted)}, got {tuple(splits)}; use another data set")
    if found[0] == "test":
        logging.warning("%s has no validation split: scores are on its test split", task)
    return found[0]


def _check_columns(spec: TaskSpec, columns: tuple[str, ...]) -> None:
    for column in (spec.text_column, spec.pair_column, spec.label_column):
        if column and column not in columns:
            raise ValueError(f"{spec.task} must have the column {column!r}, got {columns}; name one of these")


def _raw(spec: TaskSpec, split: str, dataset: Mapping, names: tuple[str, ...]) -> RawSplit:
    """The columns of a data set as text. A label of -1 marks, on the hub, a row without one."""
    labels = dataset[spec.label_column]
    if names and spec.wanted_kind != "regression":
        texts = tuple("" if label is None or label < 0 else names[label] for label in labels)
    else:
        texts = tuple("" if label is None else str(label).strip() for label in labels)
    second = tuple(dataset[spec.pair_column]) if spec.pair_column else None
    places = tuple(f"{spec.task} {split} row {row}" for row in range(len(texts)))
    return RawSplit(f"{spec.task} {split}", tuple(dataset[spec.text_column]), second, texts, places)
