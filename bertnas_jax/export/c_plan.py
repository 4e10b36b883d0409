"""C text of a model: the sizes its callers see, and for every length the kernels in the order they run."""

from __future__ import annotations

import pathlib
import string
from collections.abc import Mapping, Sequence

import tvm

from bertnas_jax.compiler.kernel_object import Overwriting, write_kernel_object
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


def write_kernels(
    lowered: tvm.IRModule, programs: Mapping[int, Program], layout: WeightsLayout, target: tvm.target.Target, folder: pathlib.Path
) -> None:
    """Writes `kernels.o` of a lowered module, and `plan.c` of its programs by length, ascending."""
    plans = {length: plan_memory(program) for length, program in programs.items()}
    overwriting = {_overwriting(programs[length], plan, time) for length, plan in plans.items() for time in plan.in_place}
    write_kernel_object(lowered, target, folder / "kernels.o", overwriting)
    (folder / "plan.c").write_text(_plan_text(programs, plans, layout), encoding="utf-8")


def _plan_text(programs: Mapping[int, Program], plans: Mapping[int, MemoryPlan], layout: WeightsLayout) -> str:
    """What plan.h declares."""
    launches = [(_name(program, plans[length], time), launch) for length, program in programs.items() for time, launch in enumerate(program.launches)]
    prototypes = {name: _prototype(name, launch) for name, launch in launches}
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
    calls = " ||\n         ".join(_call(program, time, plan, layout) for time in range(len(program.launches)))
    lines = [
        f"static int run_{length}({_parameters(program.input_names)}) {{",
        f"  *logits = (const float *)({_address(program, program.result, plan, layout)});",
        f"  return {calls};",
        "}",
        "",
    ]
    return "\n".join(lines)


def _overwriting(program: Program, plan: MemoryPlan, time: int) -> Overwriting:
    launch, (read, write) = program.launches[time], plan.in_place[time]
    return Overwriting(launch.kernel, read, len(launch.reads) + write)


def _name(program: Program, plan: MemoryPlan, time: int) -> str:
    """The C function of a launch."""
    return _overwriting(program, plan, time).name if time in plan.in_place else program.launches[time].kernel


def _prototype(name: str, launch: Launch) -> str:
    reads, writes = ["const void *"] * len(launch.reads), ["void *"] * len(launch.writes)
    return f"int32_t {name}({', '.join(reads + writes)});"


def _call(program: Program, time: int, plan: MemoryPlan, layout: WeightsLayout) -> str:
    launch = program.launches[time]
    arguments = [_address(program, argument, plan, layout) for argument in (*launch.reads, *launch.writes)]
    return f"{_name(program, plan, time)}({', '.join(arguments)})"


def _address(program: Program, argument: Argument, plan: MemoryPlan, layout: WeightsLayout) -> str:
    if argument.place is Place.INPUT:
        return program.input_names[argument.index]
    if argument.place is Place.WEIGHT:
        return f"weights + {layout.offsets[argument.index]}"
    return f"arena + {plan.offsets[argument.index]}"
