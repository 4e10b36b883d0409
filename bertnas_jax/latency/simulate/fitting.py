"""Least squares on log latency with priors: what both calibrations are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from bertnas_jax.latency.simulate.constants import priors

_MAX_EVALUATIONS, _TOLERANCE = 80, 1e-4

Fields = tuple[dict[str, float], list[dict[str, float]]]
Fit = TypeVar("Fit")


@dataclasses.dataclass(frozen=True)
class Kinds:
    """What a fit is made of: `fit(constants, deviations by key)` of one `shared` and an `own` a key."""

    fit: Callable[[object, Mapping], object]
    shared: type
    own: type


def fit_table(
    kinds: Kinds,
    keys: Sequence[Hashable],
    predict: Callable[[Fit], Float[np.ndarray, " r"]],
    measured: Float[np.ndarray, " r"],
    log_noise: float,
) -> Fit:
    """The fit with which `predict` is nearest to what was measured (`fit_with_priors`).

    Raises:
      ValueError: there is no row.
    """

    def made(constants: dict[str, float], deviations: list[dict[str, float]]) -> Fit:
        own = {key: kinds.own(**fields) for key, fields in zip(keys, deviations, strict=True)}
        return kinds.fit(kinds.shared(**constants), own)

    return made(*fit_with_priors(kinds.shared, kinds.own, len(keys), lambda *fields: predict(made(*fields)), measured, log_noise))


def fit_with_priors(
    shared: type,
    own: type,
    groups: int,
    predict: Callable[[dict[str, float], list[dict[str, float]]], Float[np.ndarray, " r"]],
    measured: Float[np.ndarray, " r"],
    log_noise: float,
) -> Fields:
    """The fields of `shared` and, a group each, those of `own` with which `predict` is nearest to what was measured.

    A parameter that the rows say nothing about stays what its prior says. `log_noise` is the believed
    error of a row that nothing disturbed; rows further off count linearly and not squared.

    Raises:
      ValueError: there is no row.
    """
    if not len(measured):
        raise ValueError("a calibration must have rows to fit, got none; give a file of measurements")
    first, second = priors(shared), priors(own)
    believed = np.log([prior.mean for prior in first.values()])
    spread = np.array([prior.log_sd for prior in first.values()] + [prior.log_sd for prior in second.values()] * groups)
    target = np.log(measured)

    def fields_of(moves: Float[np.ndarray, " p"]) -> Fields:
        moved = moves * spread
        constants = dict(zip(first, map(float, np.exp(believed + moved[: len(first)])), strict=True))
        rest = moved[len(first) :].reshape(groups, len(second))
        return constants, [dict(zip(second, map(float, values), strict=True)) for values in rest]

    def residuals(moves: Float[np.ndarray, " p"]) -> Float[np.ndarray, " n"]:
        return np.concatenate([_robust((np.log(predict(*fields_of(moves))) - target) / log_noise), moves])

    # Matrices this small lose by threads, and on cores that are taken they lose a hundredfold.
    with threadpool_limits(1):
        found = least_squares(residuals, np.zeros(len(spread)), max_nfev=_MAX_EVALUATIONS, ftol=_TOLERANCE, xtol=_TOLERANCE)
    return fields_of(found.x)


def _robust(errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Errors whose squares grow like |error| once they are large (the soft L1 loss)."""
    return np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))


