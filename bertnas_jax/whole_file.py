"""A file or folder that appears under its name whole or not at all."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`, renamed to it on success and deleted on an error.

    What is written there may be a file or a folder; it replaces what `path` held. A folder cannot be renamed onto one that is not empty: the
    old one is put aside until the new one is in its place, and is put back where a program was killed between the two.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: the compiler's linker chooses the format by it.
    partial, aside = path.with_name(f".partial-{path.name}"), path.with_name(f".replaced-{path.name}")
    if aside.exists() and not path.exists():
        aside.rename(path)
    remove(partial)
    try:
        yield partial
        if path.is_dir():
            remove(aside)
            path.rename(aside)
        partial.replace(path)
        remove(aside)
    finally:
        remove(partial)


def remove(path: pathlib.Path) -> None:
    """Deletes a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
