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


def latency(model, runtime, median_ms, p90_ms):
    return {
        "model": model, "runtime": runtime, "device": "host", "dtype": "float32", "threads": 1, "seq_len": 32, "cores": "",
        "source": "measured", "median_ms": median_ms, "p90_ms": p90_ms, "runs": 30, "low_ms": None, "high_ms": None,
    }  # fmt: skip


def on_phone(model, median_ms, device="pixel_4", cores="1 large", dtype="float32", runtime="tflite"):
    """A simulated latency whose interval is a tenth to both sides."""
    return latency(model, runtime, median_ms, None) | {
        "device": device, "cores": cores, "dtype": dtype, "source": "simulated", "runs": 0,
        "low_ms": 0.9 * median_ms, "high_ms": 1.1 * median_ms,
    }  # fmt: skip


LIMIT = {
    "device": "host", "cores": "1 thread", "runtime": "tvm", "dtype": "float32", "threads": 1, "seq_len": 32, "latency_ms": 9.0,
    "speedup_over_bert_base": None, "energy_mj": None, "evidence": "measured", "knowledge": "", "winner_ms": 8.0, "winner_mj": None, "low_ms": None, "high_ms": None,
    "compliant": True, "speedup_vs_tflite_bert_base": 20.0, "file": "winner/model_example.so", "value": 0.8189,
}  # fmt: skip
PHONE_LIMIT = LIMIT | {
    "device": "pixel_4", "cores": "1 large", "runtime": "tflite", "latency_ms": 30.0, "evidence": "simulated",
    "knowledge": "measured cores", "file": "winner/model.tflite", "winner_ms": 25.0, "winner_mj": 26.9, "low_ms": 22.5, "high_ms": 27.5, "speedup_vs_tflite_bert_base": 16.0,
}  # fmt: skip
GPU_LIMIT = PHONE_LIMIT | {
    "device": "galaxy_s20", "cores": "gpu", "dtype": "float16", "file": "winner/model_float16.tflite", "value": 0.8178, "latency_ms": 6.0, "knowledge": "specifications", "winner_ms": 3.0,
    "winner_mj": None, "low_ms": 1.5, "high_ms": 5.9, "speedup_vs_tflite_bert_base": 14.0,
}  # fmt: skip
PARAMETERS_LIMIT = {"name": "parameters", "unit": "parameters", "most": 2_150_000.0, "value": 2_100_000.0, "compliant": True}
FILE_LIMIT = {"name": "float32 .tflite", "unit": "MB", "most": 12.0, "value": 10.5, "compliant": True}


LATENCIES = [
    latency("winner", "tvm", 8.0, 8.5),
    latency("winner", "tflite", 10.0, 10.9),
    latency("teacher", "tvm", 16.0, 17.5),
    latency("bert_base", "tflite", 160.0, 170.0),
]

SURVEY = {"priced": 1234, "whole": True, "share": 0.5, "costs": [{"most": 8.5}]}
SUMMARY = {
    "budget": {"device": "host", "cores": "1 thread", "runtime": "tvm", "dtype": "float32", "threads": 1, "seq_len": 32, "limits": [LIMIT], "sizes": []},
    "task": {
        "name": "reviews", "metric": "accuracy", "kind": "classification", "train_examples": 4000, "dev_examples": 900,
        "pad_share": 0.125, "bag_of_words": 0.741,
    },
    "checkpoint": "some/checkpoint",
    "subnet": fields(WINNER),
    "kept_layers": [0, 2],
    "teacher": {"metric": "accuracy", "value": 0.8349, "subnet": fields(TEACHER), "params": 2_200_000, "flops": 14_000_000},
    "winner": {
        "metric": "accuracy", "value": 0.8189, "float32_value": 0.8189, "inherited_value": 0.8012, "tuned_value": 0.8189, "params": 2_100_000, "flops": 5_000_000,
        "compliant": True, "evidence": "measured", "weight_bytes": 8_400_000, "arena_bytes": 120_000,
    },
    "latencies": LATENCIES,
    "speedup_vs_tflite_bert_base": 20.0,
    "speedup_best_dtype": None,
    "speedup_both_best_dtype": None,
    "best_dtype": None,
    "precisions": [],
    "search": {"method": "NSGA-II", "evaluated": 3, "drawn_first": 2, "space_size": 1234, "wall_s": 75.0, "survey": SURVEY,
               "early_stop": {"stopped": 1, "examples_saved": 384, "examples": 1536},
               "rounds": [{"factor": 1.0, "evaluations": 3, "share": 0.5, "finalists": 2}]},
    "parity": {
        "tflite_max_abs_err": 2.5e-6, "tflite_rms_err": 1.5e-6, "tvm_max_abs_err": 3.5e-6, "tvm_rms_err": 1.6e-6, "tvm_dtype": "float32", "sentences": 16,
    },
    "phone_libraries": [],
    "stages": [{"name": "teacher", "wall_s": 40.0}, {"name": "search", "wall_s": 75.0}],
    "device": {"cpu": "Example CPU 3000", "cores": 2, "isa": ["avx2", "fma"], "memory_gib": None},
    "versions": {"jax": "0.0.1"},
    "date": "2030-01-02T03:04:05+00:00",
}  # fmt: skip

