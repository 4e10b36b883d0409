"""Many processes as one run: how they find each other, and what they must decide alike.

Every process runs the same program on the same configuration but for `process_id`; the mesh is over
all their devices, each makes the same batches and sends its own devices their rows. Where one dies the
others stop; started again, all go on from the last checkpoint.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.experimental import multihost_utils

from bertnas_jax.knobs import check_knobs, knob

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class ProcessConfig:
    """Which process of how many this is.

    Raises:
      ValueError: the process is not one of them, or it cannot find the others.
    """

    coordinator: str = knob("", "host:port at which process 0 waits for the others; auto on a Cloud TPU or SLURM; empty for one process.")
    num_processes: int = knob(1, "Processes of the run, all started with the same flags but process_id.", lower=1)
    process_id: int = knob(0, "Number of this process, counted from 0.", lower=0)
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


def join(config: ProcessConfig) -> None:
    """Waits for the other processes; to be called before anything else of JAX. Nothing to do for one process alone."""
    if not config.coordinator:
        return
    if config.coordinator == AUTO:
        jax.distributed.initialize(heartbeat_timeout_seconds=config.heartbeat_s)
        return
    jax.distributed.initialize(
        config.coordinator, config.num_processes, config.process_id, heartbeat_timeout_seconds=config.heartbeat_s
    )


def is_primary() -> bool:
    """True in the process that writes what is written once."""
    return jax.process_index() == 0


def agreed(flag: bool) -> bool:
    """Process 0's answer, in every process: what hangs on a clock must not differ between them."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(flag)))
