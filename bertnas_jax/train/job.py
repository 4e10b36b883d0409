"""What every stage of a run needs, checked before any of them works."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from bertnas_jax.data import Task, check_vocabulary, load_task, load_tokenizer
from bertnas_jax.model import BertConfig, CheckpointError, check_weights, read_config, resolve_checkpoint
from bertnas_jax.space import SearchSpace
from bertnas_jax.train.feed import Feed, make_feed
from bertnas_jax.train.freed_memory import keep_freed_memory
from bertnas_jax.train.mesh import make_mesh
from bertnas_jax.train.objective import check_relation_heads
from bertnas_jax.train.run_folder import RunFolder
from bertnas_jax.train.sharding import check_rows
from bertnas_jax.train.supernet_config import SupernetConfig

if TYPE_CHECKING:
    from jax.sharding import Mesh
    from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True, eq=False)
class Inputs:
    """What a configuration names: `bert` is the teacher's configuration, `mesh` is over every process's devices."""

    checkpoint: pathlib.Path
    tokenizer: PreTrainedTokenizerBase
    feed: Feed
    bert: BertConfig
    space: SearchSpace
    mesh: Mesh


@dataclasses.dataclass(frozen=True, eq=False)
class TrainJob(Inputs):
    """A run: its inputs, its configuration and its folder."""

    config: SupernetConfig
    folder: RunFolder

    def path(self, name: str) -> pathlib.Path:
        return self.folder.path / name


def read_inputs(config: SupernetConfig) -> Inputs:
    """The inputs of a configuration; nothing is written.

    Raises:
      ValueError: the mesh, the checkpoint, the tokenizer, the task or the space is not as it must be.
      FileNotFoundError: a file they need is not there.
    """
    mesh = make_mesh(config.mesh)
    checkpoint = resolve_checkpoint(config.checkpoint)
    task = load_task(config.task)
    bert = read_bert(config, checkpoint, task)
    tokenizer = load_tokenizer(checkpoint)
    check_vocabulary(tokenizer, bert.vocab_size)
    check_weights(checkpoint, bert)
    space = read_space(config, bert, task)
    feed = make_feed(task, tokenizer, config.max_length, config.tokens_per_batch, config.max_buckets)
    check_rows(mesh, feed.buckets)
    return Inputs(checkpoint, tokenizer, feed, bert, space, mesh)


def read_bert(config: SupernetConfig, checkpoint: pathlib.Path, task: Task) -> BertConfig:
    """The checkpoint's configuration with a head for the task.

    Raises:
      ValueError: the checkpoint is of no such model, has another head, or is for shorter sentences.
    """
    bert = read_config(checkpoint, num_outputs=task.num_outputs, pooling=config.pooling)
    if task.has_labels and bert.num_outputs != task.num_outputs:
        raise CheckpointError(
            f"the checkpoint's head must have the {task.num_outputs} outputs of task {task.name}, got {bert.num_outputs}; "
            "start from the checkpoint it was tuned from"
        )
    if config.max_length > bert.max_positions:
        raise ValueError(f"max_length must be at most the checkpoint's {bert.max_positions} positions, got {config.max_length}; shorten it")
    return bert


def read_space(config: SupernetConfig, bert: BertConfig, task: Task) -> SearchSpace:
    """The space of the checkpoint's sizes.

    Raises:
      ValueError: a choice exceeds the checkpoint, or its attention cannot be split as the losses or the score need it.
    """
    space = config.space.space_of(bert.subnet)
    if config.supernet.needs_relations or not task.has_labels:
        check_relation_heads(space, config.supernet.relation_heads)
    return space


def open_train_job(config: SupernetConfig) -> TrainJob:
    """The job of a configuration, with its run folder.

    Raises:
      ValueError, FileNotFoundError: as `read_inputs`, or the run folder cannot be used.
    """
    keep_freed_memory()
    return TrainJob(**vars(read_inputs(config)), config=config, folder=RunFolder.open(config))
