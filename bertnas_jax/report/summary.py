"""summary.json: what was asked, what was found, and how it is known."""

from __future__ import annotations

import dataclasses

from bertnas_jax.latency.devices import GPU
from bertnas_jax.report.budget import COUNTED, EVIDENCE, Budget, check_positive
from bertnas_jax.report.search_summary import Search
from bertnas_jax.search.evaluated import Precision
from bertnas_jax.space import Subnet


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
        check_positive("task.dev_examples", self.dev_examples)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """The fine-tuned checkpoint: its dev score, sizes and counts."""

    metric: str
    value: float
    subnet: Subnet
    params: int
    flops: int

    def __post_init__(self):
        check_positive("teacher.params", self.params)
        check_positive("teacher.flops", self.flops)


@dataclasses.dataclass(frozen=True)
class Winner:
    """`value` is its score in the numbers that limits are for, the least of several, `evidence` what `compliant` rests on.

    `inherited_value` is its score in float32 before its own fine-tuning, `tuned_value` after it; the better one's weights are
    the winner's. Compiled, it takes `weight_bytes` and `arena_bytes` (intermediate results) of memory while it runs.
    """

    metric: str
    value: float
    float32_value: float
    inherited_value: float
    tuned_value: float
    params: int
    flops: int
    compliant: bool
    evidence: str
    weight_bytes: int
    arena_bytes: int

    @property
    def is_tuned(self) -> bool:
        """False if its own fine-tuning was thrown away."""
        return self.tuned_value >= self.inherited_value

    def __post_init__(self):
        if self.evidence not in (*EVIDENCE, COUNTED):
            raise ValueError(f"winner.evidence must be one of {(*EVIDENCE, COUNTED)}, got {self.evidence!r}")
        if self.metric == "accuracy" and not 0 <= self.value <= 1:
            raise ValueError(f"winner.value must be a share of 0 to 1, got {self.value}")


@dataclasses.dataclass(frozen=True)
class Latency:
    """One model's latency and how it is known; where nothing was run `runs` is 0, and 90 % of cases are from `low_ms` to `high_ms`."""

    model: str
    runtime: str
    device: str
    dtype: str
    threads: int
    seq_len: int
    source: str
    median_ms: float
    p90_ms: float | None
    runs: int
    cores: str
    low_ms: float | None
    high_ms: float | None

    def __post_init__(self):
        check_positive("median_ms", self.median_ms)


@dataclasses.dataclass(frozen=True)
class PhoneLibrary:
    """The winner as our compiler makes it for a phone: its folder, or None and why it is not there, what it is compiled for and in what numbers."""

    folder: str | None
    target: str
    precision: str
    note: str


@dataclasses.dataclass(frozen=True)
class Parity:
    """The difference of a logit between each exported file and the model, the largest and the root mean square; the TVM file is of `tvm_dtype`."""

    tflite_max_abs_err: float
    tflite_rms_err: float
    tvm_max_abs_err: float
    tvm_rms_err: float
    tvm_dtype: str
    sentences: int


@dataclasses.dataclass(frozen=True)
class BestDtype:
    """The fastest dtypes: of our winner, scoring at most `tolerance` below float32, and of BERT-base on TFLite."""

    winner: str
    bert_base: str
    tolerance: float


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
    speedup_best_dtype: float | None
    speedup_both_best_dtype: float | None
    best_dtype: BestDtype | None
    precisions: tuple[Precision, ...]
    search: Search
    parity: Parity
    phone_libraries: tuple[PhoneLibrary, ...]
    stages: tuple[Stage, ...]
    device: dict
    versions: dict
    date: str

    def __post_init__(self):
        if (self.best_dtype is None) != (self.speedup_best_dtype is None) or (self.best_dtype is None) != (self.speedup_both_best_dtype is None):
            raise ValueError(f"best_dtype must come with both of its speed-ups, got {self.best_dtype}")
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
        if self.winner.evidence != self.budget.evidence:
            raise ValueError(f"winner.evidence must be the weakest of its limits', {self.budget.evidence!r}, got {self.winner.evidence!r}")
        place = self.budget.place
        told = self.at_budget("winner", place.runtime)
        if told is None or told.source != place.evidence:
            raise ValueError(f"latencies must hold the winner's {place.evidence} one on {place.runtime} under the budget's conditions, got {told}")

    @property
    def comparable(self) -> tuple[Latency, ...]:
        """The latencies on the device and cores of the budget's place, with its threads and sequence length.

        The host is the machine that `device` describes, by whichever of its names a latency gives.
        """
        place = self.budget.place
        devices = [place.device, *(self.device.values() if place.device == "host" else ())]
        conditions = (place.threads, place.seq_len, "" if place.device == "host" else place.cores)
        return tuple(one for one in self.latencies if one.device in devices and (one.threads, one.seq_len, one.cores) == conditions)

    def at_budget(self, model: str, runtime: str) -> Latency | None:
        """The model's latency under the conditions of the budget's place, in its dtype and measured before any other."""
        found = [one for one in self.comparable if (one.model, one.runtime) == (model, runtime)]
        return min(found, key=lambda one: (one.dtype != self.budget.place.dtype, one.source != "measured"), default=None)

    @property
    def winner_latency(self) -> Latency:
        """The latency at the budget's place: what its first latency limit is about."""
        return self.at_budget("winner", self.budget.place.runtime)

    def winner_value(self, latency: Latency) -> float:
        """The winner's score in the numbers that a latency of it is for."""
        scores = {(one.runtime, one.dtype): one.value for one in self.precisions}
        return scores.get((latency.runtime, latency.dtype), self.winner.float32_value)

    def speedup(self, latency: Latency) -> float | None:
        """How many times as fast as BERT-base on TFLite under the same conditions; None if that is not known."""
        if latency == self.winner_latency:
            return self.speedup_vs_tflite_bert_base
        dtype = "float16" if latency.cores == GPU else "float32"
        same = (latency.device, latency.cores, latency.threads, latency.seq_len, latency.source)
        for one in self.latencies:
            if (one.model, one.runtime, one.dtype) == ("bert_base", "tflite", dtype):
                if (one.device, one.cores, one.threads, one.seq_len, one.source) == same:
                    return one.median_ms / latency.median_ms
        return None
