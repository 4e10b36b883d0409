"""A number with its unit, where it comes from and how far that can be trusted; a section of them read from JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

# From the most trusted: a micro-benchmark's log; a data sheet or a table; a guess from a related part.
BASES = ("measured", "published", "assumed")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a profile."""

    value: float
    unit: str
    source: str
    basis: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a figure must be: its unit, inclusive bounds, whether it may be null, and whether its field may be left out for that."""

    unit: str
    lower: float
    upper: float
    optional: bool = False
    late: bool = False


def figure(unit: str, lower: float, upper: float, optional: bool = False, late: bool = False) -> Any:
    """A dataclass field that holds a `Figure` of this unit within these bounds; a `late` one is None in files older than it."""
    rule = Rule(unit, lower, upper, optional or late, late)
    return dataclasses.field(default=None, metadata={"rule": rule}) if late else dataclasses.field(metadata={"rule": rule})


def read_section(kind: type, fields: object, where: str) -> Any:
    """The dataclass `kind` of a JSON object: its figures checked against their rules, its texts and flags by type.

    Raises:
      ValueError: a field is missing, unknown or not what its rule says; the message names it by `where`.
    """
    declared = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(fields, Mapping):
        raise ValueError(f"{where} must be an object with the fields {sorted(declared)}, got {fields!r}; see the other profiles")
    needed = {name for name, field in declared.items() if not (rule := field.metadata.get("rule")) or not rule.late}
    missing, unknown = sorted(needed - set(fields)), sorted(set(fields) - set(declared))
    if missing or unknown:
        cure = "an optional figure is null, not absent" if missing else f"the fields are {sorted(declared)}"
        raise ValueError(f"{where} must have every field and no other, got missing {missing}, unknown {unknown}; {cure}")
    made = {}
    for name, field in declared.items():
        rule: Rule | None = field.metadata.get("rule")
        made[name] = _read_figure(fields.get(name), rule, f"{where}.{name}") if rule else _read_text(fields[name], f"{where}.{name}")
    return kind(**made)


def _read_text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} must be a name, got {value!r}; give text that is not empty")
    return value


def _read_figure(fields: object, rule: Rule, where: str) -> Figure | None:
    if fields is None and rule.optional:
        return None
    names = {field.name for field in dataclasses.fields(Figure)}
    if not isinstance(fields, Mapping) or set(fields) != names:
        raise ValueError(f"{where} must be an object with {sorted(names)}, got {fields!r}; a number alone does not say where it comes from")
    value = fields["value"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{where} must be a number, got {value!r}; a figure that is not known is null where it is optional")
    if fields["unit"] != rule.unit:
        raise ValueError(f"{where} must be in {rule.unit}, got {fields['unit']!r}; convert it")
    if not rule.lower <= value <= rule.upper:
        raise ValueError(f"{where} must be {rule.lower:g} to {rule.upper:g} {rule.unit}, got {value:g}; check its unit")
    if fields["basis"] not in BASES:
        raise ValueError(f"{where} must have a basis of {BASES}, got {fields['basis']!r}; a guess is 'assumed'")
    return Figure(float(value), rule.unit, _read_text(fields["source"], f"{where}.source"), fields["basis"])
