"""Every knob of `python -m bertnas_jax.benchmark`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.benchmark.runtimes import RUNTIMES, check_installed
from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.latency import usable_cores
from bertnas_jax.space import Subnet

REFERENCE = "tflite"
MAX_TOKENS = 4096
SHAPES = (
    "12x768x12x3072x128,12x384x12x1536x128,6x384x12x1536x128,4x256x4x1024x128,4x312x12x1200x128,6x512x8x1024x32,12x384x12x1536x32"
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The sizes of a model and the tokens of its input; of the checkpoint's model, `subnet` is None."""

    subnet: Subnet | None
    seq_len: int
    text: str


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """What is compared, and where it is written down.

    Raises:
      ValueError: a value is out of its bounds, a shape or a runtime is unknown, or a runtime is named twice.
    """

    shapes: str = knob(SHAPES, "LAYERSxHIDDENxHEADSxFFNxTOKENS, separated by commas; with --checkpoint, TOKENS alone.")
    checkpoint: str = knob("", "A BERT to take the weights and sizes from: a folder, package:NAME or a hub id. Without it they are drawn.")
    threads: tuple[int, ...] = knob((1, 2), "Numbers of threads, each measured on as many cores.", lower=1, upper=256)
    runtimes: str = knob("tvm,tflite,onnxruntime,openvino", f"Separated by commas: {', '.join(RUNTIMES)}.")
    rounds: int = knob(30, "Turns of every runtime, of which medians are taken.", lower=3, upper=10_000)
    seed: int = knob(0, "Of the drawn weights and of the examples that logits are compared on.", lower=0, upper=2**31)
    workdir: str = knob("runs/bench_same_subnet", "Where each shape's figures are kept: the same command goes on where it stopped.")
    results: str = knob("benchmarks/results", "The folder of the dated JSON.")

    def __post_init__(self):
        check_knobs(self)
        for name, values in (("shapes", self.parsed_shapes()), ("threads", self.threads), ("runtimes", self.parsed_runtimes())):
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} must be some, each once, got {getattr(self, name)!r}; name every one once")
        unknown = [name for name in self.parsed_runtimes() if name not in RUNTIMES]
        if unknown:
            raise ValueError(f"runtimes must be of {', '.join(RUNTIMES)}, got {', '.join(unknown)}; leave it out")
        if REFERENCE not in self.parsed_runtimes():
            raise ValueError(f"runtimes must have {REFERENCE}, which the others are compared with, got {self.runtimes!r}; add it")

    def parsed_runtimes(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.runtimes.split(",") if name.strip())

    def parsed_shapes(self) -> tuple[Shape, ...]:
        """Raises ValueError for the first that is no shape."""
        return tuple(self._parse(text.strip()) for text in self.shapes.split(",") if text.strip())

    def check_machine(self) -> None:
        """Raises ValueError if this machine has too few cores or lacks a runtime's package: other machines may not."""
        cores = len(usable_cores())
        if max(self.threads) > cores:
            raise ValueError(f"threads must be at most the {cores} usable cores, got {max(self.threads)}; give fewer, or use a larger machine")
        for name in self.parsed_runtimes():
            check_installed(name)

    def _parse(self, text: str) -> Shape:
        numbers = text.split("x")
        wanted, example = (1, "128") if self.checkpoint else (5, "12x384x12x1536x128")
        if len(numbers) != wanted or not all(number.isdecimal() and int(number) for number in numbers):
            what = "TOKENS with a checkpoint" if self.checkpoint else "LAYERSxHIDDENxHEADSxFFNxTOKENS without a checkpoint"
            raise ValueError(f"a shape must be {what}, all at least 1, got {text!r}; write it like {example}")
        *sizes, seq_len = map(int, numbers)
        if seq_len > MAX_TOKENS:
            raise ValueError(f"the tokens of a shape must be at most {MAX_TOKENS}, got {text!r}; give fewer")
        return Shape(Subnet.uniform(*sizes) if sizes else None, seq_len, text)
