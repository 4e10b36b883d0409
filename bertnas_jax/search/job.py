"""A training job with the limits of its budget, checked before any stage works."""

from __future__ import annotations

import dataclasses
import pathlib

from bertnas_jax.compiler import Tuning, host_target, shipped_tuning
from bertnas_jax.compiler.integer_dot import check_precision
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.latency import usable_cores
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.search.latency_limit import LatencyLimit, Place, limits_of, places_of
from bertnas_jax.train import RunFolder, TrainJob, read_inputs


@dataclasses.dataclass(frozen=True)
class Form:
    """A runtime's file of a model, and the numbers that its products with weights are of."""

    runtime: str
    dtype: str


@dataclasses.dataclass(frozen=True, eq=False)
class Job(TrainJob):
    """A run of the main job; `limits` are those of latencies, `tuning` is what is known before this machine is asked."""

    config: SearchConfig
    limits: tuple[LatencyLimit, ...]
    tuning: Tuning

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the winner is to run."""
        return places_of(self.config.budget, self.limits)

    @property
    def here(self) -> Place | None:
        """Where on this machine it is to run; None if it is not."""
        return next((place for place in self.places if place.is_host), None)

    @property
    def threads(self) -> int:
        """How many cores of this machine a model may use here."""
        return self.here.threads if self.here else self.config.budget.threads

    @property
    def precision(self) -> Precision:
        """Of what numbers a model's products with weights are made here."""
        return self.here.dtype if self.here else "float32"

    @property
    def forms(self) -> tuple[Form, ...]:
        """What the winner is to run as, each once: it is as accurate as the least accurate of them."""
        return tuple(dict.fromkeys(Form(place.runtime, place.dtype) for place in self.places))


def open_job(config: SearchConfig) -> Job:
    """The job of a configuration, with its run folder.

    Raises:
      ValueError: the run folder, the checkpoint, the tokenizer, the task, the space or the budget is not as it must be.
      FileNotFoundError: a file they need is not there.
      RuntimeError: the compiler cannot work here.
    """
    if not config.budget.is_given:
        raise ValueError(
            "a budget must be given, got none; give --latency_ms=20, --speedup_over_bert_base=12, "
            '--limits="pixel_4/1 large/tflite/float32: 30", --max_params=17000000, --max_flops=1e9, --max_file_mb=70, --max_memory_mb=80, or several'
        )
    limits = limits_of(config.budget)
    for place in places_of(config.budget, limits):
        if place.is_host:
            check_precision(place.dtype, host_target())
    tuning = known_tuning(config.tuning)
    cores = len(usable_cores())
    for threads in (config.budget.threads, *(limit.place.threads for limit in limits if limit.place.is_host)):
        if threads > cores:
            raise ValueError(f"threads must be at most the {cores} cores of this process, got {threads}; use fewer")
    inputs = read_inputs(config)
    for seq_len in (config.budget.seq_len, *(limit.place.seq_len for limit in limits)):
        if seq_len > inputs.bert.max_positions:
            raise ValueError(f"seq_len must be at most the checkpoint's {inputs.bert.max_positions} positions, got {seq_len}; shorten it")
    return Job(**vars(inputs), config=config, folder=RunFolder.open(config), limits=limits, tuning=tuning)


def known_tuning(file: str) -> Tuning:
    """That of the file, or what the package brings for this CPU."""
    cpu = str(host_target().attrs["mcpu"])
    if not file:
        return shipped_tuning(cpu)
    known = Tuning.load(pathlib.Path(file).expanduser())
    known.check(cpu)
    return known
