"""The one thing that flows through every room: the sizes of an encoder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

SUBNET_FILE = "subnet.json"  # beside an exported model: its sizes and, where they are known, the blocks they were taken from


@dataclasses.dataclass(frozen=True, order=True)
class Layer:
    """Sizes of one transformer block: attention heads (N) and feed-forward neurons (F).

    Raises:
      ValueError: a size is not a positive integer.
    """

    heads: int
    ffn: int

    def __post_init__(self):
        for name in ("heads", "ffn"):
            _check_positive(f"Layer.{name}", getattr(self, name))


@dataclasses.dataclass(frozen=True, order=True)
class Subnet:
    """Sizes of an encoder: hidden width D, head width H, and one `Layer` per block.

    The attention of a block is N * H wide, which need not equal D: dropping heads leaves the
    residual stream as wide as it was. The depth is `len(layers)`.

    Raises:
      ValueError: a size is not a positive integer, or there is no layer.
    """

    hidden: int
    head_dim: int
    layers: tuple[Layer, ...]

    def __post_init__(self):
        for name in ("hidden", "head_dim"):
            _check_positive(f"Subnet.{name}", getattr(self, name))
        if not isinstance(self.layers, tuple) or not all(isinstance(layer, Layer) for layer in self.layers):
            raise ValueError(f"Subnet.layers must be a tuple of Layer, got {self.layers!r}; use tuple(Layer(heads, ffn), ...)")
        if not self.layers:
            raise ValueError("Subnet.layers must hold at least one Layer, got none; give one Layer(heads, ffn) per block")

    @property
    def depth(self) -> int:
        return len(self.layers)

    @property
    def is_uniform(self) -> bool:
        """True if every block has the same sizes and the attention is as wide as the residual stream."""
        return len(set(self.layers)) == 1 and self.layers[0].heads * self.head_dim == self.hidden

    def describe(self) -> str:
        """A short name such as `D384-H32-N12.12.6-F1536.1536.768`, unique to the sizes."""
        heads = ".".join(str(layer.heads) for layer in self.layers)
        ffn = ".".join(str(layer.ffn) for layer in self.layers)
        return f"D{self.hidden}-H{self.head_dim}-N{heads}-F{ffn}"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Subnet:
        """The Subnet written by `to_json`.

        Raises:
          ValueError: the text is no JSON object of exactly the fields of a Subnet.
        """
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a Subnet must be a JSON object, got {text[:80]!r} ({error}); use Subnet.to_json") from error
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: Mapping) -> Subnet:
        """The Subnet of a parsed JSON object (`dataclasses.asdict` of a Subnet, or `SearchSpace.subnet_fields`).

        Raises:
          ValueError: the fields are not exactly those of a Subnet.
        """
        if isinstance(fields, Mapping):
            fields = {name: value for name, value in fields.items() if name != "kept_layers"}  # origin, not size
        _check_fields("a Subnet", fields, cls)
        layers = fields["layers"]
        if not isinstance(layers, Sequence) or isinstance(layers, str):
            raise ValueError(f"Subnet.layers must be a list, got {layers!r}; give one object with heads and ffn per block")
        for layer in layers:
            _check_fields("a Layer", layer, Layer)
        return cls(fields["hidden"], fields["head_dim"], tuple(Layer(layer["heads"], layer["ffn"]) for layer in layers))

    @classmethod
    def uniform(cls, depth: int, hidden: int, heads: int, ffn: int, head_dim: int | None = None) -> Subnet:
        """A Subnet of equal blocks; `head_dim` is hidden / heads when it is not given.

        Raises:
          ValueError: `head_dim` is not given and heads does not divide hidden.
        """
        if head_dim is None:
            if heads < 1 or hidden % heads:
                divisors = [n for n in range(1, 33) if hidden % n == 0]
                raise ValueError(f"heads must divide hidden, got heads={heads}, hidden={hidden}; use one of {divisors}")
            head_dim = hidden // heads
        return cls(hidden, head_dim, (Layer(heads, ffn),) * depth)


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}; give a size of at least 1")


def _check_fields(what: str, fields: object, cls: type) -> None:
    expected = {field.name for field in dataclasses.fields(cls)}
    if not isinstance(fields, Mapping) or set(fields) != expected:
        got = sorted(fields) if isinstance(fields, Mapping) else fields
        raise ValueError(f"{what} must have exactly the fields {sorted(expected)}, got {got}; use Subnet.to_json to write it")
