"""C text of a model: the sizes its callers see, and for every length the kernels in the order they run."""

from __future__ import annotations

import pathlib
import string
from collections.abc import Mapping, Sequence

from bertnas_jax.compiler.memory_plan import MemoryPlan, plan_memory
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


def plan_text(programs: Mapping[int, Program], layout: WeightsLayout) -> str:
    """`plan.c` of one model's programs by length, ascending: what plan.h declares."""
    plans = {length: plan_memory(program) for length, program in programs.items()}
    prototypes = {launch.kernel: _prototype(launch) for program in programs.values() for launch in program.launches}
    runs = [_run(length, program, plans[length], layout) for length, program in programs.items()]
    names = programs[max(programs)].input_names
    cases = [f"    case {length}: return run_{length}(weights, arena, {', '.join(names)}, logits);" for length in programs]
    lines = [
        '#include "plan.h"',
        "",
        *prototypes.values(),
        "",
        f'const char bertnas_magic[8] = {{{", ".join(map(str, MAGIC))}}};',
        f"const uint8_t bertnas_fingerprint[BERTNAS_FINGERPRINT_BYTES] = {{{', '.join(map(str, layout.fingerprint))}}};",
        f"const uint64_t bertnas_weights_bytes = {layout.file_bytes};",
        f"const uint64_t bertnas_arena_bytes = {max(1, *(plan.arena_bytes for plan in plans.values()))};",
        f"const int32_t bertnas_lengths[] = {{{', '.join(map(str, programs))}, 0}};",
        "",
        *runs,
        f"int bertnas_run_kernels(int32_t length, {_parameters(names)}) {{",
        "  switch (length) {",
        *cases,
        "  }",
        "  return -1;",
        "}",
        "",
    ]
    return "\n".join(lines)


def _parameters(names: Sequence[str]) -> str:
    inputs = ", ".join(f"const int32_t *{name}" for name in names)
    return f"const char *weights, char *arena, {inputs}, const float **logits"


def _run(length: int, program: Program, plan: MemoryPlan, layout: WeightsLayout) -> str:
    """The function that runs the kernels of one length."""
    calls = " ||\n         ".join(_call(program, launch, plan, layout) for launch in program.launches)
    lines = [
        f"static int run_{length}({_parameters(program.input_names)}) {{",
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
