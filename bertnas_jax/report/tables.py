"""The tables of the page: who is compared, who was in the final, every latency."""

from __future__ import annotations

from collections.abc import Sequence

from bertnas_jax.report import figures
from bertnas_jax.report.comparison import Contender, contenders, latencies_of
from bertnas_jax.report.html_table import Table
from bertnas_jax.report.labels import backend_label, model_label, sizes_label
from bertnas_jax.report.results import LatencyLine, RunResults
from bertnas_jax.report.summary import Latency, Summary


def comparison_table(run: RunResults) -> Table:
    """One row a model: sizes, counts, scores, and its median on each runtime with the factor over BERT-base on TFLite."""
    metric = run.summary.winner.metric
    runtimes = _runtimes(run.summary)
    head = ("model", "sizes", "params", "FLOPs", f"{metric}, tuned, all of dev", f"{metric}, supernet, part of dev", "kernel table ms")
    rows = [
        (
            model_label(one.model),
            sizes_label(one.subnet),
            figures.count(one.params),
            figures.count(one.flops),
            figures.score(metric, one.value),
            figures.score(metric, one.supernet_value),
            figures.milliseconds(one.table_ms),
            *(_median(run.summary, one, backend) for backend in runtimes),
        )
        for one in contenders(run)
    ]
    return Table((*head, *(f"{backend} ms" for backend in runtimes)), rows, words=2, wrapped=1, strong_row=2)


def _runtimes(summary: Summary) -> list[str]:
    """The runtimes with any latency under the budget's conditions, the budget's own first."""
    found = sorted(summary.comparable, key=lambda one: one.runtime != summary.budget.runtime)
    return list(dict.fromkeys(backend_label(one) for one in found))


def _median(summary: Summary, contender: Contender, backend: str) -> str:
    found = [one for one in latencies_of(summary, contender) if backend_label(one) == backend]
    if not found:
        return figures.NOT_KNOWN
    text = f"{figures.milliseconds(found[0].median_ms)} ({figures.factor(summary.speedup(found[0]))})"
    return text if found[0].source == "measured" else f"{text}, {found[0].source}"


def finalists_table(run: RunResults) -> Table:
    metric = run.summary.winner.metric
    head = ("finalist", f"{metric}, supernet, all of dev", "kernel table ms", "measured ms", "p90 ms", "measured / table", "meets budget")
    rows = [
        (
            ("chosen: " if one.chosen else "") + sizes_label(one.subnet),
            figures.score(metric, one.accuracy),
            figures.milliseconds(one.table_ms),
            figures.milliseconds(one.measured_ms),
            figures.milliseconds(one.p90_ms),
            f"{one.measured_ms / one.table_ms:.2f}",
            "yes" if one.meets_budget else "no",
        )
        for one in run.finalists
    ]
    chosen = next(i for i, one in enumerate(run.finalists) if one.chosen)
    return Table(head, rows, wrapped=0, strong_row=chosen)


_LATENCY_HEAD = ("model", "runtime", "source", "device", "dtype", "threads", "tokens", "median ms", "p90 ms", "runs")
_LATENCY_WORDS = 5


def latency_table(summary: Summary) -> Table:
    """The latencies that the comparison rests on."""
    rows = [(*_latency_cells(one), figures.factor(summary.speedup(one))) for one in summary.latencies]
    strong = summary.latencies.index(summary.winner_latency)
    return Table((*_LATENCY_HEAD, "vs BERT-base on TFLite"), rows, words=_LATENCY_WORDS, strong_row=strong)


def all_latencies_table(lines: Sequence[LatencyLine]) -> Table:
    """Every record of latency.jsonl, oldest first."""
    rows = [(*_latency_cells(one), f"{one.reference_drift:.2f}", one.date.replace("T", " "), one.subnet.describe()) for one in lines]
    return Table((*_LATENCY_HEAD, "drift", "date", "subnet"), rows, words=_LATENCY_WORDS)


def _latency_cells(one: Latency) -> tuple[str, ...]:
    names = (model_label(one.model), backend_label(one), one.source, one.device, one.dtype)
    numbers = (figures.milliseconds(one.median_ms), figures.milliseconds(one.p90_ms), str(one.runs) if one.runs else "none")
    return (*names, str(one.threads), str(one.seq_len), *numbers)
