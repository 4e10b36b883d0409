"""A trained `Bert` as a .tflite file, float32, with weights of halves or dynamic-range int8, for batch 1 and one sequence length.

Every tensor has its batch axis folded: products with weights are FULLY_CONNECTED of [L, D],
attention is BATCH_MATMUL over the heads. LiteRT's XNNPACK delegate takes the whole graph as one
partition but for two GATHERs (embedding rows) and the CAST of the mask.

As fast as the file that TensorFlow's converter makes of a tf.function over plain matmuls (34.15 against
34.04 ms on 6 blocks of 384, 12 heads, ffn 1536, L=128, 1 thread: benchmarks/results/tflite_conversions_*.json,
made by tools/tflite_conversions.py). The third way, jax2tf, is slower (35.5 ms, with tanh in place of erf,
at which TensorFlow 2.21 fails to read what jax 0.10.2 writes).
"""

from __future__ import annotations

import pathlib

import numpy as np

from bertnas_jax.export.tflite_graph import Tensor, TfliteGraph
from bertnas_jax.model import Bert
from bertnas_jax.model.bert import MASKED_SCORE, Attention, Embeddings, FeedForward, Head, ResidualOutput

INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT_NAME = "logits"
# What the file of each dtype holds, for who runs it.
TFLITE_NUMBERS = {
    "float32": "float32 throughout",
    "float16": "weights of products in halves, which a GPU's delegate multiplies as they are and a CPU makes float32 of; the rest in float32",
    "int8": "products with 8-bit weights, their input quantised as they run (dynamic range); the rest in float32",
}
DTYPES = tuple(TFLITE_NUMBERS)
# Source: tensorflow/lite/tools/versioning/op_version.cc: the first with a scale for each output in hybrid FULLY_CONNECTED.
_HYBRID_VERSION = 12


def tflite_file(dtype: str) -> str:
    """The name of the file that holds a model in that dtype."""
    return "model.tflite" if dtype == "float32" else f"model_{dtype}.tflite"


