"""ONNX Runtime and OpenVINO, each reading the same .onnx file (the extra `peers` installs them).

ONNX Runtime is given the plain graph and the one that its own `onnxruntime.transformers` fuses, both with all graph
optimisations on; the faster of the two on this machine is taken. Its int8 is dynamic quantisation, a scale an output.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model

from bertnas_jax.benchmark.onnx_graph import write_onnx
from bertnas_jax.benchmark.runtimes import Loaded, Subject, rest
from bertnas_jax.export import INPUT_NAMES, OUTPUT_NAME
from bertnas_jax.export.parity import Runner
from bertnas_jax.latency import describe_host, full_inputs, measure_interleaved

_CHOICE_ROUNDS = 5


def load_onnxruntime(subject: Subject) -> Loaded:
    """Float32."""
    with _onnx_files(subject) as files:
        return _fastest(files, subject)


def load_onnxruntime_int8(subject: Subject) -> Loaded:
    """8-bit weights and dynamically quantised activations."""
    with _onnx_files(subject) as files:
        quantised = {}
        for how, path in files.items():
            quantised[how] = path.with_suffix(".int8.onnx")
            _quantise(path, quantised[how])
        return _fastest(quantised, subject)


def load_openvino(subject: Subject) -> Loaded:
    """Float32, with the settings for the latency of one request at a time."""
    # Its import forks a process that reports the use over the network; without this module its own stub stands in.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    with _onnx_files(subject, fused=False) as files:
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": subject.threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(files["plain graph"]), "CPU", settings)
    request, output = compiled.create_infer_request(), compiled.output(0)

    def run(*inputs: np.ndarray) -> np.ndarray:
        return request.infer(dict(zip(INPUT_NAMES, inputs, strict=True)), share_inputs=True)[output]

    return Loaded(run, "plain graph")


@contextlib.contextmanager
def _onnx_files(subject: Subject, fused: bool = True) -> Iterator[Mapping[str, pathlib.Path]]:
    """The .onnx files by what they are; they are deleted in the end, as the runtimes hold copies."""
    files = {"plain graph": subject.folder / "plain.onnx"}
    write_onnx(subject.model, subject.seq_len, files["plain graph"])
    if fused:
        files["graph fused by onnxruntime.transformers"] = subject.folder / "fused.onnx"
        sizes = subject.model.config.subnet
        # 0 and 0: it reads them off each block, which may differ from the others.
        heads, width = (sizes.layers[0].heads, sizes.hidden) if sizes.is_uniform else (0, 0)
        with _only_errors("onnxruntime.transformers"):
            optimised = optimize_model(str(files["plain graph"]), "bert", num_heads=heads, hidden_size=width, opt_level=0)
        optimised.save_model_to_file(str(subject.folder / "fused.onnx"))
    try:
        yield files
    finally:
        for path in subject.folder.glob("*.onnx"):
            path.unlink()


def _quantise(path: pathlib.Path, quantised: pathlib.Path) -> None:
    """Without dot-product instructions products of 8 bits saturate in 16, and ONNX Runtime advises weights of 7 bits."""
    has_dot = {"avx512_vnni", "avx_vnni"} & set(describe_host().isa)
    with _only_errors(None):  # it advises to infer shapes first, which changes nothing here
        quantize_dynamic(
            path,
            quantised,
            per_channel=True,
            reduce_range=not has_dot,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # of what its own fused operators return
        )


@contextlib.contextmanager
def _only_errors(name: str | None) -> Iterator[None]:
    """Nothing less than an error is logged by a logger, None for the root, within the body."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _fastest(files: Mapping[str, pathlib.Path], subject: Subject) -> Loaded:
    """The file whose session is fastest on a sentence without padding."""
    runs, inputs = {how: _session(path, subject.threads) for how, path in files.items()}, full_inputs(subject.seq_len)
    runners = {how: lambda run=run: run(*inputs) for how, run in runs.items()}
    timings = measure_interleaved(runners, next(iter(runs)), _CHOICE_ROUNDS, 1, False, **rest(subject.threads))
    how = min(runs, key=lambda how: timings[how].median_ms)
    return Loaded(runs[how], how)


def _session(path: pathlib.Path, threads: int) -> Runner:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(*inputs: np.ndarray) -> np.ndarray:
        return session.run([OUTPUT_NAME], dict(zip(INPUT_NAMES, inputs, strict=True)))[0]

    return run
