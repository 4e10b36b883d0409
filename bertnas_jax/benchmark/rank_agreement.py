"""How far one score puts Subnets in the order of another, with intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy import stats

CONFIDENCE = 0.95
MIN_PAIRS = 3  # fewer have an order, but no spread to resample


@dataclasses.dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b and Spearman's rho of two scores, each with its bootstrap interval (low, high).

    Source: scipy.stats.kendalltau and spearmanr; the percentile bootstrap over Subnets is Efron 1979.
    """

    kendall_tau: float
    kendall_tau_interval: tuple[float, float]
    spearman: float
    spearman_interval: tuple[float, float]


def rank_agreement(
    scores: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"], resamples: int = 2000, seed: int = 0
) -> RankAgreement:
    """The agreement over pairs; both measures are corrected for ties.

    Raises:
      ValueError: there are fewer than 3 pairs, or all of one score are the same.
    """
    scores, truth = np.asarray(scores, np.float64), np.asarray(truth, np.float64)
    if scores.shape != truth.shape or len(scores) < MIN_PAIRS:
        raise ValueError(
            f"ranks must be compared over at least {MIN_PAIRS} pairs, got {len(scores)} and {len(truth)} scores; train more subnets"
        )
    for name, values in (("scores", scores), ("truth", truth)):
        if np.ptp(values) == 0:
            raise ValueError(
                f"{name} must differ to be ranked, got {values[0]} for all {len(values)}; train longer, or score on more examples"
            )
    rng = np.random.default_rng(seed)
    samples = [_both(scores[rows], truth[rows]) for rows in rng.integers(0, len(scores), (resamples, len(scores)))]
    tau, rho = _both(scores, truth)
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile([sample for sample in samples if sample is not None], [tail, 100.0 - tail], axis=0)
    return RankAgreement(tau, (float(low[0]), float(high[0])), rho, (float(low[1]), float(high[1])))


def _both(scores: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"]) -> tuple[float, float] | None:
    """tau and rho; None for a resample in which a score does not vary: no order, nothing to agree on."""
    if np.ptp(scores) == 0 or np.ptp(truth) == 0:
        return None
    return float(stats.kendalltau(scores, truth).statistic), float(stats.spearmanr(scores, truth).statistic)
