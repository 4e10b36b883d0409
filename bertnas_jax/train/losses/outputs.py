"""Losses of the logits: against labels, against a teacher's logits, and both."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Num

from bertnas_jax.train.losses.mean import weighted_mean

Logits = Float[Array, "B C"]
Weight = Float[Array, " B"]


def label_loss(logits: Logits, labels: Num[Array, " B"], weight: Weight, regression: bool) -> Float[Array, ""]:
    """Cross-entropy of the labels, or for a regression the squared error of the one output."""
    if regression:
        return weighted_mean(jnp.square(logits[:, 0] - labels), weight)
    return weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels), weight)


def distillation_loss(logits: Logits, teacher: Logits, weight: Weight, regression: bool, temperature: float) -> Float[Array, ""]:
    """Cross-entropy to the teacher's softened probabilities, times T^2, or the squared error to its output.

    Source: Hinton, Vinyals and Dean 2015, arXiv 1503.02531, section 2 (T^2 keeps the gradient's scale).
    """
    if regression:
        return weighted_mean(jnp.square(logits - teacher)[:, 0], weight)
    soft = jax.nn.softmax(teacher / temperature, axis=-1)
    return temperature**2 * weighted_mean(optax.softmax_cross_entropy(logits / temperature, soft), weight)


def combined_loss(
    logits: Logits, labels: Num[Array, " B"], teacher: Logits, weight: Weight, regression: bool, temperature: float, label_weight: float
) -> Float[Array, ""]:
    """`label_weight` of the label loss and the rest of the distillation loss."""
    hard = label_loss(logits, labels, weight, regression)
    soft = distillation_loss(logits, teacher, weight, regression, temperature)
    return label_weight * hard + (1.0 - label_weight) * soft
