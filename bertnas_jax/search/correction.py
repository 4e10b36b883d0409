"""Prices held against what finalists took: one factor, the geometric mean of measured over priced.

A table of kernels knows what each takes in its place in one model; what a whole model adds or saves (caches, threads, a clock that
drops) is common to Subnets of about the same size, as finalists are: they lie so near to each other, at the budget, that nothing
more than a factor can be told from them.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable

from bertnas_jax.search.budget import Budget


def correction(pairs: Iterable[tuple[float, float]]) -> float:
    """What prices are to be multiplied by, from (price, measured latency) in ms of one finalist or more."""
    return math.exp(statistics.fmean(math.log(measured_ms / price_ms) for price_ms, measured_ms in pairs))


def disagree(measured: float, used: float, tolerance: float) -> bool:
    """True if a correction is further from the one that was searched with than the tolerance, a share, up or down."""
    return abs(math.log(measured / used)) > math.log1p(tolerance)


def corrected(budget: Budget, factor: float) -> Budget:
    """The budget with this machine's limit divided by a factor: what prices times the factor must be under.

    The prices stay as they are, so that a study goes on with those it holds.
    """
    latencies = tuple(
        dataclasses.replace(one, cost=dataclasses.replace(one.cost, most=one.cost.most / factor)) if one.limit.place.is_host else one
        for one in budget.latencies
    )
    return dataclasses.replace(budget, latencies=latencies)
