"""What a supernet's training step would cost on a TPU topology, found without a TPU.

The real step (elastic, sandwich rule, distillation, AdamW) is compiled ahead of time by libtpu for the
topology's devices; its memory, collectives and cycles are then read off what was compiled. A loop of
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

from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.space import SearchSpace, Subnet, Vocabulary, count_flops
from bertnas_jax.train.mesh import MeshConfig
from bertnas_jax.train.tpu import CHIPS, Chip, chip_of

COMPUTE_DTYPE = "bfloat16"  # what --supernet_compute_dtype would be on a TPU
VOCABULARY = 30522  # of bert-base-uncased and bert-large-uncased
TEACHERS = {  # Source: Devlin et al. 2018, arXiv 1810.04805, section 3
    "bert_base": Subnet.uniform(12, 768, 12, 3072),
    "bert_large": Subnet.uniform(24, 1024, 16, 4096),
}


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """The step to be planned.

    Raises:
      ValueError: a value is out of its bounds, or the topology is of no known TPU.
    """

    topology: str = knob("v5e:16x16", f"Generation and shape of the TPU, e.g. v5e:16x16 or v4:2x2x1; of {', '.join(CHIPS)}.")
    model: str = knob("bert_base", "The teacher whose supernet is trained.", choices=tuple(TEACHERS))
    mesh: MeshConfig = MeshConfig()
    rows_per_device: int = knob(16, "Rows of a batch for each device on the data and fsdp axes.", lower=1)
    seq_len: int = knob(128, "Tokens of a row.", lower=8, upper=512)
    num_random: int = knob(2, "Subnets of a step drawn at random, besides the largest and the smallest.", lower=0, upper=16)

    def __post_init__(self):
        check_knobs(self)
        chip_of(self.topology)

    @property
    def space(self) -> SearchSpace:
        """Half and all of each of depth, heads and ffn. More choices compile longer and cost no more cycles."""
        teacher = TEACHERS[self.model]
        layer = teacher.layers[0]
        return SearchSpace(
            teacher, (teacher.depth // 2, teacher.depth), (teacher.hidden,), (layer.heads // 2, layer.heads), (layer.ffn // 2, layer.ffn)
        )


@dataclasses.dataclass(frozen=True)
class Plan:
    """What libtpu compiled; bytes and cycles are of one device, `collective_bytes` are sent, by kind."""

    topology: str
    model: str
    mesh: tuple[int, int, int]
    devices: int
    chips: int
    rows: int
    seq_len: int
    subnets: int
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
    def model_flops(self) -> int:
        """FLOPs of a step if every Subnet is the largest: a forward pass and twice that backward, recomputation not counted."""
        return 3 * self.subnets * self.rows * count_flops(TEACHERS[self.model], Vocabulary(VOCABULARY), self.seq_len)

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


def plan(config: PlanConfig) -> Plan:
    """The plan, compiled in a process of its own: this one may hold another backend.

    Raises:
      ValueError: libtpu is missing, does not know the topology, or the mesh does not divide its devices.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError("a plan must have libtpu to compile with, found none; pip install -c constraints.txt 'bertnas_jax[tpu]'")
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    command = [sys.executable, "-m", "bertnas_jax.train.plan_process", json.dumps(dataclasses.asdict(config))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"libtpu must compile the step for {config.topology}, got:\n{done.stderr[-4000:]}")
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
        f"  batch              {plan.rows:,} x {plan.seq_len} tokens, {plan.subnets} subnets a step, each priced as the largest, blocks in {COMPUTE_DTYPE}",
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


def print_plans(topology: str, mesh: MeshConfig) -> None:
    """Prints the plans of the BERT-base and the BERT-large supernet; each is minutes of compilation.

    Raises:
      ValueError: as `plan`.
    """
    for config in [PlanConfig(topology, model, mesh) for model in TEACHERS]:
        print(f"compiling the {config.model} supernet's step for {topology} ...", file=sys.stderr, flush=True)
        print(describe_plan(plan(config)), flush=True)
