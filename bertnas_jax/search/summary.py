"""summary.json: what the run found, with the evidence."""

from __future__ import annotations

import dataclasses
import datetime
import resource

from bertnas_jax.latency import describe_host
from bertnas_jax.model import Bert
from bertnas_jax.search.explore import EVALUATED_FILE
from bertnas_jax.search.job import Job
from bertnas_jax.search.latencies import SURVEY_FILE
from bertnas_jax.search.samplers import drawn_first
from bertnas_jax.search.winner import Exported
from bertnas_jax.space import Subnet, count_flops, count_parameters
from bertnas_jax.train import Teacher, versions


def summarise(job: Job, teacher: Teacher, winner: Bert, comparison: dict, exported: Exported, seconds: dict[str, float]) -> dict:
    """The summary of a run; design and meaning of the fields are in README.md."""
    config, task, subnet = job.config, job.feed.task, winner.config.subnet
    scores = job.folder.read_json("winner.json")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "checkpoint": config.checkpoint,
        "task": {
            "name": task.name,
            "kind": task.kind,
            "metric": task.metric,
            "train_examples": len(task.train),
            "dev_examples": len(task.dev),
            "pad_share": job.feed.pad_share,
            "bag_of_words": teacher.bag_of_words,
        },
        "budget": _first(comparison) | {
            "seq_len": config.budget.seq_len,
            "limits": comparison["limits"],
            "sizes": comparison["sizes"],
            "simulated_margin": config.budget.simulated_margin,
        },
        "subnet": dataclasses.asdict(subnet),
        "kept_layers": list(job.space.kept_layers(subnet.depth)),
        "teacher": _facts(job, job.bert.subnet) | {"metric": task.metric, "value": teacher.value},
        "winner": _facts(job, subnet) | {"metric": task.metric, "compliant": comparison["compliant"], "evidence": _evidence(comparison)} | scores,
        "latencies": comparison["latencies"],
        "speedup_vs_tflite_bert_base": comparison["speedup_vs_tflite_bert_base"],
        "search": {
            "method": config.sampler.sampler,
            "evaluated": len(job.folder.read_json(EVALUATED_FILE)),
            "drawn_first": drawn_first(config.sampler),
            "space_size": job.space.count,
            "survey": job.folder.read_json(SURVEY_FILE),
            "wall_s": seconds.get("search", 0.0),
        },
        "parity": exported.parity,
        "phone_library": exported.phone_library,
        "stages": [{"name": name, "wall_s": round(value, 1)} for name, value in seconds.items()],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),  # Linux counts KiB
        "device": {name: _text(value) for name, value in dataclasses.asdict(describe_host()).items()},
        "versions": versions(),
    }


def _first(comparison: dict) -> dict:
    """The limit that the front is drawn over: what a budget of one limit is."""
    names = ("device", "cores", "runtime", "dtype", "threads", "latency_ms", "speedup_over_bert_base")
    return {name: comparison["limits"][0][name] for name in names}


def _evidence(comparison: dict) -> str:
    """The weakest that compliance rests on."""
    return "simulated" if any(limit["evidence"] == "simulated" for limit in comparison["limits"]) else "measured"


def _facts(job: Job, subnet: Subnet) -> dict:
    return {
        "subnet": dataclasses.asdict(subnet),
        "params": count_parameters(subnet, job.bert.vocabulary),
        "flops": count_flops(subnet, job.bert.vocabulary, job.config.budget.seq_len),
    }


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
