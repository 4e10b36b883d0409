"""A run that goes wrong is told by the step and the Subnet at which it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bertnas_jax.train.step import StepReport


class TrainingDiverged(FloatingPointError):
    """A loss, a gradient or a weight is no longer a finite number."""


def first_bad(reports: Sequence[StepReport], subnets_of: Callable[[int], Sequence[str]], first: int) -> tuple[int, str] | None:
    """The earliest of the steps from number `first` on (counted from 0) that is not finite, and what in it is not; None if all is."""
    for number, report in enumerate(reports, first):
        bad = np.flatnonzero(~np.isfinite(report.losses))
        if bad.size:
            names = subnets_of(number)
            others = f" ({bad.size} of its {len(names)} losses are not finite)" if len(names) > 1 else ""
            return number, f"the loss of {names[bad[0]]} is {report.losses[bad[0]]}{others}"
        if not np.isfinite(report.gradient_norm):
            return number, f"the gradient's norm is {report.gradient_norm}, of finite losses"
    return None


def all_finite(tree: Any) -> bool:
    """True if no array of floating-point numbers holds a NaN or an infinity."""
    return bool(_all_finite([leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]))


@jax.jit
def _all_finite(leaves: list[jax.Array]) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
