"""The runtimes that are compared, each with its best settings; one entry a runtime."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable

from bertnas_jax.export.parity import Runner
from bertnas_jax.model import Bert


@dataclasses.dataclass(frozen=True)
class Subject:
    """The model that every runtime is given, and how it is to run; files may be left in the folder."""

    model: Bert
    seq_len: int
    threads: int
    folder: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model in a runtime; `how` says what was chosen among its settings."""

    run: Runner
    how: str


@dataclasses.dataclass(frozen=True)
class Runtime:
    """How a runtime is loaded, in what its products are computed, and which modules it needs of the extra `peers`."""

    dtype: str
    load: Callable[[Subject], Loaded]
    peers: tuple[str, ...] = ()


def rest(threads: int) -> dict[str, float]:
    """How a turn of `measure_interleaved` begins: one thread makes no pool that spins, and wakes no second core."""
    # By process_time TVM's idle threads spin for 0.11 s (Zen 5), ONNX Runtime's for 0.02.
    return {"settle_s": 0.15, "busy_s": 0.15} if threads > 1 else {}


def _load_tvm(precision: str) -> Callable[[Subject], Loaded]:
    def load(subject: Subject) -> Loaded:
        from bertnas_jax.compiler import compile_model, host_target, set_num_threads

        model = compile_model(subject.model, subject.seq_len, host_target(), precision)
        set_num_threads(subject.threads)
        return Loaded(model.run, f"compiled by bertnas_jax.compiler, {precision}")

    return load


def _load_tflite(dtype: str) -> Callable[[Subject], Loaded]:
    def load(subject: Subject) -> Loaded:
        from bertnas_jax.export import TfliteModel, export_tflite

        path = subject.folder / f"{dtype}.tflite"
        export_tflite(subject.model, subject.seq_len, path, dtype)
        model = TfliteModel(path, subject.threads)
        path.unlink()  # the interpreter has mapped it
        return Loaded(model.run, f"XNNPACK in {model.partitions} partition, outside of it {', '.join(model.operators_left_out())}")

    return load


def _load_peer(function: str) -> Callable[[Subject], Loaded]:
    """The loader of that name, imported when it is called: it needs packages that may not be installed."""

    def load(subject: Subject) -> Loaded:
        from bertnas_jax.benchmark import peers

        return {"onnxruntime": peers.load_onnxruntime, "onnxruntime_int8": peers.load_onnxruntime_int8, "openvino": peers.load_openvino}[function](subject)

    return load


_ORT_MODULES = ("onnx", "onnxruntime", "sympy")
RUNTIMES = {
    "tvm": Runtime("float32", _load_tvm("float32")),
    "tflite": Runtime("float32", _load_tflite("float32")),
    "onnxruntime": Runtime("float32", _load_peer("onnxruntime"), _ORT_MODULES),
    "openvino": Runtime("float32", _load_peer("openvino"), ("onnx", "openvino")),
    "tvm_int8_accurate": Runtime("int8", _load_tvm("int8_accurate")),
    "tvm_int8_fast": Runtime("int8", _load_tvm("int8_fast")),
    "tflite_int8": Runtime("int8", _load_tflite("int8")),
    "onnxruntime_int8": Runtime("int8", _load_peer("onnxruntime_int8"), _ORT_MODULES),
}


def check_installed(name: str) -> None:
    """Raises ValueError if a package that this runtime needs is not installed."""
    missing = [module for module in RUNTIMES[name].peers if importlib.util.find_spec(module) is None]
    if missing:
        raise ValueError(
            f"the runtime {name} must have the package {', '.join(missing)}, found none; "
            "pip install -c constraints.txt -e '.[peers]', or leave it out of --runtimes"
        )
