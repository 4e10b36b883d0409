"""What is published of TPU chips."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """Of one chip: bf16 peak, memory, and the bytes it sends over all its links together in one direction."""

    peak_flops: float
    memory_gb: int
    link_bytes_per_s: float


# Source: Google Cloud's pages "TPU v4", "TPU v5e", "TPU v5p", "TPU v6e" (docs.cloud.google.com/tpu/docs): peak compute
# per chip (bf16), HBM capacity, inter-chip interconnect bandwidth of a chip in one direction (2400, 1600 and 4800 Gbit/s;
# v6e: half of 800 GB/s in both).
CHIPS = {
    "v4": Chip(275e12, 32, 300e9),
    "v5e": Chip(197e12, 16, 200e9),
    "v5p": Chip(459e12, 95, 600e9),
    "v6e": Chip(918e12, 32, 400e9),
}


def chip_of(topology: str) -> Chip:
    """The chip of a topology's name.

    Raises:
      ValueError: there is no such generation, or no shape.
    """
    generation, colon, shape = topology.partition(":")
    if generation not in CHIPS or not colon or not all(size.isdecimal() for size in shape.split("x")):
        raise ValueError(f"topology must be one of {', '.join(CHIPS)} with a shape, got {topology!r}; e.g. v5e:16x16 or v4:2x2x1")
    return CHIPS[generation]
