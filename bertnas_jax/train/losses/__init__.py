"""Outputs of a student and of its teacher, or labels, in; one number for a batch out.

Every loss is a mean that filler rows, and where tokens are compared padding, count for nothing in.
"""

from bertnas_jax.train.losses.hidden import hidden_loss
from bertnas_jax.train.losses.outputs import combined_loss, distillation_loss, label_loss
from bertnas_jax.train.losses.relations import relation_loss

__all__ = ["combined_loss", "distillation_loss", "hidden_loss", "label_loss", "relation_loss"]
