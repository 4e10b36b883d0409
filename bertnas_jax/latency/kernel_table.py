"""The price of any Subnet of a space: the times of its kernels, each measured once on the device."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections import Counter
from collections.abc import Mapping

from bertnas_jax.latency.kernel_parts import KernelCounts, KernelParts
from bertnas_jax.space import Subnet
from bertnas_jax.whole_file import whole


class UnpricedKernelError(KeyError):
    """A kernel of a Subnet is not in the table."""

    def __str__(self) -> str:  # KeyError would show the message quoted
        return str(self.args[0])


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Under what the kernels of a table run: batch 1, and these; `precision` is of products with weights (compiler/precision.py)."""

    seq_len: int
    threads: int
    num_outputs: int = 2
    pooling: str = "mean"
    precision: str = "float32"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where and when a table was measured, and with what."""

    conditions: Conditions
    device: str
    versions: Mapping[str, str]
    date: str


@dataclasses.dataclass(frozen=True)
class KernelTable:
    """Microseconds of one call of each kernel, by signature, and which kernels a Subnet has.

    `overhead_us` is what a run costs beside its kernels: inputs and logits copied, memory set out.
    """

    microseconds: Mapping[str, float]
    overhead_us: float
    parts: KernelParts
    provenance: Provenance

    def price_ms(self, subnet: Subnet) -> float:
        """The time of one sequence: its kernels' times and the overhead (the source "table" of a LatencyRecord).

        Raises:
          UnpricedKernelError: a kernel has no time.
          ValueError: the Subnet is outside the space the table was filled for.
        """
        return (self.overhead_us + sum(self._price_us(piece) for piece in self.parts.of(subnet))) / 1e3

    def _price_us(self, counts: KernelCounts) -> float:
        total_us = 0.0
        for signature, count in counts.items():
            if signature not in self.microseconds:
                raise UnpricedKernelError(f"a kernel must be in the table to be priced, got {signature}; fill the table again for its space")
            total_us += count * self.microseconds[signature]
        return total_us

    def save(self, path: pathlib.Path) -> None:
        """Writes the table as JSON, whole or not at all."""
        fields = {
            "provenance": dataclasses.asdict(self.provenance),
            "microseconds": dict(self.microseconds),
            "overhead_us": self.overhead_us,
            "head_dim": self.parts.head_dim,
            "outside": {str(hidden): counts for hidden, counts in self.parts.outside.items()},
            "blocks": _named(self.parts.blocks),
            "ffn_changes": _named(self.parts.ffn_changes),
        }
        with whole(path) as partial:
            partial.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: pathlib.Path) -> KernelTable:
        """The table that `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: the file is no kernel table.
        """
        try:
            return cls._from_fields(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} must be a kernel table, got {type(error).__name__}: {error}; delete it and fill it again") from error

    @classmethod
    def _from_fields(cls, fields: dict) -> KernelTable:
        provenance = fields["provenance"]
        parts = KernelParts(
            head_dim=fields["head_dim"],
            outside={int(hidden): Counter(counts) for hidden, counts in fields["outside"].items()},
            blocks=_unnamed(fields["blocks"]),
            ffn_changes=_unnamed(fields["ffn_changes"]),
        )
        conditions = Conditions(**provenance["conditions"])
        return cls(fields["microseconds"], float(fields["overhead_us"]), parts, Provenance(**{**provenance, "conditions": conditions}))


def _named(parts: Mapping[tuple[int, int], KernelCounts]) -> dict[str, KernelCounts]:
    return {f"{hidden},{size}": counts for (hidden, size), counts in parts.items()}


def _unnamed(fields: dict) -> dict[tuple[int, int], KernelCounts]:
    keys = {name: tuple(map(int, name.split(","))) for name in fields}
    return {(hidden, size): Counter(fields[name]) for name, (hidden, size) in keys.items()}
