"""The budget in summary.json: every limit, what the winner costs by it, and how that is known."""

from __future__ import annotations

import dataclasses

from bertnas_jax.search.evaluated import weakest_evidence

RUNTIMES = ("tvm", "tflite")
EVIDENCE = ("measured", "simulated")
COUNTED = "counted"  # what a budget of sizes alone rests on


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the winner runs and as what, and how its latency there is known."""

    device: str
    cores: str
    runtime: str
    dtype: str
    threads: int
    seq_len: int
    evidence: str

    def __post_init__(self):
        for name, choices in (("runtime", RUNTIMES), ("evidence", EVIDENCE)):
            if getattr(self, name) not in choices:
                raise ValueError(f"budget.limits.{name} must be one of {choices}, got {getattr(self, name)!r}")

    @property
    def where(self) -> str:
        """`host` or `pixel_4 (1 large)`."""
        return self.device if self.evidence == "measured" else f"{self.device} ({self.cores})"


@dataclasses.dataclass(frozen=True)
class Limit(Place):
    """A latency limit and the winner's latency there; `latency_ms` is what decides, `speedup_over_bert_base` or `energy_mj` where it came from, if from there.

    `file` is what the limit is for, in the run folder, or None if it could not be made there; `value` is the winner's score in its numbers.

    Of a simulated latency 90 % of cases are from `low_ms` to `high_ms`, and `knowledge` says what that rests on. `winner_mj` is the
    energy of a run as long as `winner_ms`, None where the power of the cores is not known.
    """

    latency_ms: float
    speedup_over_bert_base: float | None
    energy_mj: float | None
    knowledge: str
    winner_ms: float
    winner_mj: float | None
    low_ms: float | None
    high_ms: float | None
    compliant: bool
    speedup_vs_tflite_bert_base: float
    file: str | None
    value: float

    def __post_init__(self):
        super().__post_init__()
        check_positive("budget.latency_ms", self.latency_ms)
        if self.evidence == "simulated" and None in (self.low_ms, self.high_ms):
            raise ValueError(f"budget.limits must have the interval of a simulated latency, got {self.low_ms} to {self.high_ms}")


@dataclasses.dataclass(frozen=True)
class SizeLimit:
    """A limit of parameters, FLOPs or megabytes, and the winner's."""

    name: str
    unit: str
    most: float
    value: float
    compliant: bool

    @property
    def allowed(self) -> str:
        """`70 MB of float32 .tflite` or `17,000,000 parameters`."""
        return f"{self.most:,.10g} {self.unit}" + ("" if self.unit == self.name else f" of {self.name}")


@dataclasses.dataclass(frozen=True)
class Budget:
    """All limits, and for how many tokens the files are; the others are of the first latency limit or, without one, of this machine.

    Raises:
      ValueError: there is no limit.
    """

    device: str
    cores: str
    runtime: str
    dtype: str
    threads: int
    seq_len: int
    limits: tuple[Limit, ...]
    sizes: tuple[SizeLimit, ...]

    def __post_init__(self):
        if not self.count:
            raise ValueError("budget must hold one limit at least, got none")

    @property
    def place(self) -> Place:
        """Where models are compared: at the first latency limit's place or, of a budget of sizes alone, on this machine."""
        if self.limits:
            return self.limits[0]
        return Place(self.device, self.cores, self.runtime, self.dtype, self.threads, self.seq_len, "measured")

    @property
    def evidence(self) -> str:
        """The weakest that compliance rests on; sizes are counted."""
        return weakest_evidence({limit.evidence for limit in self.limits})

    @property
    def count(self) -> int:
        return len(self.limits) + len(self.sizes)


def check_positive(what: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{what} must be above 0, got {value}")
