"""Programs whose absl flags are made from a configuration dataclass, and the dataclass back from them.

A nested dataclass's knobs are flags of its field's name and their own, `teacher_epochs`, or of
their own name alone where the field's metadata says `flat`. A flagfile is such flags, one a line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Callable, Iterator
from typing import Any

from absl import app, flags, logging

from bertnas_jax.errors import explained
from bertnas_jax.knobs import Knob


def nested(default_factory: Any, flat: bool = False):
    """A dataclass field that holds a dataclass of knobs."""
    return dataclasses.field(default_factory=default_factory, metadata={"flat": flat})


def define_flags(config_type: type, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for every knob of the dataclass and of those nested in it."""
    for name, default, rule, kind in _knobs(config_type(), ""):
        if kind is bool:
            flags.DEFINE_boolean(name, default, rule.help, flag_values=values)
        elif kind is int:
            flags.DEFINE_integer(name, default, rule.help, flag_values=values)
        elif kind is float:
            flags.DEFINE_float(name, default, rule.help, flag_values=values)
        elif rule.choices is not None:
            flags.DEFINE_enum(name, default, list(rule.choices), rule.help, flag_values=values)
        else:
            flags.DEFINE_string(name, _as_text(default), rule.help, flag_values=values)


def config_from_flags(config_type: type, values: flags.FlagValues = flags.FLAGS) -> Any:
    """The dataclass with every knob set to its flag.

    Raises:
      ValueError: a list of integers holds something else, or the dataclass refuses a value.
    """
    return _build(config_type, "", lambda name: values[name].value)


def config_over(base: Any, values: flags.FlagValues = flags.FLAGS) -> Any:
    """The dataclass `base` with every knob whose flag was given set to it.

    Raises:
      ValueError: as `config_from_flags`.
    """
    own = {name: _as_text(value) for name, value, *_ in _knobs(base, "")}
    return _build(type(base), "", lambda name: values[name].value if values[name].present else own[name])


def main_of(config_type: type, run: Callable[[Any], None]) -> Callable[[list[str]], None]:
    """What `absl.app.run` takes: `run` on the configuration of the flags, with errors that a user can mend in one line."""

    def main(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"flags must begin with --, got {argv[1:]}; write --name=value (comments of a flagfile begin at column 0)")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it advises to install PyTorch, which nothing here needs
        logging.set_verbosity(logging.WARNING)  # orbax tells of every checkpoint otherwise
        with explained():
            run(config_from_flags(config_type))

    return main


def config_to_json(config: Any) -> str:
    """The knobs by flag name, as an indented JSON object."""
    return json.dumps({name: value for name, value, *_ in _knobs(config, "")}, indent=2) + "\n"


def config_from_json(config_type: type, text: str) -> Any:
    """The dataclass that `config_to_json` wrote; a knob that is younger than the text has its default."""
    fields = json.loads(config_to_json(config_type())) | json.loads(text)
    return _build(config_type, "", lambda name: _as_text(tuple(fields[name])) if isinstance(fields[name], list) else fields[name])


def config_to_flagfile(config: Any) -> str:
    """The knobs as the lines of a flagfile."""
    return "".join(f"--{name}={_as_text(value)}\n" for name, value, *_ in _knobs(config, ""))


def _knobs(config: Any, prefix: str) -> Iterator[tuple[str, Any, Knob, type]]:
    """(flag name, value, knob, type) of every knob."""
    types = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _knobs(value, prefix if field.metadata["flat"] else f"{prefix}{field.name}_")
        else:
            yield prefix + field.name, value, field.metadata["knob"], types[field.name]


def _build(config_type: type, prefix: str, value_of: Any) -> Any:
    types = typing.get_type_hints(config_type)
    made = {}
    for field in dataclasses.fields(config_type):
        kind = types[field.name]
        if dataclasses.is_dataclass(kind):
            made[field.name] = _build(kind, prefix if field.metadata["flat"] else f"{prefix}{field.name}_", value_of)
        else:
            made[field.name] = _parse(prefix + field.name, value_of(prefix + field.name), kind)
    return config_type(**made)


def _parse(name: str, value: Any, kind: type) -> Any:
    if kind not in (tuple[int, ...], tuple[str, ...]):
        return value
    items = [item.strip() for item in value.split(",") if item.strip()]
    if kind == tuple[str, ...]:
        return tuple(items)
    try:
        return tuple(map(int, items))
    except ValueError:
        raise ValueError(f"--{name} must be integers separated by commas, got {value!r}; e.g. --{name}=2,4,6") from None


def _as_text(value: Any) -> Any:
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else value
