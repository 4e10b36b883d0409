"""What the time of a Subnet goes to at one place: its kernels with what each takes."""

from __future__ import annotations

import dataclasses
from collections import Counter


@dataclasses.dataclass(frozen=True)
class KernelCost:
    """A kernel of a Subnet: how often it is called, the microseconds of one call, and what these mostly go to, if that is known."""

    kernel: str
    calls: int
    us: float
    bound_by: str | None = None

    @property
    def total_us(self) -> float:
        """Of all its calls."""
        return self.calls * self.us


@dataclasses.dataclass(frozen=True)
class CostsAt:
    """The kernels of a Subnet at a place, and whether their times were measured or simulated."""

    place: str
    source: str
    kernels: tuple[KernelCost, ...]

    def shares(self) -> dict[str, float]:
        """The share of the time by the kind of kernel, which is the first word of its name; the largest first."""
        by_kind: Counter[str] = Counter()
        for kernel in self.kernels:
            by_kind[kernel.kernel.split()[0]] += kernel.total_us
        return {kind: us / by_kind.total() for kind, us in by_kind.most_common()}