EVALUATED = [
    {"subnet": fields(SLOW), "accuracy": 0.70, "latency_ms": 7.0, "stopped_after": None, "on_front": False},
    {"subnet": fields(WINNER), "accuracy": 0.80, "latency_ms": 7.9, "stopped_after": None, "on_front": True},
    {"subnet": fields(OTHER), "accuracy": 0.75, "latency_ms": 4.0, "stopped_after": None, "on_front": True},
]
UNIFORMS = [
    {"subnet": fields(UNIFORM), "accuracy": 0.78, "latency_ms": 7.5, "stopped_after": None, "on_front": False},
    {"subnet": fields(TEACHER), "accuracy": 0.82, "latency_ms": 15.5, "stopped_after": None, "on_front": False},
]
FINALISTS = [
    {"subnet": fields(WINNER), "accuracy": 0.79, "table_ms": 7.9, "measured_ms": 8.0, "p90_ms": 8.5, "simulated": [], "meets_budget": True, "chosen": True, "fresh_ms": [8.1, 8.3, 8.0]},
    {"subnet": fields(OTHER), "accuracy": 0.74, "table_ms": 4.0, "measured_ms": 5.0, "p90_ms": 5.5, "simulated": [], "meets_budget": True, "chosen": False, "fresh_ms": []},
]


COMPARED = {"random": [EVALUATED[0], EVALUATED[2] | {"on_front": True}]}
KERNELS = [{"place": "host, 1 thread, tvm float32, 32 tokens", "source": "measured", "kernels": [
    {"kernel": "gemm 32x64 to 32x256", "calls": 2, "us": 3000.0, "bound_by": None},
    {"kernel": "attention 32x192 to 32x64", "calls": 2, "us": 900.0, "bound_by": None},
    *[{"kernel": f"rows {i}", "calls": 1, "us": 20.0, "bound_by": None} for i in range(10)],
]}]  # fmt: skip
PHONE_KERNELS = [
    {"place": "pixel_4, 1 large, tflite float32, 32 tokens", "source": "simulated", "kernels": [
        {"kernel": "FULLY_CONNECTED up 32x64 to 32x256", "calls": 2, "us": 12500.0, "bound_by": "arithmetic"},
    ]},
    {"place": "galaxy_s20, gpu, tflite float16, 32 tokens", "source": "simulated", "kernels": [
        {"kernel": "SOFTMAX", "calls": 2, "us": 1500.0, "bound_by": "memory"},
    ]},
]  # fmt: skip
CONFIG = {"workdir": "runs/of reviews", "checkpoint": "some/checkpoint", "speedup_over_bert_base": 12.0, "seq_len": 64, "max_length": 32, "depths": [1, 2]}


def summary(**changes):
    """The summary with parts replaced: `winner={"value": 0.5}` changes one field, any other value the whole part."""
    made = copy.deepcopy(SUMMARY)
    for name, change in changes.items():
        made[name] = {**made[name], **change} if isinstance(change, dict) and made[name] else change
    return made


