"""The optimizer of a run."""

from __future__ import annotations

import jax
import optax

from bertnas_jax.train.config import TrainConfig


def make_schedule(config: TrainConfig, num_steps: int) -> optax.Schedule:
    """The learning rate after so many steps: a linear warm-up and a linear decay to 0.

    Source: the schedule is BERT's (Devlin et al. 2019, arXiv 1810.04805, A.2).
    """
    warmup = round(config.warmup_share * num_steps)
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0 if warmup else config.learning_rate, config.learning_rate, max(warmup, 1)),
            optax.linear_schedule(config.learning_rate, 0.0, max(num_steps - warmup, 1)),
        ],
        [warmup],
    )


def make_optimizer(config: TrainConfig, num_steps: int) -> optax.GradientTransformation:
    """AdamW with clipping over `make_schedule`; decays arrays named kernel or embedding.

    Source: Loshchilov and Hutter 2019, arXiv 1711.05101.
    """
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(make_schedule(config, num_steps), weight_decay=config.weight_decay, mask=_decayed),
    )


def _decayed(parameters):
    def is_matrix(path, _):
        return getattr(path[-1], "key", None) in ("kernel", "embedding")

    return jax.tree_util.tree_map_with_path(is_matrix, parameters)
