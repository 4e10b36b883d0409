"""The card of an exported C library or OpenCL model: what it computes in, for which device, and how near it is to the model."""

from __future__ import annotations

from collections.abc import Sequence

import tvm

from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.targets import is_opencl
from bertnas_jax.export.library_parity import LibraryParity
from bertnas_jax.model import BertConfig

CARD_FILE = "README.md"
NUMBERS: dict[Precision, str] = {
    "float32": "float32 throughout",
    "float16": "products with weights in float16, blocks of at most 64 of them added in float32; the rest in float32",
    "int8_accurate": "products with 8-bit weights in whole numbers, activations of up to 16 bits; the rest in float32",
    "int8_fast": "products with weights of at most 8 bits in whole numbers, 8-bit activations; the rest in float32",
}


def library_card(
    config: BertConfig, lengths: Sequence[int], target: tvm.target.Target, precision: Precision, parity: LibraryParity | str
) -> str:
    """The text of README.md; `parity` is what was measured, or why nothing was."""
    rows = {
        "sub-network": config.subnet.describe(),
        "sequence length": max(lengths),
        "lengths that it is compiled at": ", ".join(map(str, sorted(lengths))),
        "compiled for": "any device with OpenCL" if is_opencl(target) else target.attrs["mcpu"],
        "precision": f"`{precision}`: {NUMBERS[precision]}",
        "logits against JAX in float32": parity if isinstance(parity, str) else _measured(parity),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    kind, use = ("OpenCL C", _USE_OPENCL) if is_opencl(target) else ("a C library", _USE)
    return f"# A BERT encoder as {kind}\n\n| | |\n|---|---|\n{table}\n\nA sentence runs at the least of these lengths that holds its last token.\n{use}"


def _measured(parity: LibraryParity) -> str:
    return (
        f"largest difference {parity.max_abs_error:.2e} over {parity.sequences} sequences of drawn ids {parity.where}, "
        f"where the largest logit is {parity.largest_logit:.2f}"
    )


_USE = """\
`bertnas.h` is the interface, `example.c` a program that uses it: `cc example.c libbertnas.so -Wl,-rpath,'$ORIGIN' -o example`.
`bertnas.weights` is mapped into memory as it is; `source/` is what the library was linked of.
"""

_USE_OPENCL = """\
`model.cl` holds the kernels, `model.weights` the weights, `launches.json` the buffers (those of weights with their offset in that file) and
for each length the kernels in order, with the numbers of their buffers and the sizes of `clEnqueueNDRangeKernel`. `run_model.py` is a driver
in Python that needs numpy and pyopencl: `python run_model.py . < sequences.npy > logits.npy`, sequences int32 [3, L] of ids, mask and types.
"""
