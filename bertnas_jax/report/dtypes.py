"""The winner in every dtype that was measured, and what its best one is worth against BERT-base's."""

from __future__ import annotations

from bertnas_jax.report import figures
from bertnas_jax.report.html_table import Table
from bertnas_jax.report.labels import backend_label
from bertnas_jax.report.summary import Summary


def dtype_table(summary: Summary) -> Table:
    """A row a runtime and dtype of the winner: score, errors of its logits, latency, and factors over BERT-base on TFLite in float32 and int8."""
    metric = summary.winner.metric
    head = ("runtime", f"{metric}, all of dev", "rms error", "largest error", "median ms", "vs BERT-base float32", "vs BERT-base int8")
    rows = []
    for one in summary.precisions:
        found = [each for each in summary.comparable if (each.model, each.runtime, each.dtype) == ("winner", one.runtime, one.dtype)]
        for latency in found:
            errors = [f"{error:.1e}" for error in (one.rms_err, one.max_abs_err)]
            against = [figures.factor(_over_bert_base(summary, latency.median_ms, dtype)) for dtype in ("float32", "int8")]
            rows.append((backend_label(latency), figures.score(metric, one.value), *errors, figures.milliseconds(latency.median_ms), *against))
    return Table(head, rows)


def _over_bert_base(summary: Summary, median_ms: float, dtype: str) -> float | None:
    """By medians, as all factors of tables are."""
    found = [one for one in summary.comparable if (one.model, one.runtime, one.dtype) == ("bert_base", "tflite", dtype)]
    return found[0].median_ms / median_ms if found else None


def best_dtypes_sentence(summary: Summary) -> str:
    """What the best dtypes are, and the winner's speed-ups in them; empty where nothing was measured."""
    best = summary.best_dtype
    if best is None:
        return ""
    told = figures.factor(summary.speedup_best_dtype), figures.factor(summary.speedup_both_best_dtype)
    return (
        f"Best dtype: the winner by TVM in {best.winner} is {told[0]} as fast as BERT-base on TFLite in float32, {told[1]} with that at its best too "
        f"({best.bert_base}); at most {best.tolerance:g} of the score below float32 is allowed."
    )
