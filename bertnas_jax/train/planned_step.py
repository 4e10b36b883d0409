"""The supernet step that a run's flags would train, without its weights and its sentences.

Read are the checkpoint's sizes and the task's labels. A batch is of the longest sentences: `max_length` tokens a row
(shorter ones have as many tokens). What comes before the step (the teacher's training, importance) and around it
(checkpoints, scores) is not planned, and its flags change nothing.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jax.stages import Lowered

from bertnas_jax.data import Buckets, Part, load_task
from bertnas_jax.model import Bert, BertConfig, resolve_checkpoint
from bertnas_jax.space import SearchSpace, Subnet, count_flops
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.job import read_bert, read_space
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.sharding import check_rows, jit_on_mesh, row_shards, shard_args
from bertnas_jax.train.step import TrainState
from bertnas_jax.train.supernet import step_args, supernet_step
from bertnas_jax.train.supernet_config import SpaceConfig, SupernetConfig
from bertnas_jax.train.tpu import chips_of

PUBLISHED = {  # sizes that are known without a download. Source: Devlin et al. 2018, arXiv 1810.04805, section 3, and their vocab.txt
    "google-bert/bert-base-uncased": BertConfig(Subnet.uniform(12, 768, 12, 3072), vocab_size=30522),
    "google-bert/bert-large-uncased": BertConfig(Subnet.uniform(24, 1024, 16, 4096), vocab_size=30522),
}
STEPS = 1000  # of a schedule, whose length changes no step's cost
ROWS_PER_CHIP, SEQ_LEN = 16, 128


def published_runs(topology: str) -> list[SupernetConfig]:
    """A run of every published BERT over a TPU: 16 rows a chip of 128 tokens in bfloat16, 4 Subnets a step, half and all of depth, heads and ffn."""
    return [_run_of(checkpoint, bert.subnet, chips_of(topology)) for checkpoint, bert in PUBLISHED.items()]


def _run_of(checkpoint: str, teacher: Subnet, chips: int) -> SupernetConfig:
    layer = teacher.layers[0]  # more choices compile longer and cost no more cycles
    return SupernetConfig(
        checkpoint=checkpoint,
        max_length=SEQ_LEN,
        tokens_per_batch=ROWS_PER_CHIP * chips * SEQ_LEN,
        num_random=2,
        space=SpaceConfig((teacher.depth // 2, teacher.depth), (), (layer.heads // 2, layer.heads), (layer.ffn // 2, layer.ffn)),
        supernet=SupernetTrainConfig(compute_dtype="bfloat16"),
    )


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """The step of a run: of a model with a head for its task, which is a regression or not."""

    config: SupernetConfig
    bert: BertConfig
    space: SearchSpace
    regression: bool

    @property
    def subnets(self) -> int:
        """Subnets of a step: the largest, the smallest, and those drawn at random."""
        return self.config.num_random + 2

    @property
    def has_teacher(self) -> bool:
        """True if a loss reads the fixed teacher's features, which a step then computes."""
        return self.config.supernet.hidden_weight > 0 or self.config.supernet.needs_relations

    @property
    def most_blocks(self) -> int:
        """Blocks of the deepest model that a step runs."""
        return self.space.teacher.depth if self.has_teacher else self.space.largest.depth

    def rows(self, mesh: Mesh) -> int:
        """Rows of a batch, with those that are added so that every device has as many.

        Raises:
          ValueError: there are fewer than devices.
        """
        buckets, shards = Buckets((self.config.max_length,), self.config.tokens_per_batch), row_shards(mesh)
        check_rows(mesh, buckets)
        return shards * Part((0,), shards).shard_rows(buckets.rows(self.config.max_length))

    def model_flops(self, rows: int) -> int:
        """FLOPs of a step if every Subnet is the largest: a forward pass and twice that backward, recomputation not counted."""
        largest, teacher = (count_flops(subnet, self.bert.vocabulary, self.config.max_length) for subnet in (self.space.largest, self.bert.subnet))
        return rows * (3 * self.subnets * largest + self.has_teacher * teacher)

    def lower(self, mesh: Mesh) -> Lowered:
        """The step over the mesh, lowered for its devices, which need not be there."""
        supernet, training = Supernet(self.space, self.bert), self.config.supernet
        objective, optimizer, step = supernet_step(supernet, training, self.regression, STEPS)
        weights = jax.eval_shape(lambda: share_weights(Bert(self.bert, nnx.Rngs(0))))
        trained = jax.eval_shape(objective.trained, weights)
        state = TrainState(trained, jax.eval_shape(optimizer.init, trained))
        rows = self.rows(mesh)
        soft = jax.ShapeDtypeStruct((rows, self.bert.num_outputs), np.float32)
        codes = stack_codes(self.space, sandwich(self.space, self.config.num_random, self.config.seed, 0))
        args = step_args(objective, codes, _batch(rows, self.config.max_length, self.regression), soft, weights)
        heads = self.space.teacher.layers[0].heads
        return jit_on_mesh(step, mesh, heads, state, shard_args(mesh, args, heads)).lower(state, *args)


def read_planned_step(config: SupernetConfig) -> PlannedStep:
    """The step of a run; of a checkpoint that is not published its folder is read, but for the weights.

    Raises:
      ValueError, FileNotFoundError: the checkpoint, the task or the space is not as it must be.
    """
    task = load_task(config.task)
    if config.checkpoint in PUBLISHED:
        bert = dataclasses.replace(PUBLISHED[config.checkpoint], num_outputs=task.num_outputs, pooling=config.pooling)
    else:
        bert = read_bert(config, resolve_checkpoint(config.checkpoint), task)
    space = read_space(config, bert, task)
    if space.lacks_order:  # which the run would measure; it changes which blocks run and not how many
        space = dataclasses.replace(space, keep_order=tuple(range(bert.subnet.depth)))
    return PlannedStep(config, bert, space, task.kind == "regression")


def _batch(rows: int, length: int, regression: bool) -> dict[str, jax.ShapeDtypeStruct]:
    batch = {name: jax.ShapeDtypeStruct((rows, length), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    labels = jax.ShapeDtypeStruct((rows,), np.float32 if regression else np.int32)
    return batch | {"labels": labels, "weight": jax.ShapeDtypeStruct((rows,), np.float32)}
