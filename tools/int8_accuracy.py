"""Scores a trained checkpoint on a task's dev split in float32, in our int8 and in TensorFlow Lite's dynamic-range int8.

Errors are root mean squares of logits against our float32 model's; the scores are the task's own. Writes a dated JSON.

  python tools/int8_accuracy.py --checkpoint runs/sst2/teacher --task ../shared/data/glue/SST-2 --seq_len 64
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

import jax
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.data import TaskSpec, encode, load_task, load_tokenizer
from bertnas_jax.export import TfliteModel, export_tflite, run_examples
from bertnas_jax.model import load_checkpoint, read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="folder of a trained model in Hugging Face layout")
    parser.add_argument("--task", required=True, help="folder of the task in GLUE's layout")
    parser.add_argument("--seq_len", type=int, default=64, help="tokens a sentence is cut or padded to (default 64)")
    given = parser.parse_args()
    folder, task = pathlib.Path(given.checkpoint), load_task(TaskSpec(task=given.task))
    model = load_checkpoint(folder, read_config(folder), jax.random.key(0))
    with host_target():
        dots = {precision: dot.instruction for precision, dot in integer_dots().items()}
    models = {precision: compile_model(model, given.seq_len, host_target(), precision) for precision in ("float32", *dots)}
    with tempfile.TemporaryDirectory() as made:
        path = pathlib.Path(made, "model.tflite")
        export_tflite(model, given.seq_len, path, "int8")
        models["tflite dynamic range"] = TfliteModel(path)
    dev = encode(task.dev, load_tokenizer(folder), given.seq_len)
    logits = {name: run_examples(model.run, dev, given.seq_len) for name, model in tqdm(models.items(), unit="model")}
    exact = logits["float32"]
    found = {
        name: {
            "rms_error": float(f"{np.sqrt(np.mean((values - exact) ** 2)):.4g}"),
            "largest_error": float(f"{np.abs(values - exact).max():.4g}"),
            task.metric: round(float(task.score(values, dev.labels)), 4),
        }
        for name, values in logits.items()
    }
    for name, row in found.items():
        print(name, row)
    fields = {"task": task.name, "sentences": len(dev), "seq_len": given.seq_len, "subnet": model.config.subnet.describe(),
              "rms_logit": float(f"{np.sqrt(np.mean(exact**2)):.4g}"), "instructions": dots, "models": found}  # fmt: skip
    print(f"written to {write_result('int8_accuracy', fields)}")


if __name__ == "__main__":
    main()
