"""Measures our .tflite files against those of TensorFlow's converter, interleaved, and writes a dated JSON.

TensorFlow's converter is given the model as a tf.function over plain matmuls. (jax2tf, the third way,
does not convert: see bertnas_jax/export/tflite.py.)

  python tools/tflite_conversions.py --rounds 40
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import write_result
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.latency import Conditions, full_inputs, measure_interleaved, pinned, stand_in, usable_cores
from bertnas_jax.space import Subnet
from tests.export.tensorflow_oracle import convert

SEQ_LEN = 128
SHAPES = ((6, 384, 12, 1536), (12, 384, 12, 1536))  # layers, hidden, heads, ffn


def measure(shape: tuple[int, int, int, int], threads: int, rounds: int) -> dict:
    model = stand_in(Subnet.uniform(*shape), Conditions(SEQ_LEN, threads))
    with tempfile.TemporaryDirectory() as folder, pinned(threads):
        ours, theirs = pathlib.Path(folder, "ours.tflite"), pathlib.Path(folder, "theirs.tflite")
        export_tflite(model, SEQ_LEN, ours)
        theirs.write_bytes(convert(model, SEQ_LEN, tf))
        runners = {name: TfliteModel(path, threads) for name, path in (("ours", ours), ("converter", theirs))}
        inputs = full_inputs(SEQ_LEN)
        timings = measure_interleaved(
            {name: lambda model=model: model.run(*inputs) for name, model in runners.items()}, "converter", rounds=rounds
        )
    return {
        "shape": {"layers": shape[0], "hidden": shape[1], "heads": shape[2], "ffn": shape[3], "seq_len": SEQ_LEN},
        "threads": threads,
        "dtype": "float32",
        "ours_ms_median": round(timings["ours"].median_ms, 2),
        "converter_ms_median": round(timings["converter"].median_ms, 2),
        "ratio_median": round(timings["ours"].ratio, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="interleaved rounds to take the median of")
    rounds = parser.parse_args().rounds
    rows = [measure(shape, threads, rounds) for shape in SHAPES for threads in sorted({1, len(usable_cores())})]
    for row in rows:
        print(f"{row['shape']} {row['threads']} threads: ours {row['ours_ms_median']} ms, converter {row['converter_ms_median']} ms")
    print(f"written to {write_result('tflite_conversions', {'rounds': rounds, 'rows': rows})}")


if __name__ == "__main__":
    main()
