"""What every stage of a run needs, checked before any of them works."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from bertnas_jax.data import check_vocabulary, load_task, load_tokenizer
from bertnas_jax.latency import usable_cores
from bertnas_jax.model import BertConfig, CheckpointError, check_weights, read_config, resolve_checkpoint
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.search.run_folder import RunFolder
from bertnas_jax.space import SearchSpace
from bertnas_jax.train import Feed, make_feed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A run's configuration with what it names: `bert` is the teacher's configuration."""

    config: SearchConfig
    folder: RunFolder
    checkpoint: pathlib.Path
    tokenizer: PreTrainedTokenizerBase
    feed: Feed
    bert: BertConfig
    space: SearchSpace

    def path(self, name: str) -> pathlib.Path:
        return self.folder.path / name


def open_job(config: SearchConfig) -> Job:
    """The job of a configuration.

    Raises:
      ValueError: the run folder, the checkpoint, the tokenizer, the task or the space is not as it must be.
      FileNotFoundError: a file they need is not there.
    """
    checkpoint = resolve_checkpoint(config.checkpoint)
    task = load_task(config.task)
    bert = read_config(checkpoint, num_outputs=task.num_outputs, pooling=config.pooling)
    if bert.num_outputs != task.num_outputs:
        raise CheckpointError(
            f"the checkpoint's head must have the {task.num_outputs} outputs of task {task.name}, got {bert.num_outputs}; "
            "start from the checkpoint it was tuned from"
        )
    if config.budget.seq_len > bert.max_positions:
        raise ValueError(f"seq_len must be at most the checkpoint's {bert.max_positions} positions, got {config.budget.seq_len}; shorten it")
    if config.budget.threads > len(usable_cores()):
        raise ValueError(f"threads must be at most the {len(usable_cores())} cores of this process, got {config.budget.threads}; use fewer")
    tokenizer = load_tokenizer(checkpoint)
    check_vocabulary(tokenizer, bert.vocab_size)
    check_weights(checkpoint, bert)
    space = config.space.space_of(bert.subnet)
    feed = make_feed(task, tokenizer, config.max_length, config.tokens_per_batch, config.max_buckets)
    return Job(config, RunFolder.open(config), checkpoint, tokenizer, feed, bert, space)
