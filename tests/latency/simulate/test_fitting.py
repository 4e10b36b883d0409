import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from bertnas_jax.latency.simulate.constants import Value, free
from bertnas_jax.latency.simulate.fitting import Keyed, Kinds, fit_table

NOISE = 0.05
MOVES = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], bool)  # the last row is of no key
SIZES, MEASURED = np.array([1.0, 2.0, 3.0, 5.0, 8.0]), np.array([2.6, 8.0, 14.0, 9.0, 21.0])


@dataclasses.dataclass(frozen=True)
class Shared:
    scale: Value = free(2.0, 0.3)
    power: Value = free(1.0, 0.2)


@dataclasses.dataclass(frozen=True)
class Own:
    factor: Value = free(0.0, 0.4)
    steeper: Value = free(0.0, 0.1)


@dataclasses.dataclass(frozen=True)
class Fit:
    constants: Shared
    deviations: dict


def log_latency(scale, power, factor, steeper):
    return np.log(scale) + MOVES.T @ factor + (power + MOVES.T @ steeper) * np.log(SIZES)


def predict(fit):
    own = [fit.deviations[key] for key in "pqr"]
    factor, steeper = np.array([each.factor for each in own]), np.array([each.steeper for each in own])
    return np.exp(log_latency(fit.constants.scale, fit.constants.power, factor, steeper))


def test_keys_that_share_a_row_are_never_moved_at_once():
    assert Keyed("pqr", MOVES).apart() == [[0, 2], [1]]


def test_the_fit_is_the_least_of_the_whole_loss():
    """By another minimiser, of one number, that knows nothing of which key moves what."""

    def loss(moves):
        scale, power = 2.0 * np.exp(0.3 * moves[0]), np.exp(0.2 * moves[1])
        errors = (log_latency(scale, power, 0.4 * moves[2:5], 0.1 * moves[5:]) - np.log(MEASURED)) / NOISE
        return np.sum(2.0 * (np.sqrt(1.0 + errors**2) - 1.0)) + np.sum(moves**2)

    best = minimize(loss, np.zeros(8), method="BFGS").x
    found = fit_table(Kinds(Fit, Shared, Own), Keyed("pqr", MOVES), predict, MEASURED, NOISE)
    assert np.log([found.constants.scale / 2.0, found.constants.power]) == pytest.approx([0.3, 0.2] * best[:2], abs=2e-3)
    assert [found.deviations[key].factor for key in "pqr"] == pytest.approx(0.4 * best[2:5], abs=2e-3)
    assert [found.deviations[key].steeper for key in "pqr"] == pytest.approx(0.1 * best[5:], abs=2e-3)
    assert np.abs(best).max() > 0.5, "the rows say more than the priors"


def test_no_row_is_no_fit():
    with pytest.raises(ValueError, match="a calibration must have rows to fit, got none"):
        fit_table(Kinds(Fit, Shared, Own), Keyed("pqr", MOVES[:, :0]), predict, MEASURED[:0], NOISE)
