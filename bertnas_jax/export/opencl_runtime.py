"""Runs what `write_opencl` wrote, with pyopencl on whatever OpenCL device is there (PoCL is one on the CPU)."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
from jaxtyping import Float32, Int

from bertnas_jax.export.opencl_files import LAUNCHES_FILE, OPENCL_WEIGHTS_FILE, SOURCE_FILE
from bertnas_jax.export.weights_file import MAGIC


class OpenclModel:
    """A loaded folder.

    Raises:
      FileNotFoundError: a file is missing.
      RuntimeError: there is no pyopencl, or no OpenCL device.
      ValueError: the weights are another model's, or not whole.
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            import pyopencl
        except ImportError as error:
            raise RuntimeError(f"pyopencl must be installed to run OpenCL, got {error}; install bertnas_jax[opencl]") from error
        folder = pathlib.Path(folder)
        plan = json.loads((folder / LAUNCHES_FILE).read_text(encoding="utf-8"))
        weights = _weights(folder / OPENCL_WEIGHTS_FILE, plan["fingerprint"])
        try:
            devices = [device for platform in pyopencl.get_platforms() for device in platform.get_devices()]
        except pyopencl.LogicError:  # what the loader raises where it finds no platform
            devices = []
        if not devices:
            raise RuntimeError("an OpenCL device must be there, got none; install the package pocl-opencl-icd")
        self._cl, self._plan = pyopencl, plan
        self._queue = pyopencl.CommandQueue(pyopencl.Context(devices[:1]))
        program = pyopencl.Program(self._queue.context, (folder / SOURCE_FILE).read_text(encoding="utf-8")).build()
        self._buffers = [self._buffer(entry, weights) for entry in plan["buffers"]]
        self._kernels = [self._kernel(program, entry) for entry in plan["launches"]]

    def run(
        self, input_ids: Int[np.ndarray, "1 L"], attention_mask: Int[np.ndarray, "1 L"], token_type_ids: Int[np.ndarray, "1 L"]
    ) -> Float32[np.ndarray, "1 C"]:
        """The logits of one padded sequence.

        Raises:
          ValueError: an input is not of the model's length.
        """
        for entry, array in zip(self._plan["inputs"], (input_ids, attention_mask, token_type_ids), strict=True):
            if array.shape != tuple(entry["shape"]):
                raise ValueError(f"{entry['name']} must have the shape {tuple(entry['shape'])}, got {array.shape}; pad it to the model's length")
            self._cl.enqueue_copy(self._queue, self._buffers[entry["buffer"]], np.ascontiguousarray(array, entry["dtype"]))
        for kernel, entry in zip(self._kernels, self._plan["launches"], strict=True):
            self._cl.enqueue_nd_range_kernel(self._queue, kernel, entry["global"], entry["local"])
        output = self._plan["output"]
        logits = np.empty(output["shape"], output["dtype"])
        self._cl.enqueue_copy(self._queue, logits, self._buffers[output["buffer"]])
        return logits

    def _buffer(self, entry: dict, weights: np.ndarray):
        flags = self._cl.mem_flags
        if "weights_offset" not in entry:
            return self._cl.Buffer(self._queue.context, flags.READ_WRITE, entry["bytes"])
        begin = entry["weights_offset"]
        return self._cl.Buffer(self._queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=weights[begin : begin + entry["bytes"]])

    def _kernel(self, program, entry: dict):
        kernel = self._cl.Kernel(program, entry["kernel"])
        kernel.set_args(*(self._buffers[number] for number in entry["arguments"]))
        return kernel


def _weights(path: pathlib.Path, fingerprint: str) -> np.ndarray:
    """The bytes of a weights file, checked."""
    data = np.fromfile(path, np.uint8)
    header = data[:32].tobytes()
    if header[:24] != MAGIC + bytes.fromhex(fingerprint):
        raise ValueError(f"{path} must be the weights written with {LAUNCHES_FILE}, got another model's; export both again")
    if int.from_bytes(header[24:32], "little") != data.size:
        raise ValueError(f"{path} must be whole, got {data.size} bytes; copy it again")
    return data
