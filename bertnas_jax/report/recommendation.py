"""What to do with the result, in one sentence."""

from __future__ import annotations

from bertnas_jax.report import figures
from bertnas_jax.report.labels import runtime_label
from bertnas_jax.report.summary import Summary


def recommend(summary: Summary) -> str:
    """To use the winner if it meets the budget, not to use it if it does not, and why."""
    return _use(summary) if summary.winner.compliant else _do_not_use(summary)


def _use(summary: Summary) -> str:
    speedup = f"{figures.factor(summary.speedup_vs_tflite_bert_base)} as fast as BERT-base on TFLite"
    return (
        f"Use the {summary.subnet.depth}-block sub-network: {_scores(summary)}, {_cost(summary)}, {speedup}; "
        f"it meets the budget of {_limit(summary)} ({_evidence(summary)})."
    )


def _do_not_use(summary: Summary) -> str:
    over = _over_budget(summary)
    miss = f" by {100 * over:.1f} %" if over > 0 else ", as its median is under it by less than the margin for noise"
    return (
        f"Do not use the {summary.subnet.depth}-block sub-network for this budget: {_cost(summary)}, "
        f"it misses the budget of {_limit(summary)}{miss} ({_evidence(summary)}), at {_scores(summary)}; "
        "allow more latency or widen the search space towards smaller nets."
    )


def _limit(summary: Summary) -> str:
    """The budget as it was asked for: a factor is judged by the ratio in each round, in which the machine's speed cancels."""
    factor = summary.budget.speedup_over_bert_base
    return f"{figures.milliseconds(summary.budget.latency_ms)} ms" if factor is None else f"{figures.factor(factor)} BERT-base"


def _over_budget(summary: Summary) -> float:
    """By what share the winner is slower than the budget allows."""
    factor = summary.budget.speedup_over_bert_base
    if factor is not None:
        return factor / summary.speedup_vs_tflite_bert_base - 1
    return summary.winner_latency.median_ms / summary.budget.latency_ms - 1


def _scores(summary: Summary) -> str:
    winner, teacher = summary.winner, summary.teacher
    label = figures.metric_style(winner.metric).label
    return f"{figures.score(winner.metric, winner.value)} {label} (teacher {figures.score(teacher.metric, teacher.value)})"


def _cost(summary: Summary) -> str:
    budget, latency = summary.budget, summary.winner_latency
    threads = figures.plural(budget.threads, "thread")
    return f"{figures.milliseconds(latency.median_ms)} ms on {budget.device} by {runtime_label(budget.runtime)} with {threads}"


def _evidence(summary: Summary) -> str:
    evidence = summary.winner.evidence
    return evidence if evidence == "measured" else f"{evidence}, not measured"
