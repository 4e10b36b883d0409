"""One latency with its provenance, and the run folder's latency.jsonl of them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import sys
from collections.abc import Iterable

from bertnas_jax.space import Subnet

RUNTIMES = ("tvm", "tflite", "c")  # c: the library that bertnas_jax.export writes
SOURCES = ("measured", "simulated", "table")
_YOUNGER = {"cores", "low_ms", "high_ms"}  # fields that older files lack


@dataclasses.dataclass(frozen=True)
class LatencyRecord:
    """What one model costs on one device, batch 1, and how it is known.

    `model` says whose the Subnet is: "winner", "teacher", "bert_base", "finalist" or the like.
    `device` is the host's CPU or a device profile's name, `cores` which cores of it or "gpu", where that is known.
    `reference_drift` is that of the measurement (see `Timing`), 1 where nothing was measured; `runs` is
    then 0 and `p90_ms` None. 90 % of simulated latencies are from `low_ms` to `high_ms`.

    Raises:
      ValueError: a field is outside its range.
    """

    model: str
    subnet: Subnet
    device: str
    runtime: str
    dtype: str
    threads: int
    seq_len: int
    source: str
    median_ms: float
    p90_ms: float | None
    runs: int = 0
    reference_drift: float = 1.0
    cores: str = ""
    low_ms: float | None = None
    high_ms: float | None = None
    date: str = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def __post_init__(self):
        for name, choices in (("runtime", RUNTIMES), ("source", SOURCES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}; use one of them")
        for name in ("threads", "seq_len"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; give what was used")
        if self.source == "simulated":
            if None in (self.low_ms, self.high_ms) or not 0 < self.low_ms <= self.median_ms <= self.high_ms < float("inf"):
                raise ValueError(f"median_ms must be within low_ms and high_ms, got {self.median_ms} of {self.low_ms} to {self.high_ms}; simulate again")
        elif not 0 < self.median_ms <= self.p90_ms < float("inf"):  # NaN fails too
            raise ValueError(f"median_ms must be positive and at most p90_ms, got {self.median_ms} and {self.p90_ms}; measure again")

    @classmethod
    def from_fields(cls, fields: object) -> LatencyRecord:
        """The record of a parsed line of latency.jsonl.

        Raises:
          ValueError: the fields are not exactly those of a record, or outside their range.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or set(fields) | _YOUNGER != names:
            raise ValueError(f"a latency record must have the fields {sorted(names)}, got {fields!r}; write it with append_records")
        return cls(**{**fields, "subnet": Subnet.from_fields(fields["subnet"])})


def append_records(path: pathlib.Path, records: Iterable[LatencyRecord]) -> None:
    """Appends the records, a line each, in one write."""
    text = "".join(json.dumps(dataclasses.asdict(record)) + "\n" for record in records)
    with path.open("a+b") as file:
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a line torn by a crash: ours starts on its own
                text = "\n" + text
        file.write(text.encode())


def read_records(path: pathlib.Path) -> list[LatencyRecord]:
    """The records of a file, [] if there is none, oldest first.

    A line that is no JSON was torn by a crash in the middle of its write: it is left out with a
    warning on stderr, as what it measured can be measured again.

    Raises:
      ValueError: a whole line is no latency record.
    """
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except json.JSONDecodeError:
            print(f"{path}:{number}: left out, torn by a crash while it was written: {line[:60]!r}", file=sys.stderr)
            continue
        try:
            records.append(LatencyRecord.from_fields(fields))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
    return records
