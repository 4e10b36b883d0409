"""Our C library (the folder of `python -m bertnas_jax.export`) timed on a phone by adb."""

from __future__ import annotations

import pathlib
import re
import tempfile

from bertnas_jax.compiler.targets import ANDROID_ARM64, c_compiler, named_target
from bertnas_jax.export.c_library import LIBRARY_FILE, WEIGHTS_FILE, run_compiler
from bertnas_jax.latency.adb import REMOTE, Adb
from bertnas_jax.latency.measure import Timing

SOURCE = pathlib.Path(__file__).parent / "time_model.c"
_RUN = re.compile(r"^us=(\S+)$", re.MULTILINE)


def compile_timer(folder: pathlib.Path, compiler: str, program: pathlib.Path) -> None:
    """Makes the program that times the folder's library, which it looks for beside itself.

    Raises:
      RuntimeError: the compiler fails.
    """
    run_compiler([compiler, "-O2", str(SOURCE), f"-I{folder}", str(folder / LIBRARY_FILE), "-Wl,-rpath,$ORIGIN", "-o", str(program)])


def measure_c_model(phone: Adb, folder: pathlib.Path, compiler: str, threads: int, runs: int, warmup: int, mask: str = "") -> Timing:
    """Pushes library, weights and timer, and reads the time of each run; `mask` as `taskset` takes it.

    `compiler` makes programs for the phone; '' is the Linux cross compiler's.

    Raises:
      FileNotFoundError: the folder does not hold a library.
      RuntimeError: there is no compiler, or a program fails.
    """
    files = [folder / LIBRARY_FILE, folder / WEIGHTS_FILE]
    for file in files:
        if not file.is_file():
            cure = "write it with python -m bertnas_jax.export"
            raise FileNotFoundError(f"an exported library must have {file.name}, got {folder} without it; {cure}")
    with tempfile.TemporaryDirectory() as made:
        timer = pathlib.Path(made) / "time_model"
        compile_timer(folder, c_compiler(named_target(ANDROID_ARM64), compiler), timer)
        phone.push([*files, timer])
    pinned = ["taskset", mask] if mask else []
    counts = [str(number) for number in (threads, warmup, runs)]
    return parse_runs(phone.shell([*pinned, f"{REMOTE}/time_model", f"{REMOTE}/{WEIGHTS_FILE}", *counts]), runs)


def parse_runs(text: str, runs: int) -> Timing:
    """The timing in what the timer prints: `us=` and microseconds, a line a run.

    Raises:
      ValueError: there are not as many as asked for.
    """
    samples_ms = tuple(float(us) / 1e3 for us in _RUN.findall(text))
    if len(samples_ms) != runs:
        raise ValueError(f"the timer must print {runs} runs, got {len(samples_ms)} in {text.strip()[-500:]!r}; see what it says")
    return Timing(samples_ms, samples_ms)
