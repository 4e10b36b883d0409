"""Which tile was measured to be the fastest for a product on a CPU: kept by shape, in a file, for one CPU only.

A `with Tuning.load(path):` around what is compiled for its CPU compiles by that tuning; without one, by the tuning that
the package ships for the target's CPU, and where there is none by the vector unit's own tile.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import ClassVar

import tvm

from bertnas_jax.compiler.gemm_tile import GemmShape, GemmTile
from bertnas_jax.whole_file import whole

SHIPPED = pathlib.Path(__file__).parent / "tunings"
_current: contextvars.ContextVar[Tuning | None] = contextvars.ContextVar("tuning", default=None)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Tiles by shape, for the CPU that LLVM calls `cpu`; `provenance` says what they were measured with."""

    FILE: ClassVar[str] = "tuning.json"  # of a run folder

    cpu: str
    tiles: Mapping[GemmShape, GemmTile]
    provenance: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def __enter__(self) -> Tuning:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *_error) -> None:
        _current.reset(self._tokens.pop())

    @functools.cached_property
    def _tokens(self) -> list[contextvars.Token]:
        return []

    def merged(self, other: Tuning) -> Tuning:
        """This tuning with the tiles and the provenance of a later one over its own.

        Raises:
          ValueError: they are of different CPUs.
        """
        other.check(self.cpu)
        return Tuning(self.cpu, {**self.tiles, **other.tiles}, {**self.provenance, **other.provenance})

    def check(self, cpu: str) -> None:
        """Raises ValueError if the tuning is of another CPU than that which is compiled for."""
        if cpu != self.cpu:
            raise ValueError(f"a tuning must be of the CPU that is compiled for, got one of {self.cpu} for {cpu}; tune on that CPU")

    def save(self, path: pathlib.Path) -> None:
        """Writes the tuning as JSON, whole or not at all."""
        tiles = {shape.describe(): dataclasses.asdict(tile) for shape, tile in sorted(self.tiles.items())}
        with whole(path) as partial:
            partial.write_text(json.dumps({"cpu": self.cpu, "provenance": dict(self.provenance), "tiles": tiles}, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: pathlib.Path) -> Tuning:
        """The tuning that `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: the file is no tuning, or a tile does not fit its shape.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            tiles = {GemmShape.parse(text): GemmTile(**tile) for text, tile in fields["tiles"].items()}
            tuning = cls(fields["cpu"], tiles, fields["provenance"])
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} must be a tuning, got {type(error).__name__}: {error}; write it by --tune") from error
        for shape, tile in tuning.tiles.items():
            if min(dataclasses.astuple(tile)) < 1 or not tile.fits(shape):
                raise ValueError(f"a tile must cut {shape.describe()} into whole blocks, got {tile} in {path}; tune it again")
        return tuning


def tuned_tile(shape: GemmShape) -> GemmTile | None:
    """The tile of a product on the target around the call, None if it was never tuned there.

    A tuning of another CPU around the call counts for nothing: a run compiles for a phone too.
    """
    target = tvm.target.Target.current()
    cpu = str(target.attrs.get("mcpu", "")) if target is not None else ""
    tuning = _current.get()
    if tuning is None or tuning.cpu != cpu:
        tuning = shipped_tuning(cpu)
    return tuning.tiles.get(shape)


@functools.cache
def shipped_tuning(cpu: str) -> Tuning:
    """The tuning that the package brings for the CPU of this name; without tiles if it brings none."""
    path = SHIPPED / f"{cpu}.json"
    return Tuning.load(path) if path.is_file() else Tuning(cpu, {})
