"""Which Subnet a model or a module is of, told with what goes wrong while it is compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import tvm

from bertnas_jax.errors import is_ours

# The attribute of a traced module that holds its Subnet's description.
SUBNET = "bertnas.subnet"


def subnet_of(model: Callable) -> str | None:
    """The description of the model's Subnet, None of any other function."""
    try:
        return model.config.subnet.describe()
    except AttributeError:  # any function may be compiled
        return None


def subnet_of_module(module: tvm.IRModule) -> str | None:
    """The description of the Subnet that a module was traced from, None if it was of none."""
    return str(module.attrs[SUBNET]) if module.attrs is not None and SUBNET in module.attrs else None


@contextlib.contextmanager
def naming(subnet: str | None) -> Iterator[None]:
    """What this package raises in the body of an operator, a kernel or a tool names the Subnet too, once."""
    try:
        yield
    except RuntimeError as error:  # as NotImplementedError is, and what TVM makes of one that is raised in a rule of LegalizeOps
        if subnet is None or not is_ours(error) or str(error).startswith(f"{subnet}: "):
            raise
        raise type(error)(f"{subnet}: {error}") from error
