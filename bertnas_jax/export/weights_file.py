"""The weights of a program in one file that is mapped into memory as it is."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import numpy as np

from bertnas_jax.compiler.memory_plan import aligned
from bertnas_jax.compiler.program import Program
from bertnas_jax.whole_file import whole

MAGIC = b"BERTNAS1"
_HEADER_BYTES = 64  # bertnas_weights_header of c_sources/plan.h


@dataclasses.dataclass(frozen=True)
class WeightsLayout:
    """The offset of every weight from the start of the file, the file's length, and what tells it from another model's."""

    offsets: tuple[int, ...]
    file_bytes: int
    fingerprint: bytes


def lay_out_weights(*programs: Program) -> WeightsLayout:
    """The weights that programs share one after the other, each aligned; the fingerprint is of their numbers and of the launches."""
    digest = hashlib.blake2b(repr([program.launches for program in programs]).encode(), digest_size=16)
    offsets, end = [], _HEADER_BYTES
    for array in programs[0].weights:
        offsets.append(end)
        end += aligned(array.nbytes)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return WeightsLayout(tuple(offsets), end, digest.digest())


def weights_header(layout: WeightsLayout) -> bytes:
    """What a weights file begins with: 8 bytes that name the format, 16 of the fingerprint, the file's length in 8."""
    return MAGIC + layout.fingerprint + layout.file_bytes.to_bytes(8, "little")


def write_weights(program: Program, layout: WeightsLayout, path: pathlib.Path) -> None:
    """Writes the file, whole or not at all."""
    with whole(path) as partial, partial.open("wb") as file:
        file.write(weights_header(layout))
        for offset, array in zip(layout.offsets, program.weights, strict=True):
            file.seek(offset)
            file.write(np.ascontiguousarray(array))
        file.truncate(layout.file_bytes)
