"""Tasks in GLUE's layout: a folder with train.tsv and dev.tsv, told apart by their columns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from absl import logging

from bertnas_jax.data.labels import RawSplit, make_task
from bertnas_jax.data.read import Table, read_tsv, read_utf8
from bertnas_jax.data.task import Task


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which columns of a GLUE task hold what, and its score.

    Source: Wang et al. 2019, "GLUE: A Multi-Task Benchmark", table 1; of MRPC's and QQP's two scores F1.
    """

    names: str
    text_column: str
    pair_column: str
    label_column: str
    kind: str = "classification"
    metric: str = "accuracy"
    dev_file: str = "dev.tsv"
    columns: tuple[str, ...] = ()  # of a file without a header
    drop_short: bool = False

    def fits(self, columns: tuple[str, ...]) -> bool:
        return {self.text_column, self.label_column, self.pair_column or self.text_column} <= set(columns)


COLA = Layout("CoLA", "sentence", "", "label", metric="matthews", columns=("source", "label", "mark", "sentence"))

# The first that fits is taken: the single-sentence one last, as QNLI has its columns too.
LAYOUTS = (
    Layout("MRPC", "#1 String", "#2 String", "Quality", metric="f1"),
    Layout("QQP", "question1", "question2", "is_duplicate", metric="f1", drop_short=True),
    Layout("MNLI", "sentence1", "sentence2", "gold_label", dev_file="dev_matched.tsv"),
    Layout("STS-B", "sentence1", "sentence2", "score", kind="regression", metric="pearson_spearman"),
    Layout("QNLI", "question", "sentence", "label"),
    Layout("RTE, WNLI", "sentence1", "sentence2", "label"),
    Layout("SST-2, CLINC150, TREC-6", "sentence", "", "label"),
)


def load_glue(folder: Path) -> Task:
    """The task of a folder in GLUE's layout, named after the folder.

    Where there is no dev file, test.tsv is scored on instead, which is logged.

    Raises:
      FileNotFoundError: the folder lacks train.tsv, or both dev.tsv and test.tsv.
      ValueError: the columns are those of no layout, or a row is not as the layout says.
    """
    layout = find_layout(folder / "train.tsv")
    train, dev = (_read(path, layout) for path in (folder / "train.tsv", _dev_path(folder, layout)))
    columns = layout.text_column, layout.pair_column, layout.label_column
    splits = (RawSplit.of_table(table, *columns) for table in (train, dev))
    return make_task(folder.resolve().name, *splits, kind=layout.kind, metric=layout.metric)


def find_layout(train_file: Path) -> Layout:
    """The layout whose columns the file's first line names, or CoLA's if it is a row of CoLA.

    Raises:
      ValueError: it is neither.
    """
    columns = tuple(read_utf8(train_file).partition("\n")[0].removesuffix("\r").split("\t"))
    for layout in LAYOUTS:
        if layout.fits(columns):
            return layout
    if len(columns) == len(COLA.columns) and columns[1] in ("0", "1") and columns[2] in ("", "*"):
        return COLA
    known = "; ".join(f"{layout.names}: {layout.text_column}, {layout.label_column}" for layout in LAYOUTS)
    raise ValueError(
        f"{train_file} must have the columns of a known layout ({known}), got {columns}; "
        "set text_column and label_column"
    )


def _dev_path(folder: Path, layout: Layout) -> Path:
    dev, test = folder / layout.dev_file, folder / "test.tsv"
    if dev.is_file() or not test.is_file():
        return dev
    logging.warning("%s has no %s: scores are on %s", folder, layout.dev_file, test.name)
    return test


def _read(path: Path, layout: Layout) -> Table:
    return read_tsv(path, layout.columns, layout.drop_short)
