"""A training job with a budget, checked before any stage works."""

from __future__ import annotations

import dataclasses

from bertnas_jax.compiler import host_target
from bertnas_jax.latency import usable_cores
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.train import RunFolder, TrainJob, read_inputs


@dataclasses.dataclass(frozen=True, eq=False)
class Job(TrainJob):
    """A run of the main job."""

    config: SearchConfig


def open_job(config: SearchConfig) -> Job:
    """The job of a configuration, with its run folder.

    Raises:
      ValueError: the run folder, the checkpoint, the tokenizer, the task, the space or the budget is not as it must be.
      FileNotFoundError: a file they need is not there.
      RuntimeError: the compiler cannot work here.
    """
    if not config.budget.is_given:
        raise ValueError("a budget must be given, got none; give --latency_ms=20 or --speedup_over_bert_base=12")
    host_target()
    cores = len(usable_cores())
    if config.budget.threads > cores:
        raise ValueError(f"threads must be at most the {cores} cores of this process, got {config.budget.threads}; use fewer")
    inputs = read_inputs(config)
    if config.budget.seq_len > inputs.bert.max_positions:
        raise ValueError(
            f"seq_len must be at most the checkpoint's {inputs.bert.max_positions} positions, got {config.budget.seq_len}; shorten it"
        )
    return Job(**vars(inputs), config=config, folder=RunFolder.open(config))
