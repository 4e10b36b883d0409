"""Every knob of `python -m bertnas_jax.latency`."""

from __future__ import annotations

import dataclasses

from bertnas_jax.knobs import check_knobs, knob
from bertnas_jax.latency.devices import GPU

OUR_INT8 = ("int8_accurate", "int8_fast")  # precisions of the compiler's
_ACTIONS = ("--list", "--explain", "--new_profile", "--refit", "--validate", "--measure")


@dataclasses.dataclass(frozen=True)
class LatencyConfig:
    """What the program is asked for, and of which model where.

    Raises:
      ValueError: a value is out of its bounds, or more than one thing is asked for.
    """

    list: bool = knob(False, "Shows the devices and their core sets.")
    explain: bool = knob(False, "Shows the price of each kernel of the model on the device.")
    new_profile: str = knob("", "Prints a draft of a device profile of this name, from --clusters and --dram_gb_s.")
    detect: bool = knob(False, "Measures this machine for --new_profile, instead of reading --clusters.")
    refit: str = knob("", "A folder with phone_cpu_transformers.csv and phone_gpu_gemms.csv: fits both calibrations again (minutes).")
    validate: str = knob("", "The same folder: writes tables and a plot of held-out errors under benchmarks/results/ (minutes).")
    measure: bool = knob(False, "Times --model_file on a device that is there, by --tracker or --adb, and appends to --out.")
    model_file: str = knob(
        "",
        "What is timed: model_<cpu>.so (tvm), model.tflite (tflite), the folder of bertnas_jax.export (c). With --tracker several by commas, on all "
        "devices of --key at once; --subnet then has as many.",
    )
    runtime: str = knob(
        "",
        "tvm by --tracker, tflite or c by --adb; --explain prices tvm or tflite. If not given, tvm is measured and tflite explained.",
        choices=("", "tvm", "tflite", "c"),
    )
    tracker: str = knob("", "host:port of a TVM RPC tracker.")
    key: str = knob("", "The key that the device gave the tracker.")
    adb: bool = knob(False, "Reaches an Android phone by adb; --core_set of --device are the cores, any if --core_set=any.")
    serial: str = knob("", "The phone's serial number, where there are several.")
    benchmark_model: str = knob("", "LiteRT's benchmark_model for Android, a file of that name.")
    compiler: str = knob("", "The C compiler of the Android NDK, for --runtime=c.")
    threads: int = knob(1, "Threads of the measurement.", lower=1, upper=64)
    runs: int = knob(50, "Timed runs.", lower=1, upper=100000)
    warmup: int = knob(5, "Runs before them.", lower=0, upper=1000)
    out: str = knob("latency.jsonl", "Where the measurement is appended to.")
    device: str = knob("pixel_4", "The device, by the name of its profile.")
    core_set: str = knob("1 large", 'Its cores, such as "1 large + 1 medium", or "gpu".')
    dtype: str = knob(
        "float32",
        "float32, int8 (dynamic range, what is exported) or int8_full (quantised throughout) on a CPU, float16 on a GPU; of --runtime=tvm float32, "
        "int8_accurate or int8_fast, on a GPU float32.",
        choices=("float32", "float16", "int8", "int8_full", *OUR_INT8),
    )
    tuning: str = knob("", "A file of python -m bertnas_jax.compiler --tune, by whose tiles --explain prices --runtime=tvm; the package's own if not given.")
    calibration: str = knob("", "A calibration file of --runtime's own kernels, for --explain; the one fitted on phones if it is not given.")
    subnet: str = knob("", "A subnet.json; BERT-base if it is not given.")
    seq_len: int = knob(128, "Tokens of the input.", lower=1, upper=4096)
    clusters: str = knob("", "COUNTxCORE@GHZ by commas, fastest first, e.g. 1xCortex-X4@3.3,3xCortex-A720@3.15.")
    dram_gb_s: float = knob(34.1, "Peak bandwidth of the memory in GB/s.", lower=0.5, upper=2000)

    def __post_init__(self):
        check_knobs(self)
        asked = self._asked()
        if len(asked) > 1:
            raise ValueError(f"one of {', '.join(_ACTIONS)} must be given, got {asked}; give one")
        if self.detect and not self.new_profile:
            raise ValueError("detect must be given with new_profile, got it alone; add --new_profile=host")
        if self.explain and self.explained_runtime == "c":
            raise ValueError("runtime must be tvm or tflite to be explained, got 'c'; the C library runs the kernels of tvm")
        if self.explain and self.explained_runtime == "tflite" and (self.dtype in OUR_INT8 or self.tuning):
            raise ValueError(f"runtime must be tvm for kernels of ours, got tflite with dtype={self.dtype}, tuning={self.tuning!r}; add --runtime=tvm")

        if self.explain and self.calibration and self.core_set == GPU:
            raise ValueError(f"calibration must be of cores of a CPU, got core_set={self.core_set}; leave it out for the one of phones' GPUs")

    @property
    def explained_runtime(self) -> str:
        return self.runtime or "tflite"

    @property
    def measured_runtime(self) -> str:
        return self.runtime or "tvm"

    def check_asked(self) -> None:
        """Raises ValueError if nothing is asked for: the defaults alone ask for nothing."""
        if not self._asked():
            raise ValueError(f"one of {', '.join(_ACTIONS)} must be given, got none; --help explains them")

    def _asked(self) -> list[str]:
        return [f"--{name}" for name in ("list", "explain", "new_profile", "refit", "validate", "measure") if getattr(self, name)]
