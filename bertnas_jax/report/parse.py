"""Parsed JSON into frozen dataclasses, strictly: the annotations say what is allowed."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any, TypeVar

from bertnas_jax.space import Subnet

T = TypeVar("T")


def parse(cls: type[T], value: Any, what: str) -> T:
    """The value as `cls`: a dataclass, Subnet, tuple[X, ...], X | None, dict, str, int, float or bool.

    A dataclass needs all of its fields and may be given more. A float is finite.

    Raises:
      ValueError: the value, or a part of it, is something else; the message says which without a cure.
    """
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else parse(arguments[0], value, what)
    if origin is tuple:
        _check(isinstance(value, list), what, "be a list", value)
        return tuple(parse(arguments[0], item, f"{what}[{i}]") for i, item in enumerate(value))
    if cls is Subnet:
        return _subnet(value, what)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, value, what)
    return _plain(cls, value, what)


def _dataclass(cls: type[T], value: Any, what: str) -> T:
    _check(isinstance(value, dict), what, "be a JSON object", value)
    hints = _hints(cls)
    missing = sorted(hints.keys() - value.keys())
    _check(not missing, what, f"have the fields {missing}", sorted(value))
    return cls(**{name: parse(hint, value[name], f"{what}.{name}") for name, hint in hints.items()})


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _subnet(value: Any, what: str) -> Subnet:
    try:
        return Subnet.from_fields(value)
    except ValueError as error:
        raise ValueError(f"{what} must be a Subnet, got one where {error}") from error


def _plain(cls: type, value: Any, what: str) -> Any:
    if cls is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _check(number and math.isfinite(value), what, "be a finite number", value)
        return float(value)
    exact = isinstance(value, cls) and not (cls is int and isinstance(value, bool))
    _check(exact, what, f"be of type {cls.__name__}", value)
    return value


def _check(holds: bool, what: str, rule: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{what} must {rule}, got {str(value)[:80]}")
