"""The area that a front of accuracy and latency covers: one number for how good a whole front is."""

from __future__ import annotations

from collections.abc import Iterable

from bertnas_jax.search.evaluated import Evaluated, pareto_front


def hypervolume(evaluated: Iterable[Evaluated], floor: float, budget_ms: float) -> float:
    """Accuracy x ms dominated by these above the floor and below the budget; 0 if there are none such.

    Source: Zitzler and Thiele 1998, "Multiobjective optimization using evolutionary algorithms", section 4.
    """
    front = [one for one in pareto_front(evaluated) if one.accuracy > floor and one.latency_ms < budget_ms]
    ends_ms = [*(one.latency_ms for one in front[1:]), budget_ms]
    return sum((one.accuracy - floor) * (end_ms - one.latency_ms) for one, end_ms in zip(front, ends_ms, strict=False))


def hypervolume_history(evaluated: Iterable[Evaluated], floor: float, budget_ms: float) -> list[float]:
    """The hypervolume after each evaluation."""
    front: list[Evaluated] = []
    history: list[float] = []
    for one in evaluated:
        if not any(other.dominates(one) for other in front):
            front = pareto_front([*front, one])
        history.append(hypervolume(front, floor, budget_ms))
    return history
