"""The report's files, written whole into the run folder."""

from __future__ import annotations

import csv
import io
import pathlib

from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_png import front_png
from bertnas_jax.report.front_rows import FrontRow, front_rows
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


_HEAD = ("subnet", "accuracy", "accuracy_low", "accuracy_high", "{cost}", "measured_ms", "low_ms", "high_ms", "source", "on_front")


def _front_csv(run: RunResults) -> str:
    """A row an evaluated Subnet; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    cost = front_cost(run.summary).column
    writer.writerow([name.format(cost=cost) for name in _HEAD])
    writer.writerows(map(_csv_row, front_rows(run)))
    return text.getvalue()


def _csv_row(row: FrontRow) -> tuple:
    point, latency, nothing = row.point, row.latency, (None, None)
    scores, latencies = (point.accuracy, *(row.accuracy or nothing)), (point.latency_ms, latency.measured_ms, *(latency.interval_ms or nothing))
    return (point.subnet.describe(), *scores, *latencies, latency.source, point.on_front)
