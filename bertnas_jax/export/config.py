"""What `python -m bertnas_jax.export` can be asked for."""

from __future__ import annotations

import dataclasses

from bertnas_jax.compiler.precision import PRECISIONS
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_OPENCL, TARGETS
from bertnas_jax.knobs import check_knobs, knob


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """The knobs of the export program."""

    workdir: str = knob("", "The run folder of python -m bertnas_jax.search whose winner is exported.")
    target: str = knob(ANDROID_ARM64, "What it is exported for.", choices=TARGETS)
    out: str = knob("", "The folder to write; it replaces an older one.")
    seq_len: int = knob(0, "Tokens of the sentence; 0 takes the run's.", lower=0)
    shorter: bool = knob(True, "Compiles the powers of two below seq_len too, so that shorter sentences cost less.")
    precision: str = knob("float32", "Numbers that products with weights are made of; float16 is for android-arm64.", choices=PRECISIONS)
    parity_sequences: int = knob(2, "Sequences that it is run on here beside JAX, for its card; 0 runs none.", lower=0)
    compiler: str = knob("", "The C compiler that links for the device, e.g. aarch64-linux-android30-clang of the Android NDK.")

    def __post_init__(self):
        check_knobs(self)
        if self.precision != "float32" and self.target == ANDROID_OPENCL:
            raise ValueError(f"precision must be float32 for {ANDROID_OPENCL}, got {self.precision!r}; leave it out")
        if self.precision == "float16" and self.target != ANDROID_ARM64:
            raise ValueError(f"precision float16 must be for {ANDROID_ARM64}, got {self.target!r}; use int8_accurate or float32")
        if self.compiler and self.target == ANDROID_OPENCL:
            raise ValueError(f"compiler must be left out for {ANDROID_OPENCL}, got {self.compiler!r}; the device compiles OpenCL itself")
