"""The result as plain text: one aligned table and one recommendation, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bertnas_jax.report import figures
from bertnas_jax.report.comparison import Contender, bert_base, latencies_of, teacher, winner
from bertnas_jax.report.dtypes import best_dtypes_sentence
from bertnas_jax.report.labels import backend_label, model_label
from bertnas_jax.report.recommendation import recommend
from bertnas_jax.report.summary import Latency, Summary

WIDTH = 100
_LEFT = 3  # columns of words; the others are numbers
_METRIC_HEADS = {"pearson_spearman": "Pears./Spear."}


def terminal_table(summary: Summary) -> str:
    """The table of BERT-base, teacher and winner at the budget's place, then what to do."""
    place = summary.budget.place
    metric = summary.winner.metric
    head = ("model", "runtime", "source", "median ms", "p90 ms", "vs BERT-base", _METRIC_HEADS.get(metric, metric), "params", "FLOPs")
    rows = [
        _row(summary, contender, latency)
        for contender in (bert_base(summary), teacher(summary), winner(summary))
        for latency in latencies_of(summary, contender)
    ]
    where = f"{place.where}, {figures.plural(place.threads, 'thread')}, {place.seq_len} tokens, batch 1; factors over BERT-base on TFLite"
    return "\n".join([_clip(where), *_aligned([head, *rows]), *textwrap.wrap(best_dtypes_sentence(summary), WIDTH), *textwrap.wrap(recommend(summary), WIDTH)])


def _row(summary: Summary, contender: Contender, latency: Latency) -> tuple[str, ...]:
    return (
        model_label(contender.model),
        backend_label(latency),
        latency.source,
        figures.milliseconds(latency.median_ms),
        figures.milliseconds(latency.p90_ms),
        figures.factor(summary.speedup(latency)),
        figures.score(summary.winner.metric, summary.winner_value(latency) if contender.model == "winner" else contender.value),
        figures.count(contender.params),
        figures.count(contender.flops),
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i < _LEFT else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append(_clip("  ".join(cells).rstrip()))
    lines.insert(1, _clip("  ".join("-" * width for width in widths)))
    return lines


def _clip(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
