"""The commands that put the winner to use, from inside the run folder."""

from __future__ import annotations

import shlex

from bertnas_jax.compiler.targets import ANDROID_OPENCL
from bertnas_jax.flags import config_to_flagfile
from bertnas_jax.report.results import RunResults
from bertnas_jax.report.summary import PhoneLibrary, Summary
from bertnas_jax.search.config import SearchConfig

# The .tflite needs no code of this package; the library needs the runtime of apache-tvm.
_TFLITE = """\
# pip install ai-edge-litert transformers
from ai_edge_litert.interpreter import Interpreter
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("winner")
encoded = tokenizer("a sentence", padding="max_length", truncation=True, max_length={seq_len},
                    return_token_type_ids=True, return_tensors="np")
classify = Interpreter("winner/model.tflite", num_threads={threads}).get_signature_runner()
names = ("input_ids", "attention_mask", "token_type_ids")
inputs = {{name: encoded[name].astype("int32") for name in names}}
print(classify(**inputs)["logits"])"""

_TVM = """\
# after the lines that make `inputs`
import pathlib
from bertnas_jax.compiler import load_compiled, set_num_threads

set_num_threads({threads})
library = next(pathlib.Path("winner").glob("model_*.so"))
print(load_compiled(library).run(**inputs))"""

# The example is compiled for where the library was linked for, and run under an emulator if that is not here.
_C_HERE = """\
cd {folder}
aarch64-linux-gnu-gcc example.c libbertnas.so -Wl,-rpath,'$ORIGIN' -o example
qemu-aarch64-static -L /usr/aarch64-linux-gnu ./example bertnas.weights 101 2023 102"""

_C_EXPORT = "python -m bertnas_jax.export --workdir=. --target={target} --precision={precision} --out=exported"
_C_ANDROID = """\
python -m bertnas_jax.export --workdir=. --target={target} --precision={precision} --compiler=aarch64-linux-android34-clang --out=exported
cd exported
aarch64-linux-android34-clang example.c libbertnas.so -Wl,-rpath,'$ORIGIN' -o example
adb push example libbertnas.so bertnas.weights /data/local/tmp/
adb shell "cd /data/local/tmp && chmod +x example && ./example bertnas.weights 101 2023 102\""""

Steps = tuple[tuple[str, str], ...]


def deploy_steps(run: RunResults) -> Steps:
    """What each piece of code is for, and the code; all but the last is for a shell or a Python in the run folder."""
    summary = run.summary
    place = summary.budget.place
    sizes = {"seq_len": summary.budget.seq_len, "threads": place.threads if place.evidence == "measured" else 1}
    return (
        ("Python, TFLite (in this run folder)", _TFLITE.format(**sizes)),
        ("Python, compiled by TVM for this kind of CPU", _TVM.format(**sizes)),
        ("Android: put winner/model.tflite into the app's assets; winner/README.md has the Kotlin", "cp winner/model.tflite app/src/main/assets/"),
        *_measured_on_phone(summary),
        *_phone_libraries(summary),
        ("The search again, or on from where it stopped, from where it was started", search_command(run.config)),
    )


def _measured_on_phone(summary: Summary) -> Steps:
    """How to measure a winner whose latency there was simulated."""
    limit = next((one for one in summary.budget.limits if one.evidence == "simulated" and one.runtime == "tflite"), None)
    if limit is None:
        return ()
    command = ["python", "-m", "bertnas_jax.latency", "--measure", "--runtime=tflite", "--adb", "--benchmark_model=benchmark_model"]
    command += [f"--device={limit.device}", f"--core_set={limit.cores}", f"--dtype={limit.dtype}", f"--threads={limit.threads}"]
    command += [f"--model_file={limit.file}", "--subnet=winner/subnet.json", f"--seq_len={summary.budget.seq_len}"]
    return ((f"A {limit.device} by adb: what it takes there, with LiteRT's Android binary benchmark_model in this folder", shlex.join(command)),)


def _phone_libraries(summary: Summary) -> Steps:
    """What our compiler made for the budget's phones, or why it did not."""
    return tuple(step for library in summary.phone_libraries for step in _phone_library(library))


def _phone_library(library: PhoneLibrary) -> Steps:
    if library.target == ANDROID_OPENCL:
        return ((f"OpenCL, for the phone's GPU ({library.note}); its driver, README.md beside it, names the device here", f"python {library.folder}/run_model.py"),)
    sizes, numbers = {"target": library.target, "precision": library.precision}, library.precision
    android = (f"C, on a phone, {numbers}: linked by the Android NDK, its tools on the PATH", _C_ANDROID.format(**sizes))
    if library.folder is None:
        return ((f"C, compiled for the phone's CPU, {numbers}: {library.note}", _C_EXPORT.format(**sizes)), android)
    return ((f"C, compiled for the phone's CPU, {numbers} ({library.note})", _C_HERE.format(folder=library.folder)), android)


def search_command(config: SearchConfig) -> str:
    """The command of a run: every knob that is not at its default."""
    lines, defaults = (config_to_flagfile(one).splitlines() for one in (config, SearchConfig()))
    return shlex.join(["python", "-m", "bertnas_jax.search", *(line for line in lines if line not in defaults)])