def export_tflite(model: Bert, seq_len: int, path: pathlib.Path, dtype: str = "float32") -> None:
    """Writes the model as a .tflite file: int32 [1, L] `INPUT_NAMES` in, float32 [1, C] logits out.

    With the `dtype` "float16" the weights of products are halves, made float32 of when the file is loaded where the delegate
    wants that. With "int8" the blocks' projections have 8-bit weights, one scale an output, and quantise their input as they
    run, one scale a token (dynamic range); embeddings, attention, LayerNorms and head stay float32.

    Raises:
      ValueError: `seq_len` is not within the model's positions, the weights exceed 2 GB, or `dtype` is none of `DTYPES`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {DTYPES}, got {dtype!r}; use one of them")
    limit = model.config.max_positions
    if not 1 <= seq_len <= limit:
        raise ValueError(f"seq_len must be 1 to the checkpoint's {limit} positions, got {seq_len}; truncate the text instead")
    writer = _BertWriter(seq_len, model.config.layer_norm_eps, dtype)
    logits = writer.logits(model)
    writer.graph.write(pathlib.Path(path), {OUTPUT_NAME: logits}, f"BERT {model.config.subnet.describe()}, L={seq_len}")


class _BertWriter:
    """Appends a BERT's operators to a graph; every activation is [L, width] but inside attention."""

    def __init__(self, seq_len: int, layer_norm_eps: float, dtype: str):
        self.graph = TfliteGraph()
        self._rows, self._dtype = seq_len, dtype
        self._epsilon = self._constant(layer_norm_eps, "layer_norm_eps")
        self._one = self._constant(1.0, "one")
        self._last_axis = self.graph.constant(np.array([-1], np.int32), "last_axis")
        self._first_axis = self.graph.constant(np.array([0], np.int32), "first_axis")
        # Heads before rows and back is the same permutation.
        self._swap = self.graph.constant(np.array([1, 0, 2], np.int32), "swap_rows_and_heads")

    def logits(self, model: Bert) -> Tensor:
        ids, mask, types = (self.graph.input(name, (1, self._rows), "int32") for name in INPUT_NAMES)
        weight = self.graph.call("CAST", [mask], (1, self._rows))
        padding = self._binary("SUB", self._one, weight, (1, self._rows))
        score_mask = self._binary("MUL", padding, self._constant(MASKED_SCORE, "masked_score"), (1, self._rows))
        x = self._embed(model.embeddings, ids, types)
        for block in model.layer:
            x = self._attend(block.attention, x, score_mask)
            x = self._feed_forward(block.feed_forward, x)
        return self._head(model.head, x, weight)

    def _constant(self, value: float, name: str) -> Tensor:
        return self.graph.constant(np.array(value, np.float32), name)

    def _parameter(self, parameter, name: str) -> Tensor:
        return self.graph.constant(np.asarray(parameter[...]), name)

    def _binary(self, operator: str, left: Tensor, right: Tensor, shape: tuple[int, ...]) -> Tensor:
        return self.graph.call(operator, [left, right], shape)

    def _reshape(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return self.graph.call("RESHAPE", [x, self.graph.constant(np.array(shape, np.int32), "shape")], shape)

    def _linear(self, x: Tensor, dense, rows: int, scale: float = 1.0) -> Tensor:
        kernel, bias = (np.asarray(array[...]) for array in (dense.kernel, dense.bias))
        if scale != 1.0:
            kernel, bias = kernel * np.float32(scale), bias * np.float32(scale)
        held = self.graph.constant(bias, "bias")
        # FULLY_CONNECTED wants weights of [outputs, inputs].
        if self._dtype == "int8" and rows > 1:  # the head's few products are not worth their rounding
            inputs = [x, self.graph.int8_constant(kernel.T, "weight"), held]
            return self.graph.call("FULLY_CONNECTED", inputs, (rows, bias.size), _HYBRID_VERSION, asymmetricQuantizeInputs=True)
        weight = self.graph.half_constant(kernel.T, "weight") if self._dtype == "float16" else self.graph.constant(kernel.T, "weight")
        return self.graph.call("FULLY_CONNECTED", [x, weight, held], (rows, bias.size))

    def _layer_norm(self, x: Tensor, norm, width: int) -> Tensor:
        column, full = (self._rows, 1), (self._rows, width)
        mean = self.graph.call("MEAN", [x, self._last_axis], column, keepDims=True)
        centred = self._binary("SUB", x, mean, full)
        square = self._binary("MUL", centred, centred, full)  # up to 1.7 % of the model faster than SQUARED_DIFFERENCE of x and mean
        variance = self.graph.call("MEAN", [square, self._last_axis], column, keepDims=True)
        scale = self.graph.call("RSQRT", [self._binary("ADD", variance, self._epsilon, column)], column)
        normal = self._binary("MUL", centred, scale, full)
        scaled = self._binary("MUL", normal, self._parameter(norm.scale, "LayerNorm.weight"), full)
        return self._binary("ADD", scaled, self._parameter(norm.bias, "LayerNorm.bias"), full)

    def _embed(self, embeddings: Embeddings, ids: Tensor, types: Tensor) -> Tensor:
        width = embeddings.word_embeddings.embedding.shape[1]
        full = (self._rows, width)
        word, kind = (
            self.graph.call("GATHER", [self._parameter(table.embedding, "table"), rows], (1, *full), axis=0)
            for table, rows in ((embeddings.word_embeddings, ids), (embeddings.token_type_embeddings, types))
        )
        position = np.asarray(embeddings.position_embeddings.embedding[...])[: self._rows]
        summed = self._reshape(self._binary("ADD", word, kind, (1, *full)), full)
        summed = self._binary("ADD", summed, self.graph.constant(position, "position_embeddings"), full)
        return self._layer_norm(summed, embeddings.LayerNorm, width)

    def _attend(self, attention: Attention, x: Tensor, score_mask: Tensor) -> Tensor:
        heads, head_dim = attention.self.heads, attention.self.head_dim
        split, scores = (heads, self._rows, head_dim), (heads, self._rows, self._rows)
        query = self._heads(self._linear(x, attention.self.query, self._rows, head_dim**-0.5), split)
        key = self._heads(self._linear(x, attention.self.key, self._rows), split)
        value = self._heads(self._linear(x, attention.self.value, self._rows), split)
        score = self.graph.call("BATCH_MATMUL", [query, key], scores, adjY=True)
        masked = self._binary("ADD", score, score_mask, scores)
        share = self.graph.call("SOFTMAX", [masked], scores, beta=1.0)
        mixed = self.graph.call("BATCH_MATMUL", [share, value], split)
        mixed = self.graph.call("TRANSPOSE", [mixed, self._swap], (self._rows, heads, head_dim))
        return self._residual(attention.output, self._reshape(mixed, (self._rows, heads * head_dim)), x)

    def _heads(self, x: Tensor, split: tuple[int, int, int]) -> Tensor:
        heads, rows, head_dim = split
        return self.graph.call("TRANSPOSE", [self._reshape(x, (rows, heads, head_dim)), self._swap], split)

    def _feed_forward(self, feed_forward: FeedForward, x: Tensor) -> Tensor:
        ffn = feed_forward.intermediate.dense.bias.shape[0]
        wide = self._linear(x, feed_forward.intermediate.dense, self._rows)
        wide = self.graph.call("GELU", [wide], (self._rows, ffn), approximate=False)
        return self._residual(feed_forward.output, wide, x)

    def _residual(self, output: ResidualOutput, y: Tensor, x: Tensor) -> Tensor:
        width = output.dense.bias.shape[0]
        summed = self._binary("ADD", self._linear(y, output.dense, self._rows), x, (self._rows, width))
        return self._layer_norm(summed, output.LayerNorm, width)

    def _head(self, head: Head, x: Tensor, weight: Tensor) -> Tensor:
        width = head.classifier.kernel.shape[0]
        if head.pooler is not None:
            # SLICE and not GATHER, which XNNPACK leaves out: the graph would fall apart in two.
            corner = [self.graph.constant(np.array(sizes, np.int32), name) for sizes, name in (((0, 0), "begin"), ((1, width), "size"))]
            first = self.graph.call("SLICE", [x, *corner], (1, width))
            pooled = self.graph.call("TANH", [self._linear(first, head.pooler, 1)], (1, width))
        else:
            column = self._reshape(weight, (self._rows, 1))
            total = self.graph.call("SUM", [self._binary("MUL", x, column, (self._rows, width)), self._first_axis], (1, width), keepDims=True)
            length = self.graph.call("SUM", [column, self._first_axis], (1, 1), keepDims=True)
            pooled = self._binary("DIV", total, self._binary("MAXIMUM", length, self._one, (1, 1)), (1, width))
        return self._linear(pooled, head.classifier, 1)
