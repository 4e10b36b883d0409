"""What is published of TPU chips."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Chip:
    """Of one chip: bf16 peak, memory and its bandwidth, and the bytes it sends over all its links together in one direction."""

    peak_flops: float
    memory_gb: int
    memory_bytes_per_s: float
    link_bytes_per_s: float


# Source: Google Cloud's pages docs.cloud.google.com/tpu/docs/{v4,v5e,v5p,v6e}, read 2026-11-23: peak compute per chip (bf16),
# HBM capacity and bandwidth, and half of the bidirectional ICI bandwidth per chip (400, 1200 and 800 GB/s). v4's page has no
# such line: its 6 links of 45 GB/s are from jax-ml's "How to scale your model", chapter 2, table of interconnects, and agree
# with the page's all-reduce bandwidth of 1.1 PB/s over 4096 chips, 269 GB/s (v5e's and v6e's, so divided, are their links' exactly).
CHIPS = {
    "v4": Chip(275e12, 32, 1200e9, 270e9),
    "v5e": Chip(197e12, 16, 819e9, 200e9),
    "v5p": Chip(459e12, 95, 2765e9, 600e9),
    "v6e": Chip(918e12, 32, 1638e9, 400e9),
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


def chips_of(topology: str) -> int:
    """How many chips a topology's name says.

    Raises:
      ValueError: as `chip_of`.
    """
    chip_of(topology)
    return math.prod(map(int, topology.partition(":")[2].split("x")))
