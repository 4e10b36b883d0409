"""How a program says what went wrong: one line for what the user can mend, a traceback for what we must."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import sys
from collections.abc import Iterator

_PACKAGE = pathlib.Path(__file__).parent
USER_ERROR = 2  # the exit status of a command that was asked for something it cannot do
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EROFS)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Ends the program with the message alone if its body raises what bad input or a full disk raises."""
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted: the same command continues this run", file=sys.stderr)
        sys.exit(128 + 2)
    except OSError as error:
        if error.errno in FULL:
            _fail(f"the disk must have room, got {error}; free some and give the same command again: what was written whole is kept")
        if error.errno in REFUSED:
            _fail(f"files must be readable and writable, got {error}; allow it and give the same command again: what was written whole is kept")
        if error.errno is None or error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            _fail(str(error))
        raise
    except (ValueError, RuntimeError, FloatingPointError) as error:
        if not is_ours(error):
            raise
        _fail(str(error))


def is_ours(error: BaseException) -> bool:
    """True if this package raised it: its messages name the cure, a library's need their traceback."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    # By its file: of what passed through TVM's C++ a frame has no module.
    return frame is not None and pathlib.Path(frame.tb_frame.f_code.co_filename).is_relative_to(_PACKAGE)


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(USER_ERROR)
