"""Where a figure lies in 90 % of cases: the share of examples that are right, and a latency that was foretold by a price."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

COVERAGE = 0.9
_TAIL = (1 + COVERAGE) / 2  # the quantile of an interval's upper end

Interval = tuple[float, float]


def share_interval(share: float, examples: int) -> Interval:
    """What share of all such examples is right, where `share` of these is.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (158).
    """
    z2 = statistics.NormalDist().inv_cdf(_TAIL) ** 2
    middle = share + z2 / (2 * examples)
    half = math.sqrt(z2 * (share * (1 - share) / examples + z2 / (4 * examples**2)))
    scale = 1 + z2 / examples
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def ratio_interval(ratios: Sequence[float]) -> Interval | None:
    """Where the next ratio lies, from those seen; None of fewer than two, which show no spread.

    Source: the prediction interval of a normal variable of unknown mean and variance (Student's t), of the ratios' logarithms.
    """
    if len(ratios) < 2:
        return None
    logs = [math.log(ratio) for ratio in ratios]
    middle = statistics.fmean(logs)
    half = float(stdtrit(len(logs) - 1, _TAIL)) * statistics.stdev(logs) * math.sqrt(1 + 1 / len(logs))
    return math.exp(middle - half), math.exp(middle + half)
