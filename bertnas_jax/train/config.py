"""The knobs of one training run."""

from __future__ import annotations

import dataclasses

from bertnas_jax.knobs import check_knobs, knob


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Optimizer, length and losses of a run; AdamW with a linear warm-up and a linear decay to 0.

    Raises:
      ValueError: a value is out of its bounds.
    """

    epochs: float = knob(1.0, "Passes over the training split; a fraction is a shorter run.", lower=0.01, upper=1000)
    learning_rate: float = knob(1e-4, "Peak learning rate of AdamW.", lower=1e-8, upper=1.0)
    warmup_share: float = knob(0.1, "Share of the steps over which the learning rate rises from 0.", lower=0.0, upper=0.9)
    weight_decay: float = knob(0.01, "Decoupled weight decay of matrices (not of biases and LayerNorms).", lower=0.0, upper=1.0)
    clip_norm: float = knob(1.0, "Largest global norm of a gradient; larger ones are scaled down.", lower=1e-6)
    temperature: float = knob(2.0, "Softens the teacher's and the student's probabilities in distillation.", lower=0.1, upper=100)
    label_weight: float = knob(0.5, "Weight of the labels' loss; the teacher's has the rest. 1 without a teacher.", lower=0.0, upper=1.0)

    def __post_init__(self):
        check_knobs(self)
