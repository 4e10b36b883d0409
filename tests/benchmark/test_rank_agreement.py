import numpy as np
import pytest

from bertnas_jax.benchmark.rank_agreement import rank_agreement, repeatability


def pairs_in_order(scores, truth):
    """Kendall's tau-b by its definition, pair by pair."""
    n, agree, ties_a, ties_b = len(scores), 0.0, 0, 0
    for i in range(n):
        for j in range(i):
            a, b = np.sign(scores[i] - scores[j]), np.sign(truth[i] - truth[j])
            agree, ties_a, ties_b = agree + a * b, ties_a + (a == 0), ties_b + (b == 0)
    pairs = n * (n - 1) / 2
    return agree / np.sqrt((pairs - ties_a) * (pairs - ties_b))


def test_tau_is_its_definition_with_ties():
    scores, truth = np.asarray([1, 2, 2, 4, 5, 3]), np.asarray([2, 1, 3, 3, 6, 5])
    found = rank_agreement(scores, truth, resamples=50)
    assert found.kendall_tau == pytest.approx(pairs_in_order(scores, truth))


def test_the_same_order_agrees_wholly_and_the_reverse_not_at_all():
    scores = np.arange(8.0)
    same, reverse = rank_agreement(scores, np.exp(scores), resamples=50), rank_agreement(scores, -scores, resamples=50)
    assert (same.kendall_tau, same.spearman) == pytest.approx((1.0, 1.0))
    assert (reverse.kendall_tau, reverse.spearman) == pytest.approx((-1.0, -1.0))
    assert same.kendall_tau_interval == pytest.approx((1.0, 1.0))


def test_the_interval_holds_the_value_narrows_with_pairs_and_is_fixed_by_the_seed():
    rng = np.random.default_rng(0)
    widths = []
    for size in (12, 120):
        truth = rng.normal(size=size)
        scores = truth + 0.5 * rng.normal(size=size)
        found = rank_agreement(scores, truth, resamples=300, seed=3)
        assert found == rank_agreement(scores, truth, resamples=300, seed=3)
        for value, (low, high) in ((found.kendall_tau, found.kendall_tau_interval), (found.spearman, found.spearman_interval)):
            assert low < value < high
        widths.append(found.kendall_tau_interval[1] - found.kendall_tau_interval[0])
    assert widths[1] < widths[0]


def test_what_has_no_order_is_refused():
    with pytest.raises(ValueError, match="at least 3 pairs, got 2"):
        rank_agreement(np.arange(2.0), np.arange(2.0))
    with pytest.raises(ValueError, match="truth must differ to be ranked, got 1.0 for all 4"):
        rank_agreement(np.arange(4.0), np.ones(4))


def test_the_spread_of_a_measurement_is_found_and_bounds_what_order_there_is():
    """Of 4,000 pairs the deviation is known to 1.1 % (one standard error): 5 % are over four."""
    rng = np.random.default_rng(1)
    truth = np.exp(rng.uniform(0, 2, 4000))
    first, second, third = (truth * np.exp(rng.normal(0, 0.05, len(truth))) for _ in range(3))
    found = repeatability(first, second, truth[:300], draws=50)
    assert found.log_deviation == pytest.approx(0.05, rel=0.05) and found.pairs == 4000
    assert found.kendall_tau_of_truth == pytest.approx(pairs_in_order(truth[:300], third[:300]), abs=0.02)
    assert repeatability(first, first, truth[:300]).kendall_tau_of_truth == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least 3 pairs, got 2"):
        repeatability(first[:2], second[:2], truth)
