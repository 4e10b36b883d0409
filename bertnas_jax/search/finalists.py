"""Finalists: the best Subnets scored on the whole dev split and, for a limit of this machine, built and measured whole."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterable, Mapping

from tqdm import tqdm

from bertnas_jax.compiler import CompiledModel, compile_model, host_target
from bertnas_jax.latency import Timing, append_records
from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.budget import Budget, PricedLimit
from bertnas_jax.search.evaluated import Evaluated, Finalist
from bertnas_jax.search.fresh_process import Fresh, timed_afresh
from bertnas_jax.search.job import Form, Job
from bertnas_jax.search.latency_limit import LatencyLimit
from bertnas_jax.search.precisions import score_form, score_on_dev
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.side_by_side import Variant, bert_base_file, measure_side_by_side, on_cores_of, record
from bertnas_jax.search.simulated import simulated_record
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, extract

FINALISTS_FILE = "finalists.json"
CONFIRMED_FILE = "search/confirmed.json"
ROUNDS = 15  # that finalists are measured in


def meets(limit: LatencyLimit, timing: Timing, margin: float) -> bool:
    """True if a timing with BERT-base on TFLite as its reference is under the limit by `margin`."""
    if limit.latency_ms:
        return timing.median_ms <= limit.latency_ms * (1 - margin)
    return timing.ratio <= (1 - margin) / limit.speedup_over_bert_base


def run_heat(job: Job, weights: SharedWeights, scorer: SupernetScorer, heat: list[Evaluated], budget: Budget, factor: float) -> list[Finalist]:
    """These Subnets scored on the whole dev split and, for a limit of this machine, built and measured; their prices are times a factor."""
    built = _build(job, weights, [one.subnet for one in heat]) if budget.host else {}
    scores = {one.subnet: _score(job, weights, scorer, one.subnet, built) for one in tqdm(heat, desc="finalists", unit="subnet")}
    timings = _measure(job, built) if built else {}
    records = [record(job, "finalist", subnet, "tvm", timing, job.precision) for subnet, timing in timings.items()]
    records += [simulated_record(limit.limit.place, "finalist", one.subnet) for limit in budget.elsewhere for one in heat]
    append_records(job.path("latency.jsonl"), records)
    heat = [dataclasses.replace(one, latency_ms=one.latency_ms * budget.front_factor(factor)) for one in heat]
    return [_finalist(job, one, scores[one.subnet], timings.get(one.subnet), budget) for one in heat]


def _build(job: Job, weights: SharedWeights, subnets: Iterable[Subnet]) -> dict[Subnet, CompiledModel]:
    """The Subnets compiled in the budget's precision."""
    built, seq_len, target = {}, job.config.budget.seq_len, host_target()
    for subnet in tqdm(subnets, desc="building finalists", unit="subnet"):
        built[subnet] = compile_model(extract(weights, job.space, job.bert, subnet), seq_len, target, job.precision)
    return built


def _score(job: Job, weights: SharedWeights, scorer: SupernetScorer, subnet: Subnet, built: Mapping[Subnet, CompiledModel]) -> float:
    """The score on all of dev in the numbers of the limits, the least of several: run where they are not the shared weights'."""

    def score(form: Form) -> float:
        if form.dtype == "float32":
            return scorer.on_dev(subnet)
        if built and form == Form("tvm", job.precision):
            with on_cores_of(job):
                return score_on_dev(job, built[subnet].run)
        return score_form(job, extract(weights, job.space, job.bert, subnet), form)

    # Several forms of float32 are one: their logits differ by rounding alone.
    return min(map(score, {("float32" if form.dtype == "float32" else form): form for form in job.forms}.values()))


def _measure(job: Job, built: Mapping[Subnet, CompiledModel]) -> dict[Subnet, Timing]:
    """Timings of the compiled Subnets, in turn."""
    variants = {subnet: Variant(subnet.describe(), "tvm", job.precision) for subnet in built}
    measured = measure_side_by_side(job, ROUNDS, {variants[subnet]: model for subnet, model in built.items()})
    return {subnet: measured[variant] for subnet, variant in variants.items()}


def _finalist(job: Job, one: Evaluated, accuracy: float, timing: Timing | None, budget: Budget) -> Finalist:
    simulated = budget.simulated(one.subnet)
    meets_here = timing is None or meets(budget.host.limit, timing, job.config.budget.margin)
    return Finalist(
        subnet=one.subnet,
        accuracy=accuracy,
        table_ms=one.latency_ms,
        measured_ms=timing.median_ms if timing else None,
        p90_ms=timing.p90_ms if timing else None,
        simulated=simulated,
        meets_budget=meets_here and all(latency.meets for latency in simulated),
    )


def confirmed(job: Job, weights: SharedWeights, host: PricedLimit, finalists: list[Finalist]) -> list[Finalist]:
    """The finalists with the one that `choose` takes of them timed in processes of its own; one that does not meet the limit in all no longer meets the budget.

    Each is written down as it is timed: a run that is started again does not time it again.
    """
    rows = job.folder.read_json(CONFIRMED_FILE) if job.folder.has(CONFIRMED_FILE) else []
    timed = {one.subnet: one for one in map(Finalist.from_fields, rows)}
    found = [timed.get(one.subnet, one) for one in finalists]
    while any(one.meets_budget for one in found) and not (chosen := choose(found)).fresh_ms:
        timings = [one.timing for one in time_afresh(job, weights, chosen.subnet, job.config.budget.fresh_processes)]
        holds = all(meets(host.limit, timing, margin=0.0) for timing in timings)
        found[found.index(chosen)] = dataclasses.replace(chosen, fresh_ms=tuple(timing.median_ms for timing in timings), meets_budget=holds)
        append_records(job.path("latency.jsonl"), [record(job, "finalist", chosen.subnet, "tvm", timing, job.precision) for timing in timings])
        job.folder.write_json(CONFIRMED_FILE, [dataclasses.asdict(one) for one in found if one.fresh_ms])
    return found


def time_afresh(job: Job, weights: SharedWeights, subnet: Subnet, processes: int) -> list[Fresh]:
    """The Subnet built in the budget's precision, by the tuning at work, and timed in that many processes of its own, as finalists are: beside BERT-base."""
    (library,) = _build(job, weights, [subnet]).values()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "finalist.so"
        library.save(file)
        return timed_afresh(file, bert_base_file(job), job.config.budget.seq_len, job.threads, ROUNDS, processes)


def choose(finalists: list[Finalist]) -> Finalist:
    """The most accurate that meets the budget, of equals the fastest.

    Raises:
      InfeasibleBudget: none does; names the nearest.
    """
    fitting = [finalist for finalist in finalists if finalist.meets_budget]
    if not fitting:
        nearest = min(finalists, key=lambda finalist: finalist.latency_ms)
        raise InfeasibleBudget(
            f"the budget must be met by a measured subnet, got {nearest.latency_ms:.2f} ms for the nearest of {len(finalists)} "
            f"finalists, {nearest.subnet.describe()}; measure again on a quieter machine, or allow more"
        )
    return max(fitting, key=lambda finalist: (finalist.accuracy, -finalist.latency_ms))
