"""summary.json: what the run found, with the evidence."""

from __future__ import annotations

import dataclasses
import datetime
import resource
from collections.abc import Sequence

from bertnas_jax.latency import describe_host
from bertnas_jax.model import Bert
from bertnas_jax.search.explore import EVALUATED_FILE, read_evaluated
from bertnas_jax.search.evaluated import Evaluated, weakest_evidence
from bertnas_jax.search.job import Form, Job
from bertnas_jax.search.latencies import SURVEY_FILE
from bertnas_jax.search.rounds import read_rounds
from bertnas_jax.search.samplers import drawn_first
from bertnas_jax.search.winner import Exported
from bertnas_jax.space import Subnet, count_flops, count_parameters
from bertnas_jax.train import Teacher, versions

_FROM_COMPARISON = ("speedup_vs_tflite_bert_base", "speedup_best_dtype", "speedup_both_best_dtype", "best_dtype", "precisions")


def summarise(job: Job, teacher: Teacher, winner: Bert, comparison: dict, exported: Exported, seconds: dict[str, float]) -> dict:
    """The summary of a run; design and meaning of the fields are in README.md."""
    config, task, subnet = job.config, job.feed.task, winner.config.subnet
    scores, evaluated = job.folder.read_json("winner.json"), read_evaluated(job, EVALUATED_FILE)
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
        "budget": _place(job, comparison) | {
            "seq_len": config.budget.seq_len,
            "limits": comparison["limits"],
            "sizes": comparison["sizes"],
            "simulated_margin": config.budget.simulated_margin,
        },
        "subnet": dataclasses.asdict(subnet),
        "kept_layers": list(job.space.kept_layers(subnet.depth)),
        "teacher": _facts(job, job.bert.subnet) | {"metric": task.metric, "value": teacher.value},
        "winner": _facts(job, subnet) | {"metric": task.metric, "compliant": comparison["compliant"], "evidence": _evidence(comparison)}
        | scores
        | {"value": value_in_budget(job, comparison), "float32_value": scores["value"]}
        | {"weight_bytes": exported.memory.weight_bytes, "arena_bytes": exported.memory.arena_bytes},
        "latencies": comparison["latencies"],
        **{name: comparison[name] for name in _FROM_COMPARISON},
        "search": {
            "method": config.sampler.sampler,
            "evaluated": len(evaluated),
            "drawn_first": drawn_first(config.sampler),
            "early_stop": _early_stop(job, evaluated),
            "rounds": [
                {"factor": one.factor, "evaluations": one.evaluations, "share": one.share, "finalists": len(one.finalists)}
                for one in read_rounds(job)
            ],
            "space_size": job.space.count,
            "survey": job.folder.read_json(SURVEY_FILE),
            "wall_s": seconds.get("search", 0.0),
        },
        "parity": exported.parity,
        "phone_libraries": exported.phone_libraries,
        "stages": [{"name": name, "wall_s": round(value, 1)} for name, value in seconds.items()],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),  # Linux counts KiB
        "device": {name: _text(value) for name, value in dataclasses.asdict(describe_host()).items()},
        "versions": versions(),
    }


def value_in_budget(job: Job, comparison: dict) -> float:
    """The winner's score on all of dev in the numbers that it is to run in, the least of several."""
    return min(one["value"] for one in comparison["precisions"] if Form(one["runtime"], one["dtype"]) in job.forms)


def _early_stop(job: Job, evaluated: Sequence[Evaluated]) -> dict[str, int]:
    """How many Subnets were stopped before the end of the dev subset, and how many of all their examples that saved."""
    each = min(job.config.sampler.dev_subset, len(job.feed.dev))
    saved = [each - one.stopped_after for one in evaluated if one.stopped_after is not None]
    return {"stopped": len(saved), "examples_saved": sum(saved), "examples": each * len(evaluated)}


def _place(job: Job, comparison: dict) -> dict:
    """Where the winner is to run first and the limit there, null of a budget of sizes alone: what a budget of one latency is."""
    limited = comparison["limits"][0] if comparison["limits"] else {}
    return dataclasses.asdict(job.places[0]) | {name: limited.get(name) for name in ("latency_ms", "speedup_over_bert_base")}


def _evidence(comparison: dict) -> str:
    """The weakest that compliance rests on; sizes are counted."""
    return weakest_evidence({limit["evidence"] for limit in comparison["limits"]})


def _facts(job: Job, subnet: Subnet) -> dict:
    return {
        "subnet": dataclasses.asdict(subnet),
        "params": count_parameters(subnet, job.bert.vocabulary),
        "flops": count_flops(subnet, job.bert.vocabulary, job.config.budget.seq_len),
    }


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
