"""Records of a long comparison, written down one by one, so that it goes on where it stopped."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable

SETTINGS = "settings.json"


def recorded(path: pathlib.Path, field: str, keys: Iterable[str], record: Callable[[str], dict]) -> list[dict]:
    """`record(key)` of every key; each is a line of the file once it is done, with its key in this field, and is not done again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines, whole = _lines(path)
    if whole != lines:
        path.write_text("".join(whole), encoding="utf-8")
    done = {fields[field]: fields for fields in map(json.loads, whole)}
    keys = list(keys)
    for key in keys:
        if key not in done:
            done[key] = {field: key} | record(key)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[key]) + "\n")
    return [done[key] for key in keys]


def written_down(path: pathlib.Path) -> list[dict]:
    """The records that the file has, of a run that may still go on."""
    return [json.loads(line) for line in _lines(path)[1]]


def _lines(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """All lines of the file, and the whole ones: a killed run may leave half a line."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return lines, [line for line in lines if line.endswith("\n")]


def check_settings(folder: pathlib.Path, settings: dict) -> None:
    """Raises ValueError if the folder's records were made with other settings; writes them down otherwise."""
    path = folder / SETTINGS
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if old != settings:
            raise ValueError(
                f"settings must be those of the records in {folder}, {old}, got {settings}; give the same flags, or move the folder away"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
