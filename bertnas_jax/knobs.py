"""Configuration as frozen dataclasses: a knob's name, type, default, bounds and help exist once.

The absl flags of a program are made from its dataclass by `bertnas_jax.flags`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Knob:
    """What a knob's help says and which values it takes; bounds are inclusive."""

    help: str
    lower: float | None = None
    upper: float | None = None
    choices: tuple[str, ...] | None = None


def knob(default: Any, help: str, lower: float | None = None, upper: float | None = None, choices: tuple[str, ...] | None = None):
    """A dataclass field with its `Knob`."""
    return dataclasses.field(default=default, metadata={"knob": Knob(help, lower, upper, choices)})


def check_knobs(config: Any) -> None:
    """Raises ValueError for the first value outside its knob's bounds or choices (NaN is outside any)."""
    for field in dataclasses.fields(config):
        rule: Knob | None = field.metadata.get("knob")
        value = getattr(config, field.name)
        if rule is None:
            continue
        if rule.choices is not None and value not in rule.choices:
            raise ValueError(f"{field.name} must be one of {', '.join(rule.choices)}, got {value!r}; {rule.help}")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not _within(number, rule):
                raise ValueError(f"{field.name} must be {_bounds(rule)}, got {value}; {rule.help}")


def _within(number: float, rule: Knob) -> bool:
    low, high = -math.inf if rule.lower is None else rule.lower, math.inf if rule.upper is None else rule.upper
    return low <= number <= high


def _bounds(rule: Knob) -> str:
    if rule.upper is None:
        return "a number" if rule.lower is None else f"at least {rule.lower}"
    return f"at most {rule.upper}" if rule.lower is None else f"{rule.lower} to {rule.upper}"
