"""What a supernet's training step would cost on a TPU topology, found without a TPU.

The step that a run's flags would train (elastic, sandwich rule, its losses, AdamW) is compiled ahead of time by libtpu for the
topology's devices (`planned_step`); its memory, collectives and cycles are then read off what was compiled. A loop of
Subnets is priced as if each were the largest: XLA's text says neither which branch will be taken nor
how many blocks will be run.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import os
import subprocess
import sys

from bertnas_jax.flags import config_to_json
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.supernet_config import SupernetConfig
from bertnas_jax.train.tpu import Chip, chip_of

@dataclasses.dataclass(frozen=True)
class Plan:
    """What libtpu compiled: bytes (`collective_bytes` are sent, by kind) and cycles are of one device, FLOPs of all, every Subnet the largest."""

    topology: str
    model: str
    mesh: tuple[int, int, int]
    devices: int
    chips: int
    rows: int
    seq_len: int
    subnets: int
    compute_dtype: str
    losses: str
    model_flops: int
    arguments_bytes: int
    temporary_bytes: int
    program_bytes: int
    collective_bytes: dict[str, int]
    cycles: int
    peak_flops_per_cycle: float
    optimal_seconds: float

    @property
    def chip(self) -> Chip:
        return chip_of(self.topology)

    @property
    def bytes_per_chip(self) -> int:
        """Arguments (the state's memory is that of its successor), temporaries and program."""
        return (self.arguments_bytes + self.temporary_bytes + self.program_bytes) * self.devices // self.chips

    @property
    def compute_s(self) -> float:
        """XLA's cycles at the rate at which its estimate of a large matrix product reaches the chip's peak."""
        return self.cycles * self.peak_flops_per_cycle / (self.chip.peak_flops * self.chips / self.devices)

    @property
    def collective_s(self) -> float:
        """Least time in which a chip's links send what its devices do in collectives."""
        return sum(self.collective_bytes.values()) * (self.devices / self.chips) / self.chip.link_bytes_per_s

    @property
    def peak_s(self) -> float:
        """Time of the model's FLOPs at the chips' bf16 peak."""
        return self.model_flops / (self.chips * self.chip.peak_flops)

    @property
    def memory_s(self) -> float:
        """Least time of a chip's memory: the state and batch are read, the state is written, temporaries are written and read."""
        moved = 2 * (self.arguments_bytes + self.temporary_bytes) * self.devices // self.chips
        return moved / self.chip.memory_bytes_per_s

    @property
    def roofline_s(self) -> float:
        """A step of largest Subnets is no faster: FLOPs, memory and links each at their peak, all at the same time."""
        return max(self.peak_s, self.memory_s, self.collective_s)

    @property
    def step_s(self) -> tuple[float, float]:
        """XLA's compute and the links at the same time, and one after the other."""
        return max(self.compute_s, self.collective_s), self.compute_s + self.collective_s

    def mfu(self, step_s: float) -> float:
        """Share of the chips' peak that the model's FLOPs are, at this step time."""
        return self.model_flops / (step_s * self.chips * self.chip.peak_flops)


def plan(topology: str, config: SupernetConfig) -> Plan:
    """The plan of a run's step, compiled in a process of its own: this one may hold another backend.

    Raises:
      ValueError: libtpu is missing or does not know the topology, or the mesh, the checkpoint, the task or the space is not as it must be.
    """
    chip_of(topology)
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("a plan must have libtpu to compile with, found none; pip install -c constraints.txt 'bertnas_jax[tpu]'")
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    command = [sys.executable, "-m", "bertnas_jax.train.plan_process", topology, config_to_json(config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"libtpu must compile the step for {topology}, got:\n{done.stderr[-4000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise ValueError(answer["error"])
    return Plan(**answer | {"mesh": tuple(answer["mesh"])})


def describe_plan(plan: Plan) -> str:
    """The plan for a terminal."""
    chip, gb = plan.chip, plan.bytes_per_chip / 1e9
    together, apart = plan.step_s
    collectives = ", ".join(f"{kind} {size / 1e6:,.1f} MB" for kind, size in plan.collective_bytes.items()) or "none"
    lines = [
        f"{plan.model} supernet on {plan.topology}: {plan.chips} chips, mesh data={plan.mesh[0]} fsdp={plan.mesh[1]} tensor={plan.mesh[2]}",
        f"  batch              {plan.rows:,} x {plan.seq_len} tokens, {plan.subnets} subnets a step, each priced as the largest, blocks in {plan.compute_dtype}",
        f"  losses             {plan.losses}",
        f"  memory per chip    {gb:.2f} GB of {chip.memory_gb} GB{'' if gb <= chip.memory_gb else ': DOES NOT FIT'}",
        f"  model FLOPs        {plan.model_flops / 1e12:,.1f} TFLOP a step",
        f"  collectives        {collectives} sent a step and device",
        f"  XLA's compute      {plan.compute_s * 1e3:,.2f} ms ({plan.cycles:,} cycles)",
        f"  links, at least    {plan.collective_s * 1e3:,.2f} ms",
        f"  roofline           {plan.roofline_s * 1e3:,.2f} ms: the largest of {plan.peak_s * 1e3:,.2f} for FLOPs, "
        f"{plan.memory_s * 1e3:,.2f} for memory and {plan.collective_s * 1e3:,.2f} for links, each at its peak",
        f"  step               {together * 1e3:,.2f} ms overlapped, {apart * 1e3:,.2f} ms one after the other",
        f"  MFU                {plan.mfu(together):.1%} overlapped, {plan.mfu(apart):.1%} one after the other",
    ]
    if math.isfinite(plan.optimal_seconds) and plan.optimal_seconds > 0:
        lines.append(f"  optimal_seconds    {plan.optimal_seconds * 1e3:,.2f} ms, loop bodies counted once")
    else:
        lines.append("  optimal_seconds    none: XLA gives no time to a step whose choices only the run knows; its cycles are added up instead")
    return "\n".join(lines)


def describe_losses(config: SupernetTrainConfig) -> str:
    """The losses that are not left out, with their weights."""
    soft = "the largest subnet's logits" if config.distill_from == "largest" else "the teacher's logits"
    of_logits = ((config.label_weight, "labels"), (1 - config.label_weight, soft))
    weighted = [(config.output_weight * share, name) for share, name in of_logits]
    weighted += [(config.hidden_weight, "hidden states"), (config.attention_weight, "query-key relations"), (config.value_weight, "value relations")]
    return ", ".join(f"{weight:g} {name}" for weight, name in weighted if weight)


def print_plans(topology: str, configs: list[SupernetConfig]) -> None:
    """Prints the plan of each run's step; each is minutes of compilation.

    Raises:
      ValueError: as `plan`.
    """
    for config in configs:
        print(f"compiling the step of {config.checkpoint}'s supernet for {topology} ...", file=sys.stderr, flush=True)
        print(describe_plan(plan(topology, config)), flush=True)
