"""Runs a .tflite file with LiteRT, on the CPU, and says what its XNNPACK delegate left out."""

from __future__ import annotations

import os
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float32, Int

from bertnas_jax.export.tflite import INPUT_NAMES


class TfliteModel:
    """A loaded .tflite of `export_tflite`, or of any converter that kept its input names.

    XNNPACK makes its worker threads here: pin the process before, not after.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is broken, or its inputs have other names; `threads` is below 1.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 1):
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}; give the number of cores to use")
        path = pathlib.Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"a .tflite model must be a file, got {path}; write it with export_tflite")
        try:
            self._interpreter = Interpreter(model_path=os.fspath(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} must be a whole .tflite file, got {error}; export it again") from error
        self._inputs = {tensor["name"]: tensor["index"] for tensor in self._interpreter.get_input_details()}
        if set(self._inputs) != set(INPUT_NAMES):
            raise ValueError(f"{path} must have the inputs {INPUT_NAMES}, got {tuple(self._inputs)}; use a file of export_tflite")
        self.seq_len = int(self._interpreter.get_input_details()[0]["shape"][1])
        self._output = self._interpreter.get_output_details()[0]["index"]
        blank = np.zeros((1, self.seq_len), np.int32)  # unset memory would be ids out of range
        self._set_inputs(blank, blank, blank)

    def run(
        self, input_ids: Int[np.ndarray, "1 L"], attention_mask: Int[np.ndarray, "1 L"], token_type_ids: Int[np.ndarray, "1 L"]
    ) -> Float32[np.ndarray, "1 C"]:
        """The logits of one padded sequence.

        Raises:
          ValueError: an input is not of the file's length.
          RuntimeError: an id is outside the vocabulary.
        """
        self._set_inputs(input_ids, attention_mask, token_type_ids)
        self.invoke()
        return self._interpreter.get_tensor(self._output)

    def invoke(self) -> None:
        """Runs on the inputs of the last `run` (zeros before the first) and drops the logits: what a benchmark times."""
        self._interpreter.invoke()

    def operators_left_out(self) -> tuple[str, ...]:
        """The operators that run outside XNNPACK, in execution order."""
        return tuple(node["op_name"] for node in self._executed() if node["op_name"] != "DELEGATE")

    @property
    def partitions(self) -> int:
        """Into how many pieces XNNPACK took the graph: 1 is best, 0 is none."""
        return sum(node["op_name"] == "DELEGATE" for node in self._executed())

    @property
    def operator_count(self) -> int:
        """How many operators the file has, whoever runs them."""
        return sum(node["op_name"] != "DELEGATE" for node in self._interpreter._get_ops_details())

    def _executed(self) -> list[dict]:
        """The nodes that the output depends on, where what a delegate computes comes from the delegate.

        LiteRT lists delegated nodes beside the delegate and does not say which it still runs.
        """
        producers = {}
        for node in self._interpreter._get_ops_details():  # delegates come last and so win
            producers.update({int(tensor): node for tensor in node["outputs"]})
        found: dict[int, dict] = {}
        pending = [int(self._output)]
        while pending:
            node = producers.get(pending.pop())
            if node is not None and node["index"] not in found:
                found[node["index"]] = node
                pending += [int(tensor) for tensor in node["inputs"]]
        return [found[index] for index in sorted(found)]

    def _set_inputs(self, *arrays: np.ndarray) -> None:
        for name, array in zip(INPUT_NAMES, arrays, strict=True):
            if array.shape != (1, self.seq_len):
                raise ValueError(f"{name} must have the shape (1, {self.seq_len}), got {array.shape}; pad it to the file's length")
            self._interpreter.set_tensor(self._inputs[name], np.ascontiguousarray(array, np.int32))
