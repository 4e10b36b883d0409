"""A `Bert` as an ONNX file for batch 1 and one length: the operators that PyTorch's exporter makes of a BERT.

ONNX Runtime's and OpenVINO's optimisers know that pattern: products and biases apart, the scores divided by the root of
the head's width after their product, gelu by Erf.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bertnas_jax.export import INPUT_NAMES, OUTPUT_NAME
from bertnas_jax.model import Bert
from bertnas_jax.model.bert import MASKED_SCORE, Attention, Embeddings, FeedForward, Head, ResidualOutput
from bertnas_jax.whole_file import whole

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # the one of that operator set


def write_onnx(model: Bert, seq_len: int, path: pathlib.Path) -> None:
    """Writes the model as an .onnx file: int32 [1, L] `INPUT_NAMES` in, float32 [1, C] logits out.

    Raises:
      ValueError: the weights exceed the 2 GB of one protobuf message.
    """
    writer = _BertWriter(seq_len, model.config.layer_norm_eps)
    writer.write(model, path)


class _BertWriter:
    """Appends a BERT's operators; every activation is [1, L, width] but inside attention."""

    def __init__(self, seq_len: int, layer_norm_eps: float):
        self._rows = seq_len
        self._epsilon = layer_norm_eps
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def write(self, model: Bert, path: pathlib.Path) -> None:
        logits = self._logits(model)
        self._nodes.append(helper.make_node("Identity", [logits], [OUTPUT_NAME]))
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT32, [1, self._rows]) for name in INPUT_NAMES],
            [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [1, model.config.num_outputs])],
            self._constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        weight_bytes = made.ByteSize()
        if weight_bytes >= 2**31:
            raise ValueError(f"an .onnx file must hold less than 2 GB, got {weight_bytes} bytes; benchmark a smaller Subnet")
        with whole(path) as partial:
            partial.write_bytes(made.SerializeToString())

    def _logits(self, model: Bert) -> str:
        ids, mask, types = INPUT_NAMES
        column = self._call("Unsqueeze", mask, self._integers(1))
        keys = self._call("Cast", self._call("Unsqueeze", column, self._integers(2)), to=TensorProto.FLOAT)
        score_mask = self._call("Mul", self._call("Sub", self._float(1.0), keys), self._float(MASKED_SCORE))
        x = self._embed(model.embeddings, ids, types)
        for block in model.layer:
            x = self._attend(block.attention, x, score_mask)
            x = self._feed_forward(block.feed_forward, x)
        return self._head(model.head, x, mask)

    def _call(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def _constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def _float(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _integers(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _parameter(self, parameter) -> str:
        return self._constant(np.asarray(parameter[...]))

    def _linear(self, x: str, dense) -> str:
        return self._call("Add", self._call("MatMul", x, self._parameter(dense.kernel)), self._parameter(dense.bias))

    def _layer_norm(self, x: str, norm) -> str:
        return self._call("LayerNormalization", x, self._parameter(norm.scale), self._parameter(norm.bias), axis=-1, epsilon=self._epsilon)

    def _embed(self, embeddings: Embeddings, ids: str, types: str) -> str:
        word = self._call("Gather", self._parameter(embeddings.word_embeddings.embedding), ids)
        kind = self._call("Gather", self._parameter(embeddings.token_type_embeddings.embedding), types)
        position = self._constant(np.asarray(embeddings.position_embeddings.embedding[...])[None, : self._rows])
        return self._layer_norm(self._call("Add", self._call("Add", word, kind), position), embeddings.LayerNorm)

    def _attend(self, attention: Attention, x: str, score_mask: str) -> str:
        own = attention.self
        query, value = (self._heads(self._linear(x, dense), own, [0, 2, 1, 3]) for dense in (own.query, own.value))
        key = self._heads(self._linear(x, own.key), own, [0, 2, 3, 1])
        scores = self._call("Div", self._call("MatMul", query, key), self._float(math.sqrt(own.head_dim)))
        share = self._call("Softmax", self._call("Add", scores, score_mask), axis=-1)
        mixed = self._call("Transpose", self._call("MatMul", share, value), perm=[0, 2, 1, 3])
        return self._residual(attention.output, self._call("Reshape", mixed, self._integers(0, 0, own.heads * own.head_dim)), x)

    def _heads(self, x: str, own, order: Sequence[int]) -> str:
        return self._call("Transpose", self._call("Reshape", x, self._integers(0, 0, own.heads, own.head_dim)), perm=order)

    def _feed_forward(self, feed_forward: FeedForward, x: str) -> str:
        wide = self._linear(x, feed_forward.intermediate.dense)
        erf = self._call("Erf", self._call("Div", wide, self._float(math.sqrt(2.0))))
        wide = self._call("Mul", self._call("Mul", wide, self._call("Add", erf, self._float(1.0))), self._float(0.5))
        return self._residual(feed_forward.output, wide, x)

    def _residual(self, output: ResidualOutput, y: str, x: str) -> str:
        return self._layer_norm(self._call("Add", self._linear(y, output.dense), x), output.LayerNorm)

    def _head(self, head: Head, x: str, mask: str) -> str:
        if head.pooler is not None:
            first = self._call("Gather", x, self._constant(np.array(0, np.int64)), axis=1)
            pooled = self._call("Tanh", self._linear(first, head.pooler))
        else:
            weight = self._call("Cast", mask, to=TensorProto.FLOAT)
            column = self._call("Unsqueeze", weight, self._integers(2))
            total = self._call("ReduceSum", self._call("Mul", x, column), self._integers(1), keepdims=0)
            length = self._call("ReduceSum", weight, self._integers(1), keepdims=1)
            pooled = self._call("Div", total, self._call("Max", length, self._float(1.0)))
        return self._linear(pooled, head.classifier)
