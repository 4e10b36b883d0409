"""A small run folder of made-up figures: this room only displays them, so any will do."""

import copy
import json
import pathlib

from bertnas_jax.space import Layer, Subnet

TEACHER = Subnet.uniform(depth=4, hidden=64, heads=4, ffn=256)
WINNER = Subnet(64, 16, (Layer(4, 128), Layer(2, 256)))
OTHER = Subnet(64, 16, (Layer(2, 128),))
SLOW = Subnet(64, 16, (Layer(2, 128), Layer(1, 256)))
UNIFORM = Subnet.uniform(depth=2, hidden=64, heads=4, ffn=128)


def fields(subnet):
    return json.loads(subnet.to_json())


def latency(model, runtime, median_ms, p90_ms, source="measured", runs=30):
    return {
        "model": model, "runtime": runtime, "device": "host", "dtype": "float32", "threads": 1, "seq_len": 32,
        "source": source, "median_ms": median_ms, "p90_ms": p90_ms, "runs": runs,
    }  # fmt: skip


LATENCIES = [
    latency("winner", "tvm", 8.0, 8.5),
    latency("winner", "tflite", 10.0, 10.9),
    latency("teacher", "tvm", 16.0, 17.5),
    latency("bert_base", "tflite", 160.0, 170.0),
]

SUMMARY = {
    "budget": {"device": "host", "runtime": "tvm", "threads": 1, "seq_len": 32, "latency_ms": 9.0, "speedup_over_bert_base": None},
    "task": {
        "name": "reviews", "metric": "accuracy", "kind": "classification", "train_examples": 4000, "dev_examples": 900,
        "pad_share": 0.125, "bag_of_words": 0.741,
    },
    "checkpoint": "some/checkpoint",
    "subnet": fields(WINNER),
    "kept_layers": [0, 2],
    "teacher": {"metric": "accuracy", "value": 0.8349, "subnet": fields(TEACHER), "params": 2_200_000, "flops": 14_000_000},
    "winner": {
        "metric": "accuracy", "value": 0.8189, "inherited_value": 0.8012, "params": 2_100_000, "flops": 5_000_000,
        "compliant": True, "evidence": "measured",
    },
    "latencies": LATENCIES,
    "speedup_vs_tflite_bert_base": 20.0,
    "search": {"method": "NSGA-II", "evaluated": 3, "space_size": 1234, "wall_s": 75.0},
    "parity": {"tflite_max_abs_err": 2.5e-6, "tvm_max_abs_err": 3.5e-6, "sentences": 16},
    "stages": [{"name": "teacher", "wall_s": 40.0}, {"name": "search", "wall_s": 75.0}],
    "device": {"cpu": "Example CPU 3000", "cores": 2, "isa": ["avx2", "fma"], "memory_gib": None},
    "versions": {"jax": "0.0.1"},
    "date": "2030-01-02T03:04:05+00:00",
}  # fmt: skip

EVALUATED = [
    {"subnet": fields(SLOW), "accuracy": 0.70, "latency_ms": 7.0, "on_front": False},
    {"subnet": fields(WINNER), "accuracy": 0.80, "latency_ms": 7.9, "on_front": True},
    {"subnet": fields(OTHER), "accuracy": 0.75, "latency_ms": 4.0, "on_front": True},
]
UNIFORMS = [
    {"subnet": fields(UNIFORM), "accuracy": 0.78, "latency_ms": 7.5, "on_front": False},
    {"subnet": fields(TEACHER), "accuracy": 0.82, "latency_ms": 15.5, "on_front": False},
]
FINALISTS = [
    {"subnet": fields(WINNER), "accuracy": 0.79, "table_ms": 7.9, "measured_ms": 8.0, "p90_ms": 8.5, "meets_budget": True, "chosen": True},
    {"subnet": fields(OTHER), "accuracy": 0.74, "table_ms": 4.0, "measured_ms": 5.0, "p90_ms": 5.5, "meets_budget": True, "chosen": False},
]


def summary(**changes):
    """The summary with parts replaced: `winner={"value": 0.5}` changes one field, any other value the whole part."""
    made = copy.deepcopy(SUMMARY)
    for name, change in changes.items():
        made[name] = {**made[name], **change} if isinstance(change, dict) else change
    return made


def write_run(folder: pathlib.Path, **changes) -> pathlib.Path:
    """A run folder whose summary has these changes."""
    (folder / "search").mkdir(parents=True)
    lines = [{**one, "subnet": fields(TEACHER), "reference_drift": 1.25, "date": "2030-01-01"} for one in LATENCIES]
    (folder / "summary.json").write_text(json.dumps(summary(**changes)))
    (folder / "search/evaluated.json").write_text(json.dumps(EVALUATED))
    (folder / "search/uniform.json").write_text(json.dumps(UNIFORMS))
    (folder / "finalists.json").write_text(json.dumps(FINALISTS))
    (folder / "latency.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def missed(**winner):
    """The changes that make a run miss its budget of 9 ms by a tenth."""
    latencies = [latency("winner", "tvm", 9.9, 11.0), *LATENCIES[1:]]
    return {"latencies": latencies, "winner": {"compliant": False, **winner}, "speedup_vs_tflite_bert_base": 16.2}
