"""Keeps a message that TVM prints for every constant it saves or loads off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# tvm/src/runtime/vm/executable.cc logs the (empty) memory scope of each constant at the level of a warning.
_CHATTER = re.compile(rb"^\[[0-9:]+\] .*executable\.cc:\d+: Warning: Scope (Saving|Loaded):\s*$")


@contextlib.contextmanager
def without_scope_messages() -> Iterator[None]:
    """Holds back what its body's C++ code writes to standard error, then passes on all but that message."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line.rstrip(b"\n")):
                    os.write(2, line)
