"""Checks the jaxtyping annotations of most of bertnas_jax wherever a test runs what they are written at.

Installed before anything of the package is imported, in the modules that have such annotations: wrapping the functions
of the others would cost time and check nothing.
"""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Callable
from typing import Any

import beartype
import jax
import jaxtyping
import numpy as np

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "bertnas_jax"
# TODO: the other rooms, once their annotations are mended.
ROOMS = ("data", "model", "supernet", "train/losses", "latency/simulate")
_NUMBERS = beartype.BeartypeConf(is_pep484_tower=True)  # a float may be given as an int


def check_array_types() -> None:
    """Has every module with array annotations that is imported from now on check them."""
    jaxtyping.Array = jax.Array | np.ndarray  # what takes JAX's arrays takes numpy's as well, as all of JAX does
    jaxtyping.install_import_hook(annotated_modules(), f"{__name__}.checked")


def annotated_modules() -> list[str]:
    """The names of the rooms' modules that import jaxtyping."""
    paths = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py") if "from jaxtyping import" in path.read_text(encoding="utf-8"))
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]


def checked(function: Callable) -> Callable:
    """The function that refuses arrays of another type or shape than it says; its other hints are not checked.

    They are for readers: a float's says nothing against an int, a tuple's nothing against a list. What makes a dataclass of
    JAX's arrays is not checked either: JAX makes it of shapes, shardings and placeholders too, as of any tree.
    """
    is_tree = function.__name__ == "__init__"
    hints = {name: hint if _is_checked(_array_types(hint), is_tree) else Any for name, hint in function.__annotations__.items()}
    if all(hint is Any for hint in hints.values()):
        return function
    function.__annotations__ = hints
    return beartype.beartype(conf=_NUMBERS)(function)


def _is_checked(types: set[type], is_tree: bool) -> bool:
    return bool(types) and not (is_tree and jax.Array in types)


def _array_types(hint: Any) -> set[type]:
    """JAX's, numpy's, both or neither: whose arrays the hint speaks of."""
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return {hint.array_type}
    return set().union(*map(_array_types, typing.get_args(hint)))
