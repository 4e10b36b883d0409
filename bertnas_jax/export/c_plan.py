"""C text of a program: the sizes its callers see, and the kernels in the order they run."""

from __future__ import annotations

import pathlib
import string

from bertnas_jax.compiler.memory_plan import MemoryPlan
from bertnas_jax.compiler.program import Argument, Launch, Place, Program
from bertnas_jax.export.weights_file import MAGIC, WeightsLayout
from bertnas_jax.model import BertConfig

C_SOURCES = pathlib.Path(__file__).parent / "c_sources"
HEADER_FILE = "bertnas.h"


def header_text(config: BertConfig, seq_len: int, description: str) -> str:
    """`bertnas.h` of a model."""
    template = string.Template((C_SOURCES / f"{HEADER_FILE}.in").read_text(encoding="utf-8"))
    return template.substitute(
        description=description,
        seq_len=seq_len,
        vocab_size=config.vocab_size,
        token_types=config.type_vocab_size,
        num_outputs=config.num_outputs,
    )


def plan_text(program: Program, plan: MemoryPlan, layout: WeightsLayout) -> str:
    """`plan.c` of a program: what plan.h declares."""
    prototypes = {launch.kernel: _prototype(launch) for launch in program.launches}
    calls = " ||\n         ".join(_call(program, launch, plan, layout) for launch in program.launches)
    names = ", ".join(f"const int32_t *{name}" for name in program.input_names)
    fingerprint = ", ".join(map(str, layout.fingerprint))
    lines = [
        '#include "plan.h"',
        "",
        *prototypes.values(),
        "",
        f'const char bertnas_magic[8] = {{{", ".join(map(str, MAGIC))}}};',
        f"const uint8_t bertnas_fingerprint[BERTNAS_FINGERPRINT_BYTES] = {{{fingerprint}}};",
        f"const uint64_t bertnas_weights_bytes = {layout.file_bytes};",
        f"const uint64_t bertnas_arena_bytes = {max(plan.arena_bytes, 1)};",
        "",
        f"int bertnas_run_kernels(const char *weights, char *arena, {names}, const float **logits) {{",
        f"  *logits = (const float *)({_address(program, program.result, plan, layout)});",
        f"  return {calls};",
        "}",
        "",
    ]
    return "\n".join(lines)


def _prototype(launch: Launch) -> str:
    reads, writes = ["const void *"] * len(launch.reads), ["void *"] * len(launch.writes)
    return f"int32_t {launch.kernel}({', '.join(reads + writes)});"


def _call(program: Program, launch: Launch, plan: MemoryPlan, layout: WeightsLayout) -> str:
    arguments = [_address(program, argument, plan, layout) for argument in (*launch.reads, *launch.writes)]
    return f"{launch.kernel}({', '.join(arguments)})"


def _address(program: Program, argument: Argument, plan: MemoryPlan, layout: WeightsLayout) -> str:
    if argument.place is Place.INPUT:
        return program.input_names[argument.index]
    if argument.place is Place.WEIGHT:
        return f"weights + {layout.offsets[argument.index]}"
    return f"arena + {plan.offsets[argument.index]}"