def in_dtypes():
    """The changes that make a run one for 9 ms in int8_fast, with its latencies in other dtypes."""
    narrow = [("winner", "tvm", "int8_fast", 4.0), ("winner", "tvm", "int8_accurate", 5.0), ("winner", "tflite", "int8", 8.0), ("bert_base", "tflite", "int8", 100.0)]
    scores = [("tvm", "int8_fast", 0.8144), ("tflite", "float32", 0.8189), ("tvm", "float32", 0.8189), ("tvm", "int8_accurate", 0.8178), ("tflite", "int8", 0.8167)]
    return {
        "budget": limited(dtype="int8_fast", file="winner/model_example_int8_fast.so", value=0.8144, winner_ms=4.0, speedup_vs_tflite_bert_base=40.0),
        "latencies": [*LATENCIES, *(latency(model, runtime, ms, ms) | {"dtype": dtype} for model, runtime, dtype, ms in narrow)],
        "winner": {"value": 0.8144},
        "parity": {"tvm_max_abs_err": 0.025, "tvm_rms_err": 0.014, "tvm_dtype": "int8_fast"},
        "speedup_vs_tflite_bert_base": 40.0,
        "speedup_best_dtype": 32.0,
        "speedup_both_best_dtype": 20.5,
        "best_dtype": {"winner": "int8_accurate", "bert_base": "int8", "tolerance": 0.005},
        "precisions": [{"runtime": runtime, "dtype": dtype, "value": value, "rms_err": 0.014, "max_abs_err": 0.025} for runtime, dtype, value in scores],
    }  # fmt: skip


def limited(**changes):
    """The budget of one limit of the host, changed."""
    return {"limits": [LIMIT | changes]}


def write_run(folder: pathlib.Path, finalists=FINALISTS, kernels=KERNELS, compared=COMPARED, **changes) -> pathlib.Path:
    """A run folder whose summary has these changes."""
    (folder / "search/compared").mkdir(parents=True)
    told = summary(**changes)
    latencies = told["latencies"] if isinstance(told["latencies"], list) else LATENCIES
    lines = [{**one, "subnet": fields(TEACHER), "reference_drift": 1.25, "date": "2030-01-01"} for one in latencies]
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "summary.json").write_text(json.dumps(told))
    (folder / "kernels.json").write_text(json.dumps(kernels))
    for name, rows in compared.items():
        (folder / f"search/compared/{name}.json").write_text(json.dumps(rows))
    (folder / "search/evaluated.json").write_text(json.dumps(EVALUATED))
    (folder / "search/uniform.json").write_text(json.dumps(UNIFORMS))
    (folder / "finalists.json").write_text(json.dumps(finalists))
    (folder / "latency.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def missed(**winner):
    """The changes that make a run miss its budget of 9 ms by a tenth."""
    latencies = [latency("winner", "tvm", 9.9, 11.0), *LATENCIES[1:]]
    budget = limited(winner_ms=9.9, compliant=False, speedup_vs_tflite_bert_base=16.2)
    return {"latencies": latencies, "budget": budget, "winner": {"compliant": False, **winner}, "speedup_vs_tflite_bert_base": 16.2}


def for_phones(*limits, sizes=(), library=None):
    """The changes that make a run one for simulated devices, the first of them a Pixel 4."""
    latencies = [on_phone("winner", 25.0), on_phone("teacher", 58.5), on_phone("bert_base", 400.0)]
    latencies += [on_phone("winner", 3.0, "galaxy_s20", "gpu", "float16"), on_phone("bert_base", 42.0, "galaxy_s20", "gpu", "float16")]
    return {
        "budget": {"limits": list(limits or [PHONE_LIMIT]), "sizes": list(sizes)}, "latencies": latencies, "speedup_vs_tflite_bert_base": 16.0,
        "winner": {"evidence": "simulated"}, "phone_libraries": [library] if library else [],
    }  # fmt: skip


def for_sizes(*sizes):
    """The changes that make a run one for sizes alone, and its finalists."""
    finalists = [one | {"measured_ms": None, "p90_ms": None, "fresh_ms": [], "table_ms": 2_100_000.0} for one in FINALISTS]
    return {"budget": {"limits": [], "sizes": list(sizes or [PARAMETERS_LIMIT])}, "winner": {"evidence": "counted"}, "finalists": finalists, "kernels": []}


PHONE_FINALISTS = [
    one | {"measured_ms": None, "p90_ms": None, "fresh_ms": [], "table_ms": 25.0, "simulated": [
        {"place": "pixel_4, 1 large, tflite float32, 32 tokens", "limit_ms": 30.0, "low_ms": 22.5, "median_ms": 25.0, "high_ms": 27.5, "meets": True}
    ]}
    for one in FINALISTS
]  # fmt: skip
