"""A Gaussian process from a Subnet's sizes to its accuracy."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from bertnas_jax.space import SearchSpace, Subnet

# What the marginal likelihood chooses among: scales of distance, shares of the linear part, noise, of accuracies of variance 1.
_SCALES, _LINEAR, _NOISE = (0.3, 0.6, 1.2), (0.0, 0.5, 0.9), (0.003, 0.03, 0.3)


def features(subnets: Sequence[Subnet], space: SearchSpace) -> Float[np.ndarray, "subnets sizes"]:
    """Depth, width, mean heads and ffn of the blocks and of each block (0 where there is none), each a share of the space's greatest.

    Mean and single blocks weigh alike, so that the distance of two Subnets is that of what they are
    as a whole and of where they differ.
    """
    most, heads, ffn = space.depths[-1], space.heads[-1], space.ffns[-1]
    rows = np.zeros((len(subnets), 4 + 2 * most))
    for row, subnet in zip(rows, subnets, strict=True):
        blocks = np.array([(layer.heads / heads, layer.ffn / ffn) for layer in subnet.layers])
        row[:4] = subnet.depth / most, subnet.hidden / space.hiddens[-1], *blocks.mean(axis=0)
        row[4 : 4 + 2 * subnet.depth] = blocks.ravel() / math.sqrt(most)
    return rows


@dataclasses.dataclass(frozen=True)
class GaussianProcess:
    """Mean and deviation of accuracy at features, from accuracies at others.

    Kernel: share x linear + (1 - share) x Matern 5/2. Source: Rasmussen and Williams, "Gaussian Processes for Machine
    Learning", 2006, equations 2.25, 2.26 (prediction), 2.30 (likelihood), 4.17 (Matern).
    """

    known: Float[np.ndarray, "n sizes"]
    weights: Float[np.ndarray, " n"]
    inverse: Float[np.ndarray, "n n"]
    kernel: tuple[float, float]
    mean: float
    deviation: float

    @classmethod
    def fit(cls, known: Float[np.ndarray, "n sizes"], accuracies: Float[np.ndarray, " n"]) -> GaussianProcess:
        """The process with the likeliest of a few kernels."""
        mean, deviation = float(accuracies.mean()), float(accuracies.std()) or 1.0
        values = (accuracies - mean) / deviation
        best, best_likelihood = None, -math.inf
        for kernel in itertools.product(_SCALES, _LINEAR):
            spectrum, basis = eigh(_covariance(known, known, kernel))  # once for every noise
            for noise in _NOISE:
                powers = np.maximum(spectrum, 0.0) + noise
                turned = basis.T @ values
                likelihood = -0.5 * np.sum(turned**2 / powers + np.log(powers))
                if likelihood > best_likelihood:
                    inverse = (basis / powers) @ basis.T
                    best, best_likelihood = cls(known, inverse @ values, inverse, kernel, mean, deviation), likelihood
        return best

    def predict(self, wanted: Float[np.ndarray, "m sizes"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Mean and deviation of the accuracy, without the noise of an evaluation."""
        cross = _covariance(wanted, self.known, self.kernel)
        explained = np.sum((cross @ self.inverse) * cross, axis=1)
        _, linear = self.kernel
        own = linear * (1 + (wanted**2).sum(axis=1)) + 1 - linear
        deviation = np.sqrt(np.maximum(own - explained, 1e-10))
        return self.mean + self.deviation * (cross @ self.weights), self.deviation * deviation


def _covariance(a: Float[np.ndarray, "a sizes"], b: Float[np.ndarray, "b sizes"], kernel: tuple[float, float]) -> Float[np.ndarray, "a b"]:
    scale, linear = kernel
    distance = math.sqrt(5) * cdist(a, b) / scale
    matern = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return linear * (1 + a @ b.T) + (1 - linear) * matern
