"""What to do with the result, in one sentence."""

from __future__ import annotations

from bertnas_jax.report import figures
from bertnas_jax.report.budget import Limit, Place
from bertnas_jax.report.labels import backend_label, runtime_label
from bertnas_jax.report.summary import Summary


def recommend(summary: Summary) -> str:
    """To use the winner if it meets the budget, not to use it if it does not, and why."""
    return _use(summary) if summary.winner.compliant else _do_not_use(summary)


def _use(summary: Summary) -> str:
    speedup = f"{figures.factor(summary.speedup_vs_tflite_bert_base)} as fast as BERT-base on TFLite"
    return (
        f"Use the {summary.subnet.depth}-block sub-network: {_scores(summary)}, {_first_cost(summary)}, {speedup}; "
        f"it meets {_budget(summary)} ({_evidence(summary)})."
    )


def _do_not_use(summary: Summary) -> str:
    costs = [f"{_cost(limit)}, it misses {_asked(limit)}{_miss(limit)}" for limit in summary.budget.limits if not limit.compliant]
    sizes = [f"{size.value:,.10g} {size.unit} of at most {size.most:,.10g}" for size in summary.budget.sizes if not size.compliant]
    return (
        f"Do not use the {summary.subnet.depth}-block sub-network for this budget: {'; '.join([*costs, *sizes]) or _first_cost(summary)} "
        f"({_evidence(summary)}), at {_scores(summary)}; "
        f"allow more{' latency' if summary.budget.limits else ''} or widen the search space towards smaller nets."
    )


def _budget(summary: Summary) -> str:
    budget = summary.budget
    if budget.count > 1:
        return f"all {budget.count} limits of the budget"
    return _asked(budget.limits[0]) if budget.limits else f"the budget of {budget.sizes[0].allowed}"


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


def _first_cost(summary: Summary) -> str:
    """The winner's latency at the budget's place."""
    if summary.budget.limits:
        return _cost(summary.budget.limits[0])
    return _measured(summary.budget.place, summary.winner_latency.median_ms)


def _measured(place: Place, winner_ms: float) -> str:
    return f"{figures.milliseconds(winner_ms)} ms on {place.where} by {backend_label(place)} with {figures.plural(place.threads, 'thread')}"


def _cost(limit: Limit) -> str:
    if limit.evidence == "measured":
        return _measured(limit, limit.winner_ms)
    energy = "" if limit.winner_mj is None else f", some {figures.millijoules(limit.winner_mj)}"
    cost = f"{figures.milliseconds(limit.winner_ms)} ms on {limit.where} by {runtime_label(limit.runtime)}"
    return f"{cost} (simulated, {figures.interval(limit.low_ms, limit.high_ms)}{energy})"


def _evidence(summary: Summary) -> str:
    """What compliance rests on."""
    known = {limit.evidence for limit in summary.budget.limits}
    if len(known) > 1:
        return "measured on this machine, simulated elsewhere"
    return "simulated, not measured" if known == {"simulated"} else summary.budget.evidence
