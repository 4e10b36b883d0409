"""Least squares on log latency with priors: what both calibrations are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits

from bertnas_jax.latency.simulate.constants import priors

_MAX_EVALUATIONS, _TOLERANCE = 80, 1e-4
_STEP = np.sqrt(np.finfo(float).eps)  # of a difference that stands for a derivative

Fit = TypeVar("Fit")


@dataclasses.dataclass(frozen=True)
class Kinds:
    """What a fit is made of: `fit(constants, deviations by key)` of one `shared` and an `own` a key."""

    fit: Callable[[object, Mapping], object]
    shared: type
    own: type


@dataclasses.dataclass(frozen=True)
class Keyed:
    """The keys of a fit's deviations, and which rows each of them moves."""

    keys: Sequence[Hashable]
    moves: Bool[np.ndarray, "k r"]

    def apart(self) -> list[list[int]]:
        """The keys in groups in which no two move the same row: all of a group may be moved at once."""
        groups: list[list[int]] = []
        for key, moved in enumerate(self.moves):
            free = (group for group in groups if not (self.moves[group] & moved).any())
            if (group := next(free, None)) is None:
                groups.append(group := [])
            group.append(key)
        return groups


def fit_table(
    kinds: Kinds,
    keyed: Keyed,
    predict: Callable[[Fit], Float[np.ndarray, " r"]],
    measured: Float[np.ndarray, " r"],
    log_noise: float,
) -> Fit:
    """The fit with which `predict` is nearest to what was measured.

    A parameter that the rows say nothing about stays what its prior says. `log_noise` is the believed
    error of a row that nothing disturbed; rows further off count linearly and not squared.

    Raises:
      ValueError: there is no row.
    """
    from scipy.optimize import least_squares  # which takes a second to load

    if not len(measured):
        raise ValueError("a calibration must have rows to fit, got none; give a file of measurements")
    space, target = _Moves(kinds, keyed), np.log(measured)

    def errors(moves: Float[np.ndarray, " p"]) -> Float[np.ndarray, " r"]:
        return _robust((np.log(predict(space.fit(moves))) - target) / log_noise)

    # Matrices this small lose by threads, and on cores that are taken they lose a hundredfold.
    with threadpool_limits(1):
        found = least_squares(
            lambda moves: np.concatenate([errors(moves), moves]),
            np.zeros(len(space.spread)),  # not another fit, which a fit without some rows must know nothing of
            lambda moves: np.concatenate([space.slopes(errors, moves), np.eye(len(moves))]),
            max_nfev=_MAX_EVALUATIONS,
            ftol=_TOLERANCE,
            xtol=_TOLERANCE,
        )
    return space.fit(found.x)


class _Moves:
    """A fit as one vector: how many standard deviations of its prior each parameter is from what is believed."""

    def __init__(self, kinds: Kinds, keyed: Keyed):
        self._kinds, self._keyed = kinds, keyed
        self._shared, self._own = priors(kinds.shared), priors(kinds.own)
        self._believed = np.log([prior.mean for prior in self._shared.values()])
        own = [prior.log_sd for prior in self._own.values()]
        self.spread = np.array([prior.log_sd for prior in self._shared.values()] + own * len(keyed.keys))

    def fit(self, moves: Float[np.ndarray, " p"]) -> Fit:
        """The constants move by their logarithms, the deviations are logarithms."""
        moved, shared = moves * self.spread, len(self._shared)
        constants = dict(zip(self._shared, map(float, np.exp(self._believed + moved[:shared])), strict=True))
        deviations = [dict(zip(self._own, map(float, values), strict=True)) for values in moved[shared:].reshape(-1, len(self._own))]
        own = {key: self._kinds.own(**fields) for key, fields in zip(self._keyed.keys, deviations, strict=True)}
        return self._kinds.fit(self._kinds.shared(**constants), own)

    def slopes(self, errors: Callable[[Float[np.ndarray, " p"]], Float[np.ndarray, " r"]], moves: Float[np.ndarray, " p"]) -> Float[np.ndarray, "r p"]:
        """The Jacobian of `errors` by forward differences, one for all keys that move no row in common."""
        base, steps = errors(moves), _STEP * np.where(moves < 0, -1.0, 1.0) * np.maximum(1.0, np.abs(moves))
        slopes, shared, fields = np.zeros((len(base), len(moves))), len(self._shared), len(self._own)
        columns = [([column], None) for column in range(shared)]
        for group in self._keyed.apart():
            columns += [([shared + key * fields + field for key in group], group) for field in range(fields)]
        for together, group in columns:
            moved = moves.copy()
            moved[together] += steps[together]
            difference = errors(moved) - base
            for i, column in enumerate(together):
                rows = slice(None) if group is None else self._keyed.moves[group[i]]
                slopes[rows, column] = difference[rows] / (moved[column] - moves[column])
        return slopes


def _robust(errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Errors whose squares grow like |error| once they are large (the soft L1 loss)."""
    return np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
