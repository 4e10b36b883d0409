"""A model for a GPU as three files: OpenCL C, weights, and the list of launches in JSON.

What runs them allocates the buffers, fills those of weights from the weights file, writes the
inputs, and enqueues the launches in order; `opencl_runtime.py` is that in 60 lines.
"""

from __future__ import annotations

import json
import pathlib

import tvm

from bertnas_jax.compiler import trace_model
from bertnas_jax.compiler.memory_plan import share_buffers
from bertnas_jax.compiler.opencl import KernelLaunch, compile_opencl, device_program, lower_opencl
from bertnas_jax.compiler.program import Argument, Place, Program, program_of
from bertnas_jax.export.weights_file import WeightsLayout, lay_out_weights, write_weights
from bertnas_jax.model import Bert
from bertnas_jax.whole_file import whole

SOURCE_FILE, LAUNCHES_FILE, OPENCL_WEIGHTS_FILE = "model.cl", "launches.json", "model.weights"


def write_opencl(model: Bert, seq_len: int, target: tvm.target.Target, folder: pathlib.Path) -> None:
    """Writes the folder, whole or not at all."""
    lowered = lower_opencl(trace_model(model, seq_len), target)
    source, functions = compile_opencl(lowered, target)
    program, kernels = device_program(program_of(lowered), functions)
    layout = lay_out_weights(program)
    with whole(pathlib.Path(folder)) as partial:
        partial.mkdir(parents=True)
        (partial / SOURCE_FILE).write_text(source, encoding="utf-8")
        (partial / LAUNCHES_FILE).write_text(json.dumps(_launch_list(program, kernels, layout), indent=1) + "\n", encoding="utf-8")
        write_weights(program, layout, partial / OPENCL_WEIGHTS_FILE)


def _launch_list(program: Program, kernels: tuple[KernelLaunch, ...], layout: WeightsLayout) -> dict:
    """Buffers in one list: inputs, weights (with their offset in the file), then intermediates, which share some."""
    shared, sizes = share_buffers(program)
    first = {Place.INPUT: 0, Place.WEIGHT: len(program.inputs), Place.INTERMEDIATE: len(program.inputs) + len(program.weights)}

    def buffer(argument: Argument) -> int:
        return first[argument.place] + (shared[argument.index] if argument.place is Place.INTERMEDIATE else argument.index)

    inputs = [{"bytes": kind.num_bytes} for kind in program.inputs]
    weights = [{"bytes": array.nbytes, "weights_offset": offset} for array, offset in zip(program.weights, layout.offsets, strict=True)]
    launches = [
        {"kernel": kernel.kernel, "arguments": list(map(buffer, launch.reads)), "global": kernel.global_size, "local": kernel.local_size}
        for launch, kernel in zip(program.launches, kernels, strict=True)
    ]
    result = program.intermediates[program.result.index]
    return {
        "fingerprint": layout.fingerprint.hex(),
        "inputs": [
            {"name": name, "shape": kind.shape, "dtype": kind.dtype, "buffer": number}
            for number, (name, kind) in enumerate(zip(program.input_names, program.inputs, strict=True))
        ],
        "output": {"shape": result.shape, "dtype": result.dtype, "buffer": buffer(program.result)},
        "buffers": [*inputs, *weights, *({"bytes": size} for size in sizes)],
        "launches": launches,
    }
