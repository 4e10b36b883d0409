"""The exact gelu, whose gradient evaluates erf again.

Without the barrier XLA's CPU compiler shares one erf between both passes and so writes it to memory and reads it
back. Measured on 6 blocks of 384 channels (32 x 32 tokens, float32, 2 cores of an Intel Xeon, Sapphire Rapids,
2026-11-23; forward and backward, least of 9): 295 ms shared, 286 ms evaluated again.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_HALF_ROOT = 0.5**0.5
_DENSITY_AT_0 = 0.3989422804014327  # 1 / sqrt(2 pi)


@jax.custom_vjp
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x * Phi(x), exact. Source: Hendrycks and Gimpel 2016, arXiv 1606.08415."""
    return 0.5 * x * (1.0 + jax.lax.erf(x * _HALF_ROOT))


def _forward(x):
    return gelu(x), x


def _backward(x, gradient):
    x, gradient = jax.lax.optimization_barrier((x, gradient))
    slope = 0.5 * (1.0 + jax.lax.erf(x * _HALF_ROOT)) + x * (_DENSITY_AT_0 * jnp.exp(-0.5 * x * x))  # Phi + x phi
    return (gradient * slope,)


gelu.defvjp(_forward, _backward)
