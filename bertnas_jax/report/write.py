"""The report's files, written whole into the run folder."""

from __future__ import annotations

import csv
import io
import pathlib

from bertnas_jax.report.front_png import front_png
from bertnas_jax.report.page import page
from bertnas_jax.report.read_run import read_run
from bertnas_jax.report.results import RunResults
from bertnas_jax.report.terminal import terminal_table
from bertnas_jax.whole_file import whole


def write_report(folder: pathlib.Path) -> str:
    """The terminal's table of a run; writes report.html, pareto.png and pareto.csv beside its results.

    Nothing is written unless all of it could be made.

    Raises:
      ValueError: a file of the run folder is missing or broken; names it and the command that writes it.
    """
    folder = pathlib.Path(folder)
    run = read_run(folder)
    files = {"pareto.csv": _front_csv(run).encode(), "pareto.png": front_png(run), "report.html": page(run).encode()}
    table = terminal_table(run.summary)
    for name, content in files.items():
        with whole(folder / name) as partial:
            partial.write_bytes(content)
    return table


def _front_csv(run: RunResults) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("subnet", "accuracy", "latency_ms", "on_front"))
    writer.writerows((point.subnet.describe(), point.accuracy, point.latency_ms, point.on_front) for point in run.evaluated)
    return text.getvalue()
