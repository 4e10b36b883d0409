"""How many threads compiled models run on."""

from __future__ import annotations

import os

import tvm

# Source: tvm/runtime/threading_backend.h, ThreadGroup::AffinityMode::kSpecifyThreadShareAllCore:
# the threads share the given cores and none is pinned, as other modes pin the calling thread.
_SHARE_ALL_CORES = -3


def set_num_threads(count: int) -> None:
    """Sets the threads of every model that this Python thread runs from now on.

    Without it TVM takes half of the cores of an x86 machine.

    Raises:
      ValueError: there are fewer cores than threads.
    """
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(cores):
        raise ValueError(f"num_threads must be between 1 and the {len(cores)} cores of this process, got {count}; more would only wait")
    configure = tvm.get_global_func("runtime.config_threadpool")
    configure(_SHARE_ALL_CORES, count, [str(core) for core in cores])


def num_threads() -> int:
    """The threads that a model run by this Python thread uses."""
    return int(tvm.get_global_func("runtime.NumThreads")())
