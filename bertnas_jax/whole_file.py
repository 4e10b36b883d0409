"""A file or folder that appears under its name whole or not at all."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`, renamed to it on success and deleted on an error.

    What is written there may be a file or a folder; it replaces what `path` held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: the compiler's linker chooses the format by it.
    partial = path.with_name(f".partial-{path.name}")
    remove(partial)
    try:
        yield partial
        if path.is_dir():
            shutil.rmtree(path)  # a folder cannot be renamed onto one that is not empty
        partial.replace(path)
    finally:
        remove(partial)


def remove(path: pathlib.Path) -> None:
    """Deletes a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
