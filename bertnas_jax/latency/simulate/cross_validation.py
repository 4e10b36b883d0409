"""Predictions of rows by fits that never saw their group, and how far off they are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Row = TypeVar("Row")
Fit = TypeVar("Fit")

COVERAGE = 0.9  # share of rows an interval shall hold


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Every row's measured latency beside its prediction by a fit without its group, in the rows' unit."""

    split: str
    groups: tuple[str, ...]
    measured: tuple[float, ...]
    predicted: tuple[float, ...]

    @property
    def errors(self) -> Float[np.ndarray, " r"]:
        """predicted / measured - 1."""
        return np.divide(self.predicted, self.measured) - 1.0

    def figures(self, group: str | None = None) -> dict[str, float]:
        """Errors and rank agreement, of all rows or of one group."""
        from scipy import stats  # which takes a second to load

        chosen = np.array([group in (None, name) for name in self.groups])
        errors = np.abs(self.errors[chosen])
        rho = stats.spearmanr(np.array(self.predicted)[chosen], np.array(self.measured)[chosen]).statistic
        return {
            "rows": int(chosen.sum()),
            "mape": float(errors.mean()),
            "median_error": float(np.median(errors)),
            "largest_error": float(errors.max()),
            "bias": float(self.errors[chosen].mean()),
            "spearman": float(rho),
        }

    def log_half_width(self, coverage: float = COVERAGE) -> float:
        """Half the width, in log latency, that holds this share of further rows of groups like these.

        Source: split conformal prediction, the ceil((n + 1) coverage)-th smallest absolute residual
        (J. Lei et al., JASA 113, 2018). It holds for rows exchangeable with these.

        Raises:
          ValueError: there are too few rows for the coverage.
        """
        return _conformal(self._log_errors(), coverage)

    def worst_group_log_half_width(self, coverage: float = COVERAGE) -> float:
        """The widest of the groups' own: for a further group that may be like the worst of these few.

        Of g groups a further one is worse than all with a probability of 1 / (g + 1).
        """
        residuals, groups = self._log_errors(), np.array(self.groups)
        return max(_conformal(residuals[groups == group], coverage) for group in set(self.groups))

    def _log_errors(self) -> Float[np.ndarray, " r"]:
        return np.abs(np.log(np.divide(self.predicted, self.measured)))


def _conformal(residuals: Float[np.ndarray, " r"], coverage: float) -> float:
    rank = math.ceil((len(residuals) + 1) * coverage)
    if rank > len(residuals):
        raise ValueError(f"rows must be enough for a coverage of {coverage}, got {len(residuals)}; lower it or measure more")
    return float(np.sort(residuals)[rank - 1])


def hold_out(
    split: str,
    rows: Sequence[Row],
    group_of: Callable[[Row], str],
    fit: Callable[[Sequence[Row]], Fit],
    predict: Callable[[Fit, Sequence[Row]], tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]],
    progress: Callable[[str], None] = lambda group: None,
) -> HeldOut:
    """Each group predicted by a fit of all others; `predict` returns predicted and measured latencies.

    Raises:
      ValueError: there are fewer than two groups.
    """
    groups = [group_of(row) for row in rows]
    if len(set(groups)) < 2:
        raise ValueError(f"rows must be of two groups at least to leave one out, got {sorted(set(groups))}; give more data")
    measured, predicted = np.zeros(len(rows)), np.zeros(len(rows))
    for group in sorted(set(groups)):
        progress(f"{split}: {group}")
        held = [i for i, name in enumerate(groups) if name == group]
        found = fit([row for row, name in zip(rows, groups, strict=True) if name != group])
        predicted[held], measured[held] = predict(found, [rows[i] for i in held])
    return HeldOut(split, tuple(groups), tuple(map(float, measured)), tuple(map(float, predicted)))
