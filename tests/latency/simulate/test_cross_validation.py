import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.latency.simulate import HeldOut, hold_out

ROWS = [("a", 1.0), ("a", 2.0), ("b", 4.0), ("c", 8.0)]


def test_no_row_of_a_group_is_in_the_fit_that_predicts_it():
    fits = []

    def fit(rows):
        fits.append({name for name, _ in rows})
        return np.mean([value for _, value in rows])

    held = hold_out("names", ROWS, lambda row: row[0], fit, lambda mean, rows: (np.full(len(rows), mean), np.array([v for _, v in rows])))
    assert fits == [{"b", "c"}, {"a", "c"}, {"a", "b"}]
    assert held.predicted == pytest.approx((6, 6, 11 / 3, 7 / 3)) and held.measured == (1, 2, 4, 8)


def test_one_group_cannot_be_left_out():
    with pytest.raises(ValueError, match="two groups"):
        hold_out("names", ROWS[:2], lambda row: row[0], len, lambda fit, rows: (np.ones(2), np.ones(2)))


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=20, max_size=60))
def test_an_interval_holds_its_share_of_the_residuals(errors):
    groups = tuple("ab"[i % 2] for i in range(len(errors)))
    held = HeldOut("any", groups, (1.0,) * len(errors), tuple(map(float, np.exp(errors))))
    assert np.mean(np.abs(errors) <= held.log_half_width() + 1e-12) >= 0.9
    assert np.mean(np.abs(errors) <= held.worst_group_log_half_width() + 1e-12) >= 0.9
