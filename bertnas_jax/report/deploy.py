"""The commands that put the winner to use, from inside the run folder."""

from __future__ import annotations

from bertnas_jax.report.summary import Summary

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

_AGAIN = "python -m bertnas_jax.search --flagfile=... --workdir=..."


def deploy_steps(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What each piece of code is for, and the code."""
    sizes = {"seq_len": summary.budget.seq_len, "threads": summary.budget.first.threads}
    return (
        ("Python, TFLite (in this run folder)", _TFLITE.format(**sizes)),
        ("Python, compiled by TVM for this kind of CPU", _TVM.format(**sizes)),
        ("Android: put winner/model.tflite into the app's assets; winner/README.md has the Kotlin", "cp winner/model.tflite app/src/main/assets/"),
        *_phone_library(summary),
        ("The search again, or on from where it stopped", _AGAIN),
    )


def _phone_library(summary: Summary) -> tuple[tuple[str, str], ...]:
    """The C library for the budget's phones, or why there is none."""
    library = summary.phone_library
    if library is None:
        return ()
    if library.folder is None:
        return ((f"C, compiled for the phone's CPU: {library.note}", "python -m bertnas_jax.export --workdir=. --out=exported"),)
    return ((f"C, compiled for the phone's CPU ({library.note})", f"cat {library.folder}/example.c"),)
