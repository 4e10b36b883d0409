"""What to do with the result, in one sentence."""

from __future__ import annotations

from bertnas_jax.report import figures
from bertnas_jax.report.budget import Limit
from bertnas_jax.report.labels import backend_label, runtime_label
from bertnas_jax.report.summary import Summary


def recommend(summary: Summary) -> str:
    """To use the winner if it meets the budget, not to use it if it does not, and why."""
    return _use(summary) if summary.winner.compliant else _do_not_use(summary)


def _use(summary: Summary) -> str:
    speedup = f"{figures.factor(summary.speedup_vs_tflite_bert_base)} as fast as BERT-base on TFLite"
    return (
        f"Use the {summary.subnet.depth}-block sub-network: {_scores(summary)}, {_cost(summary.budget.first)}, {speedup}; "
        f"it meets {_budget(summary)} ({_evidence(summary)})."
    )


def _do_not_use(summary: Summary) -> str:
    costs = [f"{_cost(limit)}, it misses {_asked(limit)}{_miss(limit)}" for limit in summary.budget.limits if not limit.compliant]
    sizes = [f"{size.value:,.6g} {size.unit} of at most {size.most:,.6g}" for size in summary.budget.sizes if not size.compliant]
    return (
        f"Do not use the {summary.subnet.depth}-block sub-network for this budget: {'; '.join([*costs, *sizes]) or _cost(summary.budget.first)} "
        f"({_evidence(summary)}), at {_scores(summary)}; "
        "allow more latency or widen the search space towards smaller nets."
    )


def _budget(summary: Summary) -> str:
    budget = summary.budget
    return _asked(budget.first) if budget.count == 1 else f"all {budget.count} limits of the budget"


def _asked(limit: Limit) -> str:
    """The limit as it was asked for: a factor is judged by the ratio in each round, in which the machine's speed cancels."""
    if limit.energy_mj is not None:
        return f"the budget of {figures.millijoules(limit.energy_mj)}"
    factor = limit.speedup_over_bert_base
    return f"the budget of {f'{figures.milliseconds(limit.latency_ms)} ms' if factor is None else f'{figures.factor(factor)} BERT-base'}"


def _miss(limit: Limit) -> str:
    """By how much a limit is missed: by the median, or by what surrounds it alone."""
    factor = limit.speedup_over_bert_base
    over = limit.winner_ms / limit.latency_ms if factor is None else factor / limit.speedup_vs_tflite_bert_base
    if over > 1:
        return f" by {100 * (over - 1):.1f} %"
    return ", as its median is under it by less than the margin " + ("for noise" if limit.evidence == "measured" else "of the simulation")


def _scores(summary: Summary) -> str:
    winner, teacher = summary.winner, summary.teacher
    label = figures.metric_style(winner.metric).label
    return f"{figures.score(winner.metric, winner.value)} {label} (teacher {figures.score(teacher.metric, teacher.value)})"


def _cost(limit: Limit) -> str:
    threads = figures.plural(limit.threads, "thread")
    runtime = backend_label(limit) if limit.evidence == "measured" else runtime_label(limit.runtime)
    cost = f"{figures.milliseconds(limit.winner_ms)} ms on {limit.where} by {runtime}"
    if limit.evidence == "measured":
        return f"{cost} with {threads}"
    energy = "" if limit.winner_mj is None else f", some {figures.millijoules(limit.winner_mj)}"
    return f"{cost} (simulated, {figures.interval(limit.low_ms, limit.high_ms)}{energy})"


def _evidence(summary: Summary) -> str:
    """What compliance rests on."""
    known = {limit.evidence for limit in summary.budget.limits}
    if known == {"measured"}:
        return "measured"
    return "simulated, not measured" if known == {"simulated"} else "measured on this machine, simulated elsewhere"
