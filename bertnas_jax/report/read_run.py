"""The files of a run folder into `RunResults`, each checked before anything is drawn."""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from bertnas_jax.flags import config_from_json
from bertnas_jax.report.parse import parse
from bertnas_jax.report.results import LatencyLine, Point, RunResults
from bertnas_jax.report.summary import Summary
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.search.evaluated import Finalist
from bertnas_jax.search.kernel_cost import CostsAt

T = TypeVar("T")


def read_run(folder: pathlib.Path) -> RunResults:
    """What the run folder says.

    Raises:
      ValueError: a file is missing, is not what its stage writes, or does not fit the others; names it and the command that writes it.
    """
    folder = pathlib.Path(folder)
    lines, torn_lines = _read_lines(folder, "latency.jsonl")
    run = RunResults(
        config=_made(folder, "config.json", functools.partial(config_from_json, SearchConfig)),
        summary=_read(folder, "summary.json", Summary),
        evaluated=_read(folder, "search/evaluated.json", tuple[Point, ...]),
        uniform=_read(folder, "search/uniform.json", tuple[Point, ...]),
        compared={name: _read(folder, f"search/compared/{name}.json", tuple[Point, ...]) for name in _compared(folder)},
        kernels=_read(folder, "kernels.json", tuple[CostsAt, ...]),
        finalists=_read(folder, "finalists.json", tuple[Finalist, ...]),
        latencies=lines,
        torn_lines=torn_lines,
    )
    _check_agreement(folder, run)
    return run


def _compared(folder: pathlib.Path) -> list[str]:
    """The samplers whose search is whole."""
    return sorted(path.stem for path in folder.glob("search/compared/*.json"))


def _check_agreement(folder: pathlib.Path, run: RunResults) -> None:
    winner = run.summary.subnet
    chosen = [finalist.subnet for finalist in run.finalists if finalist.chosen]
    if chosen != [winner]:
        names = [subnet.describe() for subnet in chosen]
        raise _broken(folder, "finalists.json", f"must have summary.json's winner {winner.describe()} alone as chosen, got {names}")
    if run.winner_point is None:
        raise _broken(folder, "search/evaluated.json", f"must hold the winner {winner.describe()}, got {len(run.evaluated)} others")
    if not run.front:
        raise _broken(folder, "search/evaluated.json", "must mark the front by on_front, got none")


def _read(folder: pathlib.Path, name: str, cls: type[T]) -> T:
    return _made(folder, name, lambda text: parse(cls, json.loads(text), "the file"))


def _made(folder: pathlib.Path, name: str, make: Callable[[str], T]) -> T:
    """What is made of the text of a file that holds JSON."""
    text = _text(folder, name)
    try:
        return make(text)
    except json.JSONDecodeError as error:
        raise _broken(folder, name, f"must be JSON, got {error}") from error
    except (ValueError, TypeError, AttributeError) as error:  # the last two of a configuration that is no JSON object
        raise _broken(folder, name, f"must be what the search writes, got one where {error}") from error


def _read_lines(folder: pathlib.Path, name: str) -> tuple[tuple[LatencyLine, ...], int]:
    """The records of a JSON-lines file, and how many of its lines are no JSON: a crash tore them."""
    parsed: list[LatencyLine] = []
    torn = 0
    for number, line in enumerate(_text(folder, name).splitlines(), start=1):
        if not line.strip():
            continue
        fields: Any
        try:
            fields = json.loads(line)
        except json.JSONDecodeError:
            torn += 1
            continue
        try:
            parsed.append(parse(LatencyLine, fields, f"line {number}"))
        except ValueError as error:
            raise _broken(folder, name, f"must be what the search writes, got one where {error}") from error
    return tuple(parsed), torn


def _text(folder: pathlib.Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"{folder / name} must be there, got no such file; {_command(folder)} writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(folder, name, f"must be readable text, got {error}") from error


def _broken(folder: pathlib.Path, name: str, problem: str) -> ValueError:
    return ValueError(f"{folder / name} {problem}; delete it and {_command(folder)} writes it again")


def _command(folder: pathlib.Path) -> str:
    return f"`python -m bertnas_jax.search --flagfile=... --workdir={folder}`"
