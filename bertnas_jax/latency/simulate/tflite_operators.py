"""The operators TensorFlow Lite runs for a transformer encoder, one by one, as kernels to be priced.

Its converter leaves a block as 8 matrix products, transposes and, since LayerNorm is no
operator, 8 elementwise ones on all elements for each of the two (tests hold this list against the converter). It
fuses a bias into FULLY_CONNECTED and nothing else. Of int8 there are two kinds: "int8" is what our exporter writes,
dynamic range (products with weights of bytes, their input quantised as the model runs, the rest in float32);
"int8_full", a model quantised throughout, is what others measured on phones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bertnas_jax.latency.simulate.work import BYTES, KernelWork
from bertnas_jax.latency.simulate.xnnpack import drawn_by_xnnpack
from bertnas_jax.space import Subnet

# What products with weights are of, and the rest.
_NUMBERS = {"float32": ("float32", "float32"), "float16": ("float16", "float16"), "int8": ("int8", "float32"), "int8_full": ("int8", "int8")}

# Nanoseconds an element of TensorFlow Lite's own kernels, one thread: only their ratios are used, the
# scale is calibrated. Source: tools/tflite_operator_costs.py on one core of an AMD EPYC (Zen 5), TensorFlow 2.21, 2026-11-24.
ELEMENT_NS = {
    "float32": {
        "MEAN": 0.032, "SQUARED_DIFFERENCE": 1.454, "MUL": 0.111, "SUB": 0.076, "ADD": 0.109, "GELU": 1.293, "TRANSPOSE": 0.248, "GATHER": 0.248
    },
    "int8": {
        "MEAN": 2.714, "SQUARED_DIFFERENCE": 5.952, "MUL": 0.589, "SUB": 5.766, "ADD": 1.268, "GELU": 0.207, "TRANSPOSE": 0.257, "GATHER": 0.257
    },
}  # fmt: skip
# Assumed: the range of a token is found as MUL reads it, and its elements are scaled and rounded as ADD adds; never measured.
_QUANTIZE_NS = 0.22


def attention_operators(hidden: int, heads: int, head_dim: int, seq_len: int, dtype: str) -> list[KernelWork]:
    """LayerNorm, projections, attention and residual of one block of L tokens."""
    width, scores, numbers = heads * head_dim, heads * seq_len * seq_len, _besides_weights(dtype)
    kernels = _layer_norm(hidden, seq_len, numbers)
    for name in ("query", "key", "value"):
        kernels += [*_linear(f"FULLY_CONNECTED {name}", seq_len, hidden, width, dtype), _plain("TRANSPOSE", seq_len * width, numbers)]
    kernels += [
        _attend("BATCH_MATMUL scores", heads, seq_len, head_dim, seq_len, numbers),
        _on_scores("MUL", "scale", scores, numbers, tasks=1),
        _on_scores("SOFTMAX", "softmax", scores, numbers, tasks=0),
        _attend("BATCH_MATMUL mix", heads, seq_len, seq_len, head_dim, numbers),
        _plain("TRANSPOSE", seq_len * width, numbers),
        *_linear("FULLY_CONNECTED output", seq_len, width, hidden, dtype),
        _plain("ADD", seq_len * hidden, numbers, reads=2),
    ]
    return kernels


def ffn_operators(hidden: int, ffn: int, seq_len: int, dtype: str) -> list[KernelWork]:
    """LayerNorm, the two products with GELU between them, and residual of one block."""
    numbers = _besides_weights(dtype)
    return [
        *_layer_norm(hidden, seq_len, numbers),
        *_linear("FULLY_CONNECTED up", seq_len, hidden, ffn, dtype),
        _plain("GELU", seq_len * ffn, numbers),
        *_linear("FULLY_CONNECTED down", seq_len, ffn, hidden, dtype),
        _plain("ADD", seq_len * hidden, numbers, reads=2),
    ]


def outside_operators(hidden: int, seq_len: int, dtype: str) -> list[KernelWork]:
    """Embeddings with their LayerNorm, and the pooled sum; the classifier is too small to count."""
    size, numbers = seq_len * hidden, _besides_weights(dtype)
    embed = [_plain("GATHER", size, numbers), _plain("GATHER", size, numbers), _plain("ADD", size, numbers, reads=2), _plain("ADD", size, numbers)]
    return [*embed, *_layer_norm(hidden, seq_len, numbers), _plain("MUL", size, numbers), _plain("MEAN", size, numbers)]


def encoder_operators(subnet: Subnet, seq_len: int, dtype: str) -> list[KernelWork]:
    """All operators of a BERT of these sizes on one sequence of L tokens."""
    kernels = outside_operators(subnet.hidden, seq_len, dtype)
    for layer in subnet.layers:
        kernels += attention_operators(subnet.hidden, layer.heads, subnet.head_dim, seq_len, dtype)
        kernels += ffn_operators(subnet.hidden, layer.ffn, seq_len, dtype)
    return kernels


def delegated(kernels: Sequence[KernelWork]) -> list[KernelWork]:
    """The same where XNNPACK has the whole graph: all operators on all threads, weights packed when the model is loaded.

    Source: our exported files on the host, "XNNPACK in 1 partition" (benchmarks/results/same_subnet_2026-11-24.json): so taken, 12
    latencies are fitted to 4.4 % in the mean, as on the phones to 7.3 %.
    """
    return [dataclasses.replace(kernel, tasks=0, packed=False) for kernel in kernels]


def patch_embedding(patches: int, patch_inputs: int, hidden: int, dtype: str) -> KernelWork:
    """The CONV_2D that makes the tokens of a vision transformer."""
    weights, numbers = _NUMBERS[dtype]
    moved = patches * (patch_inputs * BYTES[weights] + hidden * BYTES[numbers])
    drawn = drawn_by_xnnpack(patches, patch_inputs, hidden, weights)
    return KernelWork("CONV_2D patches", weights, 1, patches, patch_inputs, hidden, moved_bytes=moved, drawn=drawn)


def _layer_norm(hidden: int, seq_len: int, dtype: str) -> list[KernelWork]:
    size = seq_len * hidden
    names = ("MEAN", "SQUARED_DIFFERENCE", "MEAN", "MUL", "MUL", "MUL", "SUB", "ADD")  # ADD and RSQRT of a number a token are left out
    return [_plain(name, size, dtype) for name in names]


def _besides_weights(dtype: str) -> str:
    """What all but the products with weights is of.

    Raises:
      ValueError: nothing is priced in these numbers.
    """
    if dtype not in _NUMBERS:
        raise ValueError(f"dtype of TensorFlow Lite must be one of {', '.join(_NUMBERS)}, got {dtype!r}; others are not priced")
    return _NUMBERS[dtype][1]


def _plain(operator: str, size: int, dtype: str, reads: int = 1) -> KernelWork:
    costs = _costs_of(dtype)
    elements, moved = size * ELEMENT_NS[costs][operator], (reads + 1) * size * BYTES[dtype]
    return KernelWork(operator, dtype, elements=elements, kind=f"plain_{costs}", moved_bytes=moved, tasks=1)


def _on_scores(operator: str, kind: str, size: int, dtype: str, tasks: int) -> KernelWork:
    moved = 2 * size * BYTES[dtype]
    return KernelWork(operator, dtype, elements=float(size), kind=f"{kind}_{_costs_of(dtype)}", moved_bytes=moved, tasks=tasks)


def _costs_of(dtype: str) -> str:
    """Arithmetic on halves is that of floats; where it runs, on GPUs, it is never what takes the time."""
    return "float32" if dtype == "float16" else dtype


def _linear(name: str, rows: int, inner: int, columns: int, dtype: str) -> list[KernelWork]:
    """A product with weights, after what makes bytes of its input where that is of floats."""
    weights, numbers = _NUMBERS[dtype]
    moved = rows * (inner * BYTES[weights] + columns * BYTES[numbers])
    product = KernelWork(name, weights, 1, rows, inner, columns, packed=True, moved_bytes=moved, drawn=drawn_by_xnnpack(rows, inner, columns, weights))
    if weights == numbers:
        return [product]
    elements, moved = rows * inner * _QUANTIZE_NS, rows * inner * (BYTES[numbers] + BYTES[weights])
    return [KernelWork("QUANTIZE", numbers, elements=elements, kind=f"plain_{numbers}", moved_bytes=moved, tasks=1), product]


def _attend(name: str, heads: int, rows: int, inner: int, columns: int, dtype: str) -> KernelWork:
    drawn = drawn_by_xnnpack(rows, inner, columns, dtype, heads)
    return KernelWork(name, dtype, heads, rows, inner, columns, moved_bytes=heads * rows * (inner + columns) * BYTES[dtype], drawn=drawn)
