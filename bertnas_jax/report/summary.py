"""summary.json: what was asked, what was found, and how it is known."""

from __future__ import annotations

import dataclasses

from bertnas_jax.space import Subnet

RUNTIMES = ("tvm", "tflite")
EVIDENCE = ("measured", "simulated")


@dataclasses.dataclass(frozen=True)
class Budget:
    """`latency_ms` is what decides; `speedup_over_bert_base` says where it came from, if from there."""

    device: str
    runtime: str
    threads: int
    seq_len: int
    latency_ms: float
    speedup_over_bert_base: float | None

    def __post_init__(self):
        if self.runtime not in RUNTIMES:
            raise ValueError(f"budget.runtime must be one of {RUNTIMES}, got {self.runtime!r}")
        _check_positive("budget.latency_ms", self.latency_ms)


@dataclasses.dataclass(frozen=True)
class Task:
    """`pad_share` is the padded share of the tokens; `bag_of_words` a linear model's score, if it has one."""

    name: str
    metric: str
    kind: str
    train_examples: int
    dev_examples: int
    pad_share: float
    bag_of_words: float | None

    def __post_init__(self):
        _check_positive("task.dev_examples", self.dev_examples)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """The fine-tuned checkpoint: its dev score, sizes and counts."""

    metric: str
    value: float
    subnet: Subnet
    params: int
    flops: int

    def __post_init__(self):
        _check_positive("teacher.params", self.params)
        _check_positive("teacher.flops", self.flops)


@dataclasses.dataclass(frozen=True)
class Winner:
    """`inherited_value` is its score before its own fine-tuning, `evidence` what `compliant` rests on."""

    metric: str
    value: float
    inherited_value: float
    params: int
    flops: int
    compliant: bool
    evidence: str

    def __post_init__(self):
        if self.evidence not in EVIDENCE:
            raise ValueError(f"winner.evidence must be one of {EVIDENCE}, got {self.evidence!r}")
        if self.metric == "accuracy" and not 0 <= self.value <= 1:
            raise ValueError(f"winner.value must be a share of 0 to 1, got {self.value}")


@dataclasses.dataclass(frozen=True)
class Latency:
    """One model's latency and how it is known; `runs` is 0 where nothing was run."""

    model: str
    runtime: str
    device: str
    dtype: str
    threads: int
    seq_len: int
    source: str
    median_ms: float
    p90_ms: float
    runs: int

    def __post_init__(self):
        _check_positive("median_ms", self.median_ms)


@dataclasses.dataclass(frozen=True)
class Search:
    method: str
    evaluated: int
    space_size: int
    wall_s: float


@dataclasses.dataclass(frozen=True)
class Parity:
    """Largest difference of a logit between each exported file and the model."""

    tflite_max_abs_err: float
    tvm_max_abs_err: float
    sentences: int


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    wall_s: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """The whole file.

    Raises:
      ValueError: its parts do not fit together.
    """

    budget: Budget
    task: Task
    checkpoint: str
    subnet: Subnet
    kept_layers: tuple[int, ...]
    teacher: Teacher
    winner: Winner
    latencies: tuple[Latency, ...]
    speedup_vs_tflite_bert_base: float
    search: Search
    parity: Parity
    stages: tuple[Stage, ...]
    device: dict
    versions: dict
    date: str

    def __post_init__(self):
        blocks = self.teacher.subnet.depth
        if len(self.kept_layers) != self.subnet.depth or not set(self.kept_layers) <= set(range(blocks)):
            raise ValueError(
                f"kept_layers must name one of the teacher's blocks 0 to {blocks - 1} for each of {self.subnet.depth} blocks, "
                f"got {self.kept_layers}"
            )
        if len(set(self.kept_layers)) < len(self.kept_layers):
            raise ValueError(f"kept_layers must name a teacher's block once, got {self.kept_layers}")
        if not self.task.metric == self.teacher.metric == self.winner.metric:
            raise ValueError(f"metric must be the task's {self.task.metric!r}, got {self.teacher.metric!r} and {self.winner.metric!r}")
        told = self.at_budget("winner", self.budget.runtime)
        if told is None or told.source != self.winner.evidence:
            raise ValueError(
                f"latencies must hold the winner's {self.winner.evidence} one on {self.budget.runtime} under the budget's conditions, got {told}"
            )

    @property
    def comparable(self) -> tuple[Latency, ...]:
        """The latencies on the budget's device, with its threads and sequence length.

        A budget for the host is one for the machine that `device` describes, by whichever of its names a latency gives.
        """
        devices = [self.budget.device, *(self.device.values() if self.budget.device == "host" else ())]
        sizes = (self.budget.threads, self.budget.seq_len)
        return tuple(one for one in self.latencies if one.device in devices and (one.threads, one.seq_len) == sizes)

    def at_budget(self, model: str, runtime: str) -> Latency | None:
        """The model's latency under the budget's conditions, a measured one before any other."""
        found = [one for one in self.comparable if (one.model, one.runtime) == (model, runtime)]
        return min(found, key=lambda one: one.source != "measured", default=None)

    @property
    def winner_latency(self) -> Latency:
        """The latency that the budget is about."""
        return self.at_budget("winner", self.budget.runtime)

    def speedup(self, latency: Latency) -> float | None:
        """How many times as fast as BERT-base on TFLite under the same conditions; None if that is not known."""
        if latency == self.winner_latency:
            return self.speedup_vs_tflite_bert_base
        same = (latency.device, latency.threads, latency.seq_len, latency.source)
        for one in self.latencies:
            if (one.model, one.runtime, one.dtype) == ("bert_base", "tflite", "float32"):
                if (one.device, one.threads, one.seq_len, one.source) == same:
                    return one.median_ms / latency.median_ms
        return None


def _check_positive(what: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{what} must be above 0, got {value}")
