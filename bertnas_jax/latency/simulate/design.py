"""Which Subnets to measure, so that the constants are known best: a Bayesian D-optimal design.

The price itself says how the logarithm of every latency answers to every constant. Those Subnets are chosen, one after
the other, that most increase the determinant of what is known of the constants, priors included: with few measurements
that spends each where the simulator is unsure, which spreading them over the sizes does not.

Source: K. Chaloner, I. Verdinelli, Bayesian experimental design: a review, Statistical Science 10(3), 1995, section 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from bertnas_jax.latency.simulate.calibrate import LOG_NOISE, CpuFit, PhoneTable
from bertnas_jax.latency.simulate.constants import CpuConstants, priors
from bertnas_jax.latency.simulate.phone_rows import PhoneRow

_STEP = 0.05  # of a prior's standard deviation


def sensitivities(rows: Sequence[PhoneRow], constants: type[CpuConstants]) -> Float[np.ndarray, "r p"]:
    """How many standard deviations of the noise a row's log latency moves by one of each constant's prior."""
    table, believed = PhoneTable(rows), {name: prior.mean for name, prior in priors(constants).items()}

    def log_ms(moved: dict[str, float]) -> Float[np.ndarray, " r"]:
        return np.log(table.latency_ms(CpuFit(constants(**(believed | moved)), {})))

    base = log_ms({})
    moves = {name: prior.mean * np.exp(_STEP * prior.log_sd) for name, prior in priors(constants).items()}
    return np.stack([(log_ms({name: value}) - base) / _STEP for name, value in moves.items()], axis=1) / LOG_NOISE


def d_optimal(groups: Sequence[Float[np.ndarray, "k p"]], number: int) -> list[int]:
    """The indices of the groups of rows (those of a Subnet, measured together) to measure, best first.

    Raises:
      ValueError: there are fewer groups.
    """
    if not 1 <= number <= len(groups):
        raise ValueError(f"number must be 1 to the {len(groups)} subnets there are, got {number}; choose fewer")
    known, chosen = np.eye(groups[0].shape[1]), []  # the priors, in their own standard deviations
    for _ in range(number):
        covariance = np.linalg.inv(known)
        gains = [np.linalg.slogdet(np.eye(len(rows)) + rows @ covariance @ rows.T)[1] for rows in groups]
        best = max((i for i in range(len(groups)) if i not in chosen), key=gains.__getitem__)
        chosen.append(best)
        known = known + groups[best].T @ groups[best]
    return chosen
