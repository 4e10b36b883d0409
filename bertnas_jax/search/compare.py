"""The comparison stage: winner, teacher and BERT-base side by side, measured here and simulated where the budget's other limits are."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from bertnas_jax.compiler import CompiledModel, compile_model, host_target
from bertnas_jax.export import export_tflite
from bertnas_jax.latency import LatencyRecord, Timing, append_records, stand_in
from bertnas_jax.model import Bert
from bertnas_jax.search.budget import RUNNING_MEMORY, TFLITE_FILE, Budget, Cost, PricedLimit
from bertnas_jax.search.finalists import meets
from bertnas_jax.search.job import Job
from bertnas_jax.search.evaluated import Precision
from bertnas_jax.search.precisions import BASELINE_INT8, NO_DTYPES, WINNER, best_dtypes, deployed_variants, score_variants, winner_variants
from bertnas_jax.search.side_by_side import (
    BERT_BASE,
    REFERENCE,
    Variant,
    bert_base_file,
    conditions_of,
    drop_bert_base,
    measure_side_by_side,
    record,
)
from bertnas_jax.search.simulated import baseline_of, simulated_record
from bertnas_jax.search.winner import Exported
from bertnas_jax.space import Subnet

COMPARISON_FILE = "comparison.json"


def compare_stage(job: Job, exported: Exported, winner: Bert, teacher: Bert, budget: Budget) -> dict:
    """Latencies of the three models, the winner's speed-up under the first latency limit, or here, and in the best dtypes, and whether it meets each and all.

    What is measured is of one interleaved measurement with BERT-base on TFLite in each round; the
    speed-up is the median over rounds of their ratio.
    """
    if not job.folder.has(COMPARISON_FILE):
        subnet = winner.config.subnet
        subnets = {"winner": subnet, "teacher": teacher.config.subnet, REFERENCE: BERT_BASE}
        variants = winner_variants(job, winner, exported.library, exported.tflite) if job.here else {}
        precisions = score_variants(job, winner, deployed_variants(job, winner, exported.library, variants))
        timings = _measure(job, variants, teacher) if variants else {}
        records = [record(job, one.model, subnets[one.model], one.runtime, timing, one.dtype) for one, timing in timings.items()]
        records += [one for limit in budget.elsewhere for one in _simulated(limit, subnets)]
        append_records(job.path("latency.jsonl"), records)
        limits = [_on_limit(limit, subnet, timings) | _deployed(limit, exported, precisions) for limit in budget.latencies]
        sizes = [_on_size(exported, cost, subnet) for cost in budget.sizes]
        comparison = {
            "latencies": [dataclasses.asdict(one) for one in records],
            "speedup_vs_tflite_bert_base": limits[0]["speedup_vs_tflite_bert_base"] if limits else 1 / timings[Variant(WINNER, "tvm", job.precision)].ratio,
            **(best_dtypes(precisions, timings, job.config.budget.precision_tolerance) if timings else NO_DTYPES),
            "precisions": [dataclasses.asdict(one) for one in precisions],
            "compliant": all(one["compliant"] for one in (*limits, *sizes)),
            "limits": limits,
            "sizes": sizes,
        }
        job.folder.write_json(COMPARISON_FILE, comparison)
        drop_bert_base(job)
    return job.folder.read_json(COMPARISON_FILE)


def _simulated(limit: PricedLimit, subnets: Mapping[str, Subnet]) -> list[LatencyRecord]:
    """The models at the limit's place, and BERT-base there on TensorFlow Lite in float32 if that is another."""
    place = limit.limit.place
    found = [simulated_record(place, model, subnet) for model, subnet in subnets.items()]
    baseline = baseline_of(place)
    return found if baseline == place else [*found, simulated_record(baseline, REFERENCE, BERT_BASE)]


def _on_limit(limit: PricedLimit, winner: Subnet, timings: Mapping[Variant, Timing]) -> dict:
    """The winner's latency under a limit, how it is known, and whether it is met."""
    asked = limit.limit
    fields = dataclasses.asdict(asked.place) | {
        "latency_ms": limit.latency_ms,
        "speedup_over_bert_base": asked.speedup_over_bert_base or None,
        "energy_mj": asked.energy_mj or None,
        "bert_base_ms": limit.bert_base_ms,
        "knowledge": limit.knowledge,
    }
    if asked.place.is_host:
        timing = timings[Variant(WINNER, "tvm", asked.place.dtype)]
        compliant, speedup = meets(asked, timing, margin=0.0), 1 / timing.ratio
        return fields | _known("measured", timing.median_ms, None, None, compliant, speedup)
    known = limit.simulated(winner)
    told = _known("simulated", known.median_ms, known.low_ms, known.high_ms, known.meets, limit.bert_base_ms / known.median_ms)
    return fields | told | {"winner_mj": asked.place.energy_mj(known.median_ms)}


def _deployed(limit: PricedLimit, exported: Exported, precisions: Sequence[Precision]) -> dict:
    """What the limit is for: the exported file, None where it could not be made here, and the winner's score in its numbers."""
    place = limit.limit.place
    value = next(one.value for one in precisions if (one.runtime, one.dtype) == (place.runtime, place.dtype))
    return {"file": exported.file_for(place), "value": value}


def _known(evidence: str, winner_ms: float, low_ms: float | None, high_ms: float | None, compliant: bool, speedup: float) -> dict:
    return {
        "evidence": evidence,
        "winner_ms": winner_ms,
        "winner_mj": None,
        "low_ms": low_ms,
        "high_ms": high_ms,
        "compliant": compliant,
        "speedup_vs_tflite_bert_base": speedup,
    }


def _on_size(exported: Exported, cost: Cost, winner: Subnet) -> dict:
    """The winner's parameters, FLOPs or megabytes, which are those of the file as it was written and of the model as it was planned."""
    known_mb = {TFLITE_FILE: exported.tflite.stat().st_size / 1e6, RUNNING_MEMORY: exported.memory.total_bytes / 1e6}
    value = known_mb[cost.name] if cost.name in known_mb else cost.table.of(winner)
    return {"name": cost.name, "unit": cost.unit, "most": cost.most, "value": value, "compliant": value <= cost.most}


def _measure(job: Job, winners: Mapping[Variant, CompiledModel | pathlib.Path], teacher: Bert) -> dict[Variant, Timing]:
    """The winner in every precision, teacher and BERT-base in float32, BERT-base in TensorFlow Lite's int8."""
    seq_len, target = job.config.budget.seq_len, host_target()
    teacher_file: pathlib.Path = job.path("baseline/teacher.tflite")
    export_tflite(teacher, seq_len, teacher_file)
    others = {
        Variant("teacher", "tvm"): compile_model(teacher, seq_len, target),
        Variant(REFERENCE, "tvm"): compile_model(stand_in(BERT_BASE, conditions_of(job)), seq_len, target),
        Variant("teacher", "tflite"): teacher_file,
        BASELINE_INT8: bert_base_file(job, "int8"),
    }
    return measure_side_by_side(job, job.config.measure_rounds, dict(winners) | others)
