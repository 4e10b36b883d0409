"""Measures what TensorFlow Lite's own kernels take for an element, one thread, without delegates; prints nanoseconds.

  python tools/tflite_operator_costs.py

Needs TensorFlow (the extra `test`). The ratios of these figures are ELEMENT_NS of
bertnas_jax/latency/simulate/tflite_operators.py; the scale is calibrated on phones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

L, D, F = 198, 768, 3072
FULL, COLUMN = (1, L, D), (1, L, 1)
CASES: dict[str, tuple[Callable, list[tuple[int, ...]]]] = {
    "MEAN": (lambda x: tf.reduce_mean(x, 2, keepdims=True), [FULL]),
    "SQUARED_DIFFERENCE": (tf.math.squared_difference, [FULL, COLUMN]),
    "MUL": (lambda x, y: x * y, [FULL, COLUMN]),
    "SUB": (lambda x, y: y - x, [FULL, (D,)]),
    "ADD": (lambda x, y: x + y, [FULL, FULL]),
    "GELU": (lambda x: tf.nn.gelu(x, approximate=False), [(1, L, F)]),
    "TRANSPOSE": (lambda x: tf.transpose(x, [0, 2, 1, 3]), [(1, L, 12, 64)]),
}
REPEATS, RUNS = 9, 3


def convert(function: Callable, shapes: list[tuple[int, ...]], dtype: str) -> bytes:
    """A model of one operator."""
    concrete = tf.function(function, autograph=False).get_concrete_function(*(tf.TensorSpec(shape, tf.float32) for shape in shapes))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if dtype == "int8":
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: ([rng.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(3))
    return converter.convert()


def measure_ns(model: bytes, elements: int) -> float:
    """The median time of an element."""
    kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kind, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        for _ in range(RUNS):
            interpreter.invoke()
        times.append((time.thread_time() - start) / RUNS)
    return statistics.median(times) * 1e9 / elements


def main() -> None:
    for name, (function, shapes) in CASES.items():
        elements = max(int(np.prod(shape)) for shape in shapes)
        costs = {dtype: measure_ns(convert(function, shapes, dtype), elements) for dtype in ("float32", "int8")}
        print(name, {dtype: round(cost, 3) for dtype, cost in costs.items()})


if __name__ == "__main__":
    main()
