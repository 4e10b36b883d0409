"""How far one score puts Subnets in the order of another, with intervals, and how far one that knows the truth would."""

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


@dataclasses.dataclass(frozen=True)
class Repeatability:
    """What is to be had at all of quantities that were measured: of `pairs` measured twice the standard deviation of one measurement's
    logarithm, and the Kendall's tau between the truth and measurements that spread so, the mean of many draws.
    """

    pairs: int
    log_deviation: float
    kendall_tau_of_truth: float


def repeatability(
    first: Float[np.ndarray, " m"], second: Float[np.ndarray, " m"], measured: Float[np.ndarray, " n"], draws: int = 200, seed: int = 0
) -> Repeatability:
    """Of m things measured twice, for n of the kind, whose measurements stand for the truth. Source: two of one spread differ by sqrt(2) times it.

    Raises:
      ValueError: there are fewer than 3 pairs.
    """
    changes = np.log(np.asarray(second, np.float64) / np.asarray(first, np.float64))
    if len(changes) < MIN_PAIRS:
        raise ValueError(f"a spread must be of at least {MIN_PAIRS} pairs, got {len(changes)}; measure more of them twice")
    deviation, rng, truth = float(changes.std(ddof=1)) / 2**0.5, np.random.default_rng(seed), np.log(measured)
    taus = [stats.kendalltau(truth, truth + rng.normal(0.0, deviation, len(truth))).statistic for _ in range(draws)]
    return Repeatability(len(changes), deviation, float(np.mean(taus)))


def _both(scores: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"]) -> tuple[float, float] | None:
    """tau and rho; None for a resample in which a score does not vary: no order, nothing to agree on."""
    if np.ptp(scores) == 0 or np.ptp(truth) == 0:
        return None
    return float(stats.kendalltau(scores, truth).statistic), float(stats.spearmanr(scores, truth).statistic)
