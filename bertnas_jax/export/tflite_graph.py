"""A TensorFlow Lite graph under construction, and the .tflite file of it.

The file is written straight from its schema. TensorFlow's converter makes the same operators
(tests/export/test_tflite_converter.py holds the two against each other), but copies the weights so
often that BERT-base takes it 9.7 GB and 69 s; here it takes one copy and 2 s, the process 1.5 GB
with the model (TensorFlow 2.21, a busy 2-core AMD EPYC, 2026-11-22).

Source: the TensorFlow Lite schema, version 3 (tensorflow/lite/schema/schema.fbs).
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from jaxtyping import Float

from bertnas_jax.whole_file import whole

Tensor = int  # a tensor's index in its graph

_SCHEMA_VERSION = 3
_FILE_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # `force_align: 16` of Buffer.data in schema.fbs
_MAX_BYTES = 2**31 - 1  # flatbuffers address with signed 32 bits
_INT8_MAX = 127  # -128 is left out, as the quantisation specification of TensorFlow Lite has it for weights
# Source: tensorflow/lite/tools/versioning/op_version.cc: the first that takes float16.
_HALVES_VERSION = 3
_TYPES = {"float32": schema.TensorType.FLOAT32, "float16": schema.TensorType.FLOAT16, "int32": schema.TensorType.INT32, "int8": schema.TensorType.INT8}
SIGNATURE = "serving_default"  # the name TensorFlow gives a model's only function


class _AlignedBuffer(schema.BufferT):
    """A constant's bytes, copied once, at the alignment that the generated code does not keep."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        array: np.ndarray = self.data
        builder.StartVector(1, array.nbytes, _ALIGNMENT)
        builder.head = builder.Head() - array.nbytes
        target = np.frombuffer(builder.Bytes, array.dtype, array.size, builder.Head())
        target.reshape(array.shape)[...] = array  # a transposed view is laid out here
        builder.vectorNumElems = array.nbytes
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class TfliteGraph:
    """Tensors and operators in execution order, appended one by one."""

    def __init__(self):
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._codes: dict[tuple[str, int], int] = {}  # operator and version
        self._buffers: list[schema.BufferT] = [schema.BufferT()]  # buffer 0 is empty by convention
        self._inputs: dict[str, Tensor] = {}

    def input(self, name: str, shape: Sequence[int], dtype: str) -> Tensor:
        """A tensor to be set before each run."""
        self._inputs[name] = self._add_tensor(name, shape, dtype, buffer=0)
        return self._inputs[name]

    def constant(self, array: np.ndarray, name: str) -> Tensor:
        """A tensor that the file holds; the array is read when the file is written."""
        self._buffers.append(_AlignedBuffer(data=array))
        return self._add_tensor(name, array.shape, array.dtype.name, buffer=len(self._buffers) - 1)

    def int8_constant(self, weights: Float[np.ndarray, "N K"], name: str) -> Tensor:
        """A tensor that the file holds in 8 bits, symmetric, with one scale for each of N: what a dynamic-range FULLY_CONNECTED takes."""
        scale = np.maximum(np.abs(weights).max(axis=1), np.finfo(np.float32).tiny).astype(np.float32) / np.float32(_INT8_MAX)
        tensor = self.constant(np.rint(weights / scale[:, None]).clip(-_INT8_MAX, _INT8_MAX).astype(np.int8), name)
        self._tensors[tensor].quantization = schema.QuantizationParametersT(
            scale=scale, zeroPoint=np.zeros(len(scale), np.int64), quantizedDimension=0
        )
        return tensor

    def half_constant(self, weights: Float[np.ndarray, "N K"], name: str) -> Tensor:
        """A float32 tensor that the file holds in halves: what the delegates of GPUs take as it is, and others once."""
        return self.call("DEQUANTIZE", [self.constant(weights.astype(np.float16), name)], weights.shape, _HALVES_VERSION)

    def call(self, operator: str, inputs: Sequence[Tensor], shape: Sequence[int], version: int = 1, **options: object) -> Tensor:
        """The float32 result, of that shape, of a builtin operator by its schema name, e.g. "FULLY_CONNECTED"."""
        code = self._codes.setdefault((operator, version), len(self._codes))
        output = self._add_tensor(f"{operator.lower()}_{len(self._operators)}", shape, "float32", buffer=0)
        made = schema.OperatorT(opcodeIndex=code, inputs=list(inputs), outputs=[output])
        if kind := _OPTIONS.get(operator):
            made.builtinOptions = getattr(schema, f"{kind}T")(**options)
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self._operators.append(made)
        return output

    def write(self, path: pathlib.Path, outputs: Mapping[str, Tensor], description: str) -> None:
        """Writes the graph as a .tflite file, whole or not at all.

        Raises:
          ValueError: the constants exceed what one file can hold.
        """
        weight_bytes = sum(buffer.data.nbytes for buffer in self._buffers[1:])
        if weight_bytes > _MAX_BYTES - 2**24:  # the margin is for the graph itself
            raise ValueError(f"a .tflite file must hold less than 2 GB of weights, got {weight_bytes} bytes; export a smaller Subnet")
        for name, tensor in outputs.items():
            self._tensors[tensor].name = name
        # Large enough from the start: growing would copy all weights.
        builder = flatbuffers.Builder(weight_bytes + 64 * len(self._buffers) + 2**20)
        builder.Finish(self._model(outputs, description).Pack(builder), _FILE_IDENTIFIER)
        with whole(path) as partial, partial.open("wb") as file:
            file.write(memoryview(builder.Bytes)[builder.Head() :])

    def _add_tensor(self, name: str, shape: Sequence[int], dtype: str, buffer: int) -> Tensor:
        tensor = schema.TensorT(shape=list(shape), type=_TYPES[dtype], buffer=buffer, name=name)
        tensor.hasRank = True
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _model(self, outputs: Mapping[str, Tensor], description: str) -> schema.ModelT:
        graph = schema.SubGraphT(
            tensors=self._tensors,
            inputs=list(self._inputs.values()),
            outputs=list(outputs.values()),
            operators=self._operators,
            name="main",
        )
        signature = schema.SignatureDefT(
            inputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in self._inputs.items()],
            outputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in outputs.items()],
            signatureKey=SIGNATURE,
            subgraphIndex=0,
        )
        return schema.ModelT(
            version=_SCHEMA_VERSION,
            operatorCodes=[_operator_code(*code) for code in self._codes],
            subgraphs=[graph],
            description=description,
            buffers=self._buffers,
            signatureDefs=[signature],
        )


def _operator_code(operator: str, version: int) -> schema.OperatorCodeT:
    builtin = getattr(schema.BuiltinOperator, operator)
    # Readers older than schema 3a know the first field only, which ends at 127 (its placeholder).
    return schema.OperatorCodeT(deprecatedBuiltinCode=min(builtin, 127), builtinCode=builtin, version=version)


# Operators with options, by schema name; those not listed have none.
_OPTIONS = {
    "ADD": "AddOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "DIV": "DivOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "GELU": "GeluOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
}
