"""Single facts with their names, in the groups that the page shows together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bertnas_jax.report import figures
from bertnas_jax.report.labels import backend_label
from bertnas_jax.report.results import RunResults
from bertnas_jax.report.summary import Latency, Summary, Winner

Facts = list[tuple[str, str]]


def key_figures(summary: Summary) -> list[tuple[str, str, str]]:
    """Name, value and context of what is asked first."""
    winner, teacher, latency = summary.winner, summary.teacher, summary.winner_latency
    score = figures.score(winner.metric, winner.value)
    limit = f"budget {figures.milliseconds(summary.budget.limits[0].latency_ms)} ms" if summary.budget.limits else "not limited"
    cost = f"{_spread(latency)}, {limit}, {latency.source}"
    return [
        (figures.metric_style(winner.metric).label, score, f"teacher {figures.score(teacher.metric, teacher.value)}"),
        (f"latency, {backend_label(latency)}", f"{figures.milliseconds(latency.median_ms)} ms", cost),
        ("against BERT-base on TFLite", figures.factor(summary.speedup_vs_tflite_bert_base), "times as fast"),
        ("parameters", figures.count(winner.params), f"{100 * winner.params / teacher.params:.0f} % of the teacher's"),
        ("FLOPs (2 x MACs)", figures.count(winner.flops), f"{100 * winner.flops / teacher.flops:.0f} % of the teacher's"),
    ]


def _spread(latency: Latency) -> str:
    """How far a latency reaches: of one that was measured its runs, of another its cases."""
    if latency.source == "simulated":
        return figures.interval(latency.low_ms, latency.high_ms)
    return f"p90 {figures.milliseconds(latency.p90_ms)} ms"


def score_facts(run: RunResults) -> Facts:
    """The winner's score among those that say what it is worth."""
    summary, task, winner = run.summary, run.summary.task, run.summary.winner
    chosen = next(finalist for finalist in run.finalists if finalist.chosen)
    baseline = "none for this task" if task.bag_of_words is None else figures.score(task.metric, task.bag_of_words)
    return [
        ("task", f"{task.name} ({task.kind})"),
        ("metric", figures.metric_style(task.metric).label),
        ("teacher, fine-tuned", figures.score(task.metric, summary.teacher.value)),
        ("winner", figures.score(task.metric, winner.value) + _standard_error(summary)),
        *_float32_fact(summary),
        ("winner before its fine-tuning", figures.score(task.metric, winner.inherited_value)),
        ("winner after it", figures.score(task.metric, winner.tuned_value) + ("" if winner.is_tuned else ": not kept")),
        ("winner by the supernet, all of dev", figures.score(task.metric, chosen.accuracy)),
        ("bag of words, a linear model", baseline),
        ("memory while it runs, compiled", _memory(winner)),
        ("train / dev examples", f"{task.train_examples:,} / {task.dev_examples:,}"),
        ("padding among the tokens", f"{100 * task.pad_share:.1f} %"),
    ]


def _float32_fact(summary: Summary) -> Facts:
    """The winner's score in float32, where the budget is for other numbers."""
    if all(place.dtype == "float32" for place in (summary.budget.place, *summary.budget.limits)):
        return []
    return [("winner in float32", figures.score(summary.task.metric, summary.winner.float32_value))]


def _memory(winner: Winner) -> str:
    weights_mb, arena_mb = winner.weight_bytes / 1e6, winner.arena_bytes / 1e6
    return f"{weights_mb + arena_mb:.2f} MB: weights {weights_mb:.2f}, intermediate results {arena_mb:.2f}"


def _standard_error(summary: Summary) -> str:
    """The binomial standard error of an accuracy over the dev examples; nothing for other metrics."""
    if summary.winner.metric != "accuracy":
        return ""
    value = summary.winner.value
    return f", standard error {100 * math.sqrt(value * (1 - value) / summary.task.dev_examples):.1f}"


def parity_facts(summary: Summary) -> Facts:
    parity = summary.parity
    errors = {"TFLite float32": (parity.tflite_max_abs_err, parity.tflite_rms_err), f"TVM {parity.tvm_dtype}": (parity.tvm_max_abs_err, parity.tvm_rms_err)}
    return [(name, f"{largest:.1e}, root mean square {rms:.1e}") for name, (largest, rms) in errors.items()]


def search_facts(run: RunResults) -> Facts:
    summary, search = run.summary, run.summary.search
    share = f"{search.evaluated:,} of {figures.whole_number(search.space_size)} sub-networks"
    stages = [(f"stage: {stage.name}", figures.duration(stage.wall_s)) for stage in summary.stages]
    whole = figures.duration(sum(stage.wall_s for stage in summary.stages))
    return [
        ("method", search.method),
        ("meet the budget", _survey(summary)),
        ("evaluated", share),
        ("stopped early", _early_stop(summary)),
        ("prices corrected by finalists", _corrections(summary)),
        ("on the front", f"{len(run.front):,}"),
        ("search time", figures.duration(search.wall_s)),
        *stages,
        ("all stages", whole),
    ]


def _survey(summary: Summary) -> str:
    search, survey = summary.search, summary.search.survey
    number = figures.whole_number(round(survey.share * search.space_size))
    by = "all priced" if survey.whole else f"by {survey.priced:,} that were priced"
    return f"{number} of {figures.whole_number(search.space_size)} ({100 * survey.share:.3g} %), {by}"


def _early_stop(summary: Summary) -> str:
    found = summary.search.early_stop
    if not found.stopped:
        return "none"
    return f"{found.stopped:,}: {100 * found.examples_saved / found.examples:.0f} % of the dev examples were saved"


def _corrections(summary: Summary) -> str:
    """By how much, after how many measurements, and what then met the budget."""
    rounds = summary.search.rounds
    told = [
        f"times {after.factor:.3f} after {figures.plural(before.finalists, 'measurement')}, by which {100 * after.share:.3g} % of the space "
        f"meet the budget; {after.evaluations:,} evaluations by then"
        for before, after in zip(rounds, rounds[1:])
    ]
    return "; ".join(told) or "no"


def text_facts(fields: Mapping[str, Any]) -> Facts:
    """Free-form fields as text; a list as its items."""
    return [(str(name).replace("_", " "), _as_text(value)) for name, value in fields.items()]


def _as_text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else "not known" if value is None else str(value)
