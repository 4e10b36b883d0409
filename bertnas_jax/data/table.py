"""Tasks in a pair of files with named columns: train.csv and dev.csv, or .tsv."""

from __future__ import annotations

from pathlib import Path

from bertnas_jax.data.labels import RawSplit, make_task
from bertnas_jax.data.read import read_csv, read_tsv
from bertnas_jax.data.spec import TaskSpec
from bertnas_jax.data.task import Task

READERS = {".csv": read_csv, ".tsv": read_tsv}


def load_table(spec: TaskSpec) -> Task:
    """The task of `<prefix>train.csv` and `<prefix>dev.csv` (or .tsv), where the prefix may be a folder.

    A .csv is quoted as in RFC 4180; in a .tsv a quote is a character like any other.

    Raises:
      FileNotFoundError: a split has no file.
      ValueError: a split has two files, or a file is not as the spec says.
    """
    train, dev = (_read_split(spec, split) for split in ("train", "dev"))
    name = Path(spec.task).name.rstrip("_-.") or Path(spec.task).resolve().name
    return make_task(name, train, dev, spec.wanted_kind, spec.metric)


def _read_split(spec: TaskSpec, split: str) -> RawSplit:
    prefix = f"{spec.task}/" if Path(spec.task).is_dir() else spec.task
    paths = [Path(f"{prefix}{split}{suffix}") for suffix in READERS]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise FileNotFoundError(
            f"{spec.task} must have a {split} file, got neither {paths[0]} nor {paths[1]}; "
            "check the task's path"
        )
    if len(found) > 1:
        raise ValueError(f"{spec.task} must have one {split} file, got {paths[0]} and {paths[1]}; remove one")
    table = READERS[found[0].suffix](found[0])
    return RawSplit.of_table(table, spec.text_column, spec.pair_column, spec.label_column)
