"""Every flag of `python -m bertnas_jax.train`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.flags import nested
from bertnas_jax.knobs import knob
from bertnas_jax.train.distributed import ProcessConfig
from bertnas_jax.train.supernet_config import SupernetConfig


@dataclasses.dataclass(frozen=True)
class TrainProgram(SupernetConfig):
    """What the program may be asked for: training, or the plan of a training.

    Raises:
      ValueError: a plan is asked of several processes.
    """

    plan: str = knob("", "A TPU such as v5e:16x16: prints what the supernet's step would cost there, and trains nothing.")
    process: ProcessConfig = nested(ProcessConfig, flat=True)

    def __post_init__(self):
        super().__post_init__()
        if self.plan and self.process != ProcessConfig():
            raise ValueError(f"plan must be made by one process, got {self.process}; leave out --coordinator and what goes with it")
