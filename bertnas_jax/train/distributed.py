"""Many processes as one run: how they find each other, what they must decide alike, and how they end.

Every process runs the same program on the same configuration but for `process_id`, in a run folder that
all can reach; the mesh is over all their devices, each plans the same batches and makes the rows that its
own devices hold. Files are written by the primary alone. Where one process dies the others stop; started again,
all go on from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from bertnas_jax.errors import USER_ERROR, explained
from bertnas_jax.knobs import check_knobs, knob

AUTO = "auto"
# What is said under a collective when the process at its other end is gone: by gloo on CPUs, NCCL on GPUs, and XLA's own states.
_LOST = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "heartbeat", "coordination service")


@dataclasses.dataclass(frozen=True)
class ProcessConfig:
    """Which process of how many this is.

    Raises:
      ValueError: the process is not one of them, or it cannot find the others.
    """

    coordinator: str = knob("", "host:port at which process 0 waits for the others; auto on a Cloud TPU or SLURM; empty for one process.")
    num_processes: int = knob(1, "Processes of the run, all started with the same flags but process_id; not read with coordinator=auto.", lower=1)
    process_id: int = knob(0, "Number of this process, counted from 0; not read with coordinator=auto.", lower=0)
    join_s: int = knob(300, "Seconds within which all processes must have been started.", lower=1)
    heartbeat_s: int = knob(100, "Seconds without a sign of life after which a process counts as dead and the others stop.", lower=10)

    def __post_init__(self):
        check_knobs(self)
        if self.process_id >= self.num_processes:
            raise ValueError(
                f"process_id must be less than num_processes={self.num_processes}, got {self.process_id}; processes are counted from 0"
            )
        if self.num_processes > 1 and not self.coordinator:
            raise ValueError(
                f"coordinator must be given for num_processes={self.num_processes}, got ''; name process 0 as host:port, e.g. 10.0.0.1:1234"
            )
        _, colon, port = self.coordinator.rpartition(":")
        if self.coordinator not in ("", AUTO) and not (colon and port.isdecimal()):
            raise ValueError(f"coordinator must be host:port or auto, got {self.coordinator!r}; e.g. 10.0.0.1:1234")


@contextlib.contextmanager
def joined(config: ProcessConfig) -> Iterator[None]:
    """Joins the other processes; where its body fails in one of several, that one ends at once, with its message.

    An orderly end would wait for the others, which wait for this one's part of a collective.

    Raises:
      ValueError: as `join`.
    """
    join(config)
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        _leave(error)
    barrier()  # so that none counts as dead because the others finish later


def join(config: ProcessConfig) -> None:
    """Waits for the other processes; to be called before anything else of JAX. Nothing to do for one process alone.

    Ends the program if they do not come.

    Raises:
      ValueError: the coordinator's port cannot be used, or the surroundings do not say who the others are.
    """
    if not config.coordinator:
        return
    named = {}
    if config.coordinator != AUTO:
        named = {"coordinator_address": config.coordinator, "num_processes": config.num_processes, "process_id": config.process_id}
    # JAX's own limit ends the process with a stack trace, so that ours must be the first.
    limit = threading.Timer(config.join_s, _give_up, [config])
    limit.daemon = True
    limit.start()
    try:
        jax.distributed.initialize(
            **named,
            initialization_timeout=config.join_s + 60,
            heartbeat_timeout_seconds=config.heartbeat_s,
            shutdown_timeout_seconds=config.heartbeat_s,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"coordinator must be an address that process 0 can wait at, or auto where the surroundings name it, got "
            f"{config.coordinator!r} ({str(error).splitlines()[0]}); choose a free port of process 0's machine"
        ) from error
    finally:
        limit.cancel()


def is_primary() -> bool:
    """True in the process that writes what is written once."""
    return jax.process_index() == 0


def agreed(flag: bool) -> bool:
    """Process 0's answer, in every process: what hangs on a clock or on files must not differ between them."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(flag)))


def barrier() -> None:
    """Waits until every process is here, however long one works alone. Where one cannot come the others are ended by JAX."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("bertnas_jax")


def once(make: Callable[[], None], missing: bool = True) -> None:
    """Runs `make` in the primary, if what it writes is missing there; returns in every process when it is there to be read."""
    if agreed(missing):
        if is_primary():
            make()
        barrier()


def ends_alone() -> bool:
    """True while an error leaves one of several processes: what waits for the others would not let it out."""
    return jax.process_count() > 1 and sys.exc_info()[0] is not None


def _give_up(config: ProcessConfig) -> None:
    others = "the others" if config.coordinator == AUTO else f"the other {config.num_processes - 1} of {config.num_processes}"
    _end(
        f"error: process {config.process_id} must meet {others} within join_s={config.join_s} s, got no answer through coordinator "
        f"{config.coordinator}; start them all with the same --coordinator and --num_processes, and see that its port can be reached"
    )


def _leave(error: BaseException) -> None:
    status = 1
    try:
        with explained():
            if isinstance(error, (RuntimeError, ValueError)) and any(word in str(error) for word in _LOST):
                raise RuntimeError(
                    f"every process of the run must stay alive, got {str(error).splitlines()[0][:200]!r}; see what each said, and "
                    "start them all again with the same commands: the run continues from its last checkpoint"
                ) from error
            raise error
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    _end("", status)


def _end(message: str, status: int = USER_ERROR) -> None:
    """Ends the process without the farewell of `jax.distributed`, which waits for every process."""
    if message:
        print(message, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
