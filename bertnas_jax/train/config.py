"""The knobs of one training run."""

from __future__ import annotations

import dataclasses

from bertnas_jax.knobs import check_knobs, knob

DISTILL_FROM = ("teacher", "largest")


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
    compute_dtype: str = knob(
        "float32", "Type of activations and their products; weights, gradients and the optimizer stay float32.", choices=("float32", "bfloat16")
    )
    temperature: float = knob(2.0, "Softens the teacher's and the student's probabilities in distillation.", lower=0.1, upper=100)
    label_weight: float = knob(0.5, "Weight of the labels' loss; the teacher's has the rest. 1 without a teacher.", lower=0.0, upper=1.0)
    checkpoint_seconds: float = knob(60.0, "Seconds between checkpoints, which say nothing of the result.", lower=0.0)

    def __post_init__(self):
        check_knobs(self)


@dataclasses.dataclass(frozen=True)
class SupernetTrainConfig(TrainConfig):
    """The knobs of training shared weights: what every Subnet of a step learns from.

    The loss is output_weight * (label_weight * labels + (1 - label_weight) * soft labels)
    + hidden_weight * hidden states + attention_weight * query-key relations + value_weight * value relations.
    With output_weight 0 it needs neither labels nor a tuned teacher: any text, and the checkpoint to be like.

    Raises:
      ValueError: a value is out of its bounds, every weight is 0, or distill_from has nothing to distil.
    """

    output_weight: float = knob(1.0, "Weight of the losses of the logits; 0 trains on text without labels.", lower=0.0, upper=1e6)
    hidden_weight: float = knob(0.0, "Weight of the squared error of hidden states to the fixed teacher's.", lower=0.0, upper=1e6)
    attention_weight: float = knob(0.0, "Weight of the last block's query-key relations to the fixed teacher's.", lower=0.0, upper=1e6)
    value_weight: float = knob(0.0, "Weight of the last block's value-value relations to the fixed teacher's.", lower=0.0, upper=1e6)
    # 16 divides heads of 32 and of 64 channels, and so any number of them.
    relation_heads: int = knob(16, "Parts that queries, keys and values are split into for relations.", lower=1)
    distill_from: str = knob(
        "teacher", "Whose logits are the soft labels: the tuned teacher's, or the largest subnet's of the same step.", choices=DISTILL_FROM
    )

    def __post_init__(self):
        super().__post_init__()
        if not any((self.output_weight, self.hidden_weight, self.attention_weight, self.value_weight)):
            raise ValueError(
                "at least one of output_weight, hidden_weight, attention_weight and value_weight must be positive, got 0 for all; give one"
            )
        if self.distill_from == "largest" and (self.output_weight == 0 or self.label_weight == 1):
            raise ValueError(
                f"distill_from='largest' must have soft labels to learn, got output_weight={self.output_weight} and "
                f"label_weight={self.label_weight}; make the first positive and the second less than 1"
            )

    @property
    def needs_relations(self) -> bool:
        """True if the loss compares relations."""
        return self.attention_weight > 0 or self.value_weight > 0

    @property
    def needs_soft_labels(self) -> bool:
        """True if the loss reads the tuned teacher's logits."""
        return self.output_weight > 0 and self.label_weight < 1 and self.distill_from == "teacher"
