"""Every knob of `python -m bertnas_jax.search`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.flags import nested
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.supernet_config import SupernetConfig


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What the winner may cost, and where.

    Raises:
      ValueError: both limits are given, or a value is out of its bounds.
    """

    device: str = knob("host", "Where the latency counts; 'host' is this machine.", choices=("host",))
    runtime: str = knob("tvm", "The runtime the budget is for; the winner is measured on TensorFlow Lite too.", choices=("tvm",))
    threads: int = knob(1, "Cores the model may use.", lower=1, upper=256)
    seq_len: int = knob(64, "Tokens of the deployed model's input; shorter sentences are padded.", lower=8, upper=512)
    latency_ms: float = knob(0.0, "The budget in ms for one sentence; 0 if it is given as a speed-up.", lower=0.0, upper=1e6)
    speedup_over_bert_base: float = knob(
        0.0, "The budget as a factor over BERT-base on TFLite, same device, threads, length and float32; 0 if in ms.", lower=0.0, upper=1e6
    )
    margin: float = knob(0.05, "Finalists must be this share under the budget, so that noise does not decide.", lower=0.0, upper=0.5)

    def __post_init__(self):
        check_knobs(self)
        if self.latency_ms > 0 and self.speedup_over_bert_base > 0:
            raise ValueError(
                f"only one of latency_ms and speedup_over_bert_base must be above 0, got {self.latency_ms} and "
                f"{self.speedup_over_bert_base}; leave one of them out"
            )

    @property
    def is_given(self) -> bool:
        return self.latency_ms > 0 or self.speedup_over_bert_base > 0


SAMPLERS = ("controller", "nsga2", "evolution", "predictor", "random", "uniform")


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """How the space is searched."""

    sampler: str = knob(
        "nsga2",
        "What proposes Subnets: a recurrent controller (arXiv 2009.06823), NSGA-II, regularised evolution, a Gaussian process of the "
        "accuracy, chance, or nets of equal blocks alone.",
        choices=SAMPLERS,
    )
    evaluations: int = knob(64, "Subnets whose accuracy is evaluated.", lower=1, upper=1_000_000)
    population: int = knob(16, "Population of nsga2 and evolution.", lower=2, upper=10_000)
    dev_subset: int = knob(512, "Dev examples an evaluation uses; the finalists are scored on all of them.", lower=1)
    finalists: int = knob(3, "Best subnets that are scored on the whole dev split, built and measured.", lower=1, upper=100)

    def __post_init__(self):
        check_knobs(self)


@dataclasses.dataclass(frozen=True)
class SearchConfig(SupernetConfig):
    """The main job: from a checkpoint, a task and a budget to an exported winner."""

    measure_rounds: int = knob(30, "Rounds of the final interleaved measurement.", lower=5, upper=10_000)
    budget: BudgetConfig = nested(BudgetConfig, flat=True)
    sampler: SamplerConfig = nested(SamplerConfig, flat=True)
    winner: TrainConfig = nested(TrainConfig)

    def __post_init__(self):
        super().__post_init__()
        if self.task.is_text:
            raise ValueError(
                f"task must have labels to search by, got {self.task.task!r}; train on it by python -m bertnas_jax.train and search "
                "with the encoder it writes as --checkpoint"
            )
        if self.budget.seq_len < self.max_length:
            raise ValueError(
                f"seq_len must be at least max_length, got seq_len={self.budget.seq_len}, max_length={self.max_length}; "
                "the deployed model must take every sentence it was scored on"
            )
