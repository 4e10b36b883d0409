"""Parameters and floating-point operations of a Subnet, from its sizes alone.

FLOPs = 2 x MACs for matrix products; every other arithmetic operation on an element counts 1.
"""

from __future__ import annotations

import dataclasses

from bertnas_jax.space.subnet import Layer, Subnet


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The sizes around the encoder: embedding tables and the task's head."""

    size: int
    max_positions: int = 512
    types: int = 2
    num_outputs: int = 2
    has_pooler: bool = False


def count_parameters(subnet: Subnet, vocabulary: Vocabulary) -> int:
    """All trainable numbers: embeddings, blocks, head."""
    width = subnet.hidden
    embeddings = (vocabulary.size + vocabulary.max_positions + vocabulary.types) * width + 2 * width
    pooler = width * (width + 1) if vocabulary.has_pooler else 0
    head = pooler + (width + 1) * vocabulary.num_outputs
    return embeddings + head + sum(_layer_parameters(subnet, layer) for layer in subnet.layers)


GRAPH_BYTES = 150_000  # more than a .tflite of 24 blocks holds beside its weights (tests/space/test_count.py)


def tflite_bytes(subnet: Subnet, vocabulary: Vocabulary, seq_len: int) -> int:
    """Bytes of the float32 .tflite for `seq_len` tokens, at most `GRAPH_BYTES` too many: of positions it has as many rows as tokens."""
    return 4 * count_parameters(subnet, dataclasses.replace(vocabulary, max_positions=seq_len)) + GRAPH_BYTES


def _layer_parameters(subnet: Subnet, layer: Layer) -> int:
    width, attention = subnet.hidden, layer.heads * subnet.head_dim
    projections = 3 * (width + 1) * attention + (attention + 1) * width
    feed_forward = (width + 1) * layer.ffn + (layer.ffn + 1) * width
    return projections + feed_forward + 4 * width  # two LayerNorms


# Elementwise operations per element, counted off the model's formulas (transcendentals are one each).
_LAYER_NORM = 8  # mean 1, centre 1, square 1, variance 1, normalise 1+1, scale and shift 1+1
_GELU = 5  # x * sqrt(1/2), erf, 1 +, 0.5 * x, product
_SOFTMAX = 6  # mask, max, subtract, exp, sum, divide


def encoder_flops(subnet: Subnet, seq_len: int) -> int:
    """FLOPs of the blocks alone on one sequence of `seq_len` tokens."""
    return sum(_layer_flops(subnet, layer, seq_len) for layer in subnet.layers)


def product_flops(subnet: Subnet, seq_len: int) -> int:
    """FLOPs of the blocks' matrix products alone: what a share of the FMA peak is a share of."""
    return sum(_layer_products(subnet, layer, seq_len) for layer in subnet.layers)


def count_flops(subnet: Subnet, vocabulary: Vocabulary, seq_len: int) -> int:
    """FLOPs of the whole model on one sequence of `seq_len` tokens (batch 1)."""
    width = subnet.hidden
    embeddings = seq_len * width * (2 + _LAYER_NORM)
    pooling = 2 * width * width + 2 * width if vocabulary.has_pooler else 2 * seq_len * width
    head = (2 * width + 1) * vocabulary.num_outputs
    return embeddings + encoder_flops(subnet, seq_len) + pooling + head


def _layer_products(subnet: Subnet, layer: Layer, seq_len: int) -> int:
    width, attention = subnet.hidden, layer.heads * subnet.head_dim
    return 2 * seq_len * (4 * width * attention + 2 * width * layer.ffn) + 4 * seq_len**2 * attention


def _layer_flops(subnet: Subnet, layer: Layer, seq_len: int) -> int:
    width, attention = subnet.hidden, layer.heads * subnet.head_dim
    biases = seq_len * (4 * attention + width + layer.ffn)  # the fourth is the scale of the query
    softmax = _SOFTMAX * layer.heads * seq_len**2
    normalise = 2 * seq_len * width * (1 + _LAYER_NORM) + seq_len * width  # residual and LayerNorm, last bias
    return _layer_products(subnet, layer, seq_len) + biases + softmax + normalise + _GELU * seq_len * layer.ffn
