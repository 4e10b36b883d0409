"""Keeps a measurement on as many cores as it says it uses."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def usable_cores() -> tuple[int, ...]:
    """The cores this thread may run on, in order; of an operating system that does not say, all."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """Runs its body on the first `threads` usable cores, which it yields, and restores what was.

    It binds the calling thread and the worker threads created in the body: load TFLite models in
    it, and call the compiler's `set_num_threads` in it, which takes the cores of the moment. TVM makes
    its threads once, as many as there are cores then, so they are made before.

    Raises:
      ValueError: there are fewer cores.
      OSError: the operating system is not Linux, which alone can bind threads to cores.
    """
    from bertnas_jax.compiler import set_num_threads  # TVM takes seconds to load, and nothing else here needs it

    before = usable_cores()
    if not 1 <= threads <= len(before):
        raise ValueError(f"threads must be 1 to the {len(before)} usable cores, got {threads}; use a machine with more")
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("pinning must run on Linux, got an operating system without sched_setaffinity; measure unpinned and say so")
    set_num_threads(len(before))
    os.sched_setaffinity(0, before[:threads])
    try:
        yield before[:threads]
    finally:
        os.sched_setaffinity(0, before)
