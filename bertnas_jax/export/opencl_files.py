"""A model for a GPU as three files: OpenCL C, weights, and the lists of launches in JSON; and a program that runs them.

What runs them allocates the buffers, fills those of weights from the weights file, writes the inputs, and enqueues
in order the launches of the least length that holds the sentence's last token; `opencl_runtime.py`, which is written
beside them, is that in 100 lines.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import tvm

from bertnas_jax.compiler import trace_model
from bertnas_jax.compiler.length_buckets import function_of, merge_lengths
from bertnas_jax.compiler.memory_plan import share_buffers
from bertnas_jax.compiler.opencl import KernelLaunch, compile_opencl, device_program, lower_opencl
from bertnas_jax.compiler.program import Argument, Place, Program, programs_of
from bertnas_jax.export import opencl_runtime
from bertnas_jax.export.opencl_runtime import LAUNCHES_FILE, SOURCE_FILE
from bertnas_jax.export.opencl_runtime import WEIGHTS_FILE as OPENCL_WEIGHTS_FILE
from bertnas_jax.export.weights_file import WeightsLayout, lay_out_weights, weights_header, write_weights
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.whole_file import whole

PROGRAM_FILE = "run_model.py"
DeviceProgram = tuple[Program, tuple[KernelLaunch, ...]]


def write_opencl(model: Bert, lengths: Sequence[int], target: tvm.target.Target, folder: pathlib.Path) -> None:
    """Writes the folder, whole or not at all.

    A sentence runs at the least of `lengths` that holds its last token; the longest is the model's.
    """
    lengths = sorted(set(lengths))
    lowered = merge_lengths({length: lower_opencl(trace_model(model, length), target) for length in lengths})
    source, functions = compile_opencl(lowered, target)
    programs = [device_program(program, functions) for program in programs_of(lowered, list(map(function_of, lengths)))]
    layout = lay_out_weights(*(program for program, _ in programs))
    plan = _plan(dict(zip(lengths, programs, strict=True)), layout, model.config)
    with whole(pathlib.Path(folder)) as partial:
        partial.mkdir(parents=True)
        (partial / SOURCE_FILE).write_text(source, encoding="utf-8")
        (partial / LAUNCHES_FILE).write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(opencl_runtime.__file__, partial / PROGRAM_FILE)
        write_weights(programs[0][0], layout, partial / OPENCL_WEIGHTS_FILE)


def _plan(programs: Mapping[int, DeviceProgram], layout: WeightsLayout, config: BertConfig) -> dict:
    """Buffers in one list: inputs, weights (with their offset in the file), then intermediates, which share some.

    Only one length runs at a time, so the lengths share buffers: the k-th largest is as large as any length's.
    """
    longest, _ = programs[max(programs)]
    shares = {length: share_buffers(program) for length, (program, _) in programs.items()}
    ends = {"input_ids": config.vocab_size, "attention_mask": 2, "token_type_ids": config.type_vocab_size}
    inputs = [{"bytes": kind.num_bytes} for kind in longest.inputs]
    weights = [{"bytes": array.nbytes, "weights_offset": offset} for array, offset in zip(longest.weights, layout.offsets, strict=True)]
    sizes = itertools.zip_longest(*(sizes for _, sizes in shares.values()), fillvalue=0)
    result = longest.intermediates[longest.result.index]
    return {
        "weights_header": weights_header(layout).hex(),
        "inputs": [
            {"name": name, "dtype": kind.dtype, "end": ends[name], "buffer": number}
            for number, (name, kind) in enumerate(zip(longest.input_names, longest.inputs, strict=True))
        ],
        "output": {"shape": result.shape, "dtype": result.dtype},
        "buffers": [*inputs, *weights, *({"bytes": max(each)} for each in sizes)],
        "lengths": [_run(length, program, kernels, shares[length][0]) for length, (program, kernels) in programs.items()],
    }


def _run(length: int, program: Program, kernels: Sequence[KernelLaunch], shared: Sequence[int]) -> dict:
    """The launches of one length in order, and the buffer that then holds its logits."""
    first = {Place.INPUT: 0, Place.WEIGHT: len(program.inputs), Place.INTERMEDIATE: len(program.inputs) + len(program.weights)}

    def buffer(argument: Argument) -> int:
        return first[argument.place] + (shared[argument.index] if argument.place is Place.INTERMEDIATE else argument.index)

    launches = [
        {"kernel": kernel.kernel, "arguments": list(map(buffer, launch.reads)), "global": kernel.global_size, "local": kernel.local_size}
        for launch, kernel in zip(program.launches, kernels, strict=True)
    ]
    return {"length": length, "result": buffer(program.result), "launches": launches}
