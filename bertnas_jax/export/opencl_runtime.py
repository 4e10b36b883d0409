"""Runs an exported OpenCL model on whatever OpenCL device is there (PoCL is one on the CPU).

  python run_model.py FOLDER < sequences.npy > logits.npy

Sequences are int32 arrays [3, L] as numpy.save writes them, one after the other: ids, mask and token types. Without a
folder it names the device. It needs numpy and pyopencl, and nothing of the package that wrote the model: it goes with
the model as an example of a driver, and a driver of the device that dies takes no other program with it.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

SOURCE_FILE, LAUNCHES_FILE, WEIGHTS_FILE = "model.cl", "launches.json", "model.weights"
_HEADER_BYTES = 32  # magic, fingerprint, and the file's length as a little-endian number of 8 bytes


class NoDeviceError(RuntimeError):
    """There is no pyopencl, or no OpenCL device."""


def find_device():
    """The first device.

    Raises:
      NoDeviceError: there is none.
    """
    try:
        import pyopencl
    except ImportError as error:
        raise NoDeviceError(f"pyopencl must be installed to run OpenCL, got {error}; install bertnas_jax[opencl]") from error
    try:
        devices = [device for platform in pyopencl.get_platforms() for device in platform.get_devices()]
    except pyopencl.LogicError:  # what the loader raises where it finds no platform
        devices = []
    if not devices:
        raise NoDeviceError("an OpenCL device must be there, got none; install the package pocl-opencl-icd")
    return devices[0]


class OpenclModel:
    """A loaded folder.

    Raises:
      FileNotFoundError: a file is missing.
      NoDeviceError: nothing here runs OpenCL.
      ValueError: the weights are another model's, or not whole.
    """

    def __init__(self, folder: str | os.PathLike):
        folder, device = pathlib.Path(folder), find_device()
        import pyopencl

        self._plan = json.loads((folder / LAUNCHES_FILE).read_text(encoding="utf-8"))
        weights = _weights(folder / WEIGHTS_FILE, bytes.fromhex(self._plan["weights_header"]))
        self._cl, self._queue = pyopencl, pyopencl.CommandQueue(pyopencl.Context([device]))
        self._program = pyopencl.Program(self._queue.context, (folder / SOURCE_FILE).read_text(encoding="utf-8")).build()
        self._buffers = [self._buffer(entry, weights) for entry in self._plan["buffers"]]
        self._kernels: dict[int, list] = {}  # by length, made when it is first run

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray) -> np.ndarray:
        """The logits, float32 [1, C], of one sequence, int32 [1, L]; L is at most the longest length.

        Raises:
          ValueError: L is not within the lengths, or a value is out of its range.
        """
        arrays = (input_ids, attention_mask, token_type_ids)
        self._check(arrays)
        run = self._run_of(attention_mask)
        for entry, array in zip(self._plan["inputs"], arrays, strict=True):
            padded = np.zeros((1, run["length"]), entry["dtype"])
            padded[:, : array.shape[1]] = array[:, : run["length"]]
            self._cl.enqueue_copy(self._queue, self._buffers[entry["buffer"]], padded)
        if run["length"] not in self._kernels:
            self._kernels[run["length"]] = [self._kernel(entry) for entry in run["launches"]]
        for kernel, entry in zip(self._kernels[run["length"]], run["launches"], strict=True):
            self._cl.enqueue_nd_range_kernel(self._queue, kernel, entry["global"], entry["local"])
        logits = np.empty(self._plan["output"]["shape"], self._plan["output"]["dtype"])
        self._cl.enqueue_copy(self._queue, logits, self._buffers[run["result"]])
        return logits

    def _check(self, arrays: Sequence[np.ndarray]) -> None:
        longest = self._plan["lengths"][-1]["length"]
        for entry, array in zip(self._plan["inputs"], arrays, strict=True):
            name, last = entry["name"], entry["end"] - 1
            if array.shape != arrays[0].shape or array.ndim != 2 or len(array) != 1 or not 1 <= array.shape[1] <= longest:
                raise ValueError(f"{name} must have the shape (1, L) of the ids with L from 1 to {longest}, got {array.shape}; cut or pad it")
            if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > last:
                found = f"{array.min()} to {array.max()} of {array.dtype}"
                raise ValueError(f"{name} must be whole numbers from 0 to {last}, got {found}; use the model's tokenizer")

    def _run_of(self, attention_mask: np.ndarray) -> dict:
        """The launches of the least length that holds the last token; of the longest for a mask of none."""
        tokens = np.flatnonzero(attention_mask)
        last = tokens[-1] if len(tokens) else self._plan["lengths"][-1]["length"] - 1
        return next(run for run in self._plan["lengths"] if run["length"] > last)

    def _buffer(self, entry: dict, weights: np.ndarray):
        flags = self._cl.mem_flags
        if "weights_offset" not in entry:
            return self._cl.Buffer(self._queue.context, flags.READ_WRITE, entry["bytes"])
        begin = entry["weights_offset"]
        return self._cl.Buffer(self._queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=weights[begin : begin + entry["bytes"]])

    def _kernel(self, entry: dict):
        kernel = self._cl.Kernel(self._program, entry["kernel"])
        kernel.set_args(*(self._buffers[number] for number in entry["arguments"]))
        return kernel


def _weights(path: pathlib.Path, header: bytes) -> np.ndarray:
    """The bytes of a weights file, checked."""
    data = np.fromfile(path, np.uint8)
    found, length_at = data[:_HEADER_BYTES].tobytes(), _HEADER_BYTES - 8
    if found[:length_at] != header[:length_at]:
        raise ValueError(f"{path} must be the weights written with {LAUNCHES_FILE}, got another model's; export both again")
    if int.from_bytes(header[length_at:], "little") != data.size:
        raise ValueError(f"{path} must be whole, got {data.size} bytes; copy it again")
    return data


def main(folders: Sequence[str]) -> int:
    """The exit status: of sysexits.h where nothing runs OpenCL, or what was given is wrong."""
    try:
        if not folders:
            print(find_device().name)
            return os.EX_OK
        model, given, logits = OpenclModel(folders[0]), io.BytesIO(sys.stdin.buffer.read()), []
        while given.tell() < len(given.getbuffer()):
            logits.append(model.run(*np.load(given)[:, None]))
        np.save(sys.stdout.buffer, np.concatenate(logits))
        return os.EX_OK
    except (NoDeviceError, ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return os.EX_UNAVAILABLE if isinstance(error, NoDeviceError) else os.EX_DATAERR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
