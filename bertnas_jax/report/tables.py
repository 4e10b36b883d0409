"""The tables of the page: who is compared, who was in the final, every latency."""

from __future__ import annotations

from collections.abc import Sequence

from bertnas_jax.report import figures
from bertnas_jax.report.comparison import Contender, contenders, latencies_of
from bertnas_jax.report.budget import Limit
from bertnas_jax.report.front_cost import FrontCost, front_cost
from bertnas_jax.report.html_table import Table
from bertnas_jax.report.labels import backend_label, limit_label, model_label, sizes_label
from bertnas_jax.report.methods import Method, methods
from bertnas_jax.report.results import LatencyLine, RunResults
from bertnas_jax.report.summary import Latency, Summary
from bertnas_jax.search.evaluated import Finalist
from bertnas_jax.search.kernel_cost import CostsAt


_KERNELS_SHOWN = 10


def comparison_table(run: RunResults) -> Table:
    """One row a model: sizes, counts, scores, and its median on each runtime with the factor over BERT-base on TFLite."""
    metric = run.summary.winner.metric
    runtimes = _runtimes(run.summary)
    front = front_cost(run.summary)
    priced = f"{front.priced_by} {front.unit}"
    head = ("model", "sizes", "params", "FLOPs", f"{metric}, tuned, all of dev", f"{metric}, supernet, part of dev", priced)
    rows = [
        (
            model_label(one.model),
            sizes_label(one.subnet),
            figures.count(one.params),
            figures.count(one.flops),
            figures.score(metric, one.value),
            figures.score(metric, one.supernet_value),
            figures.NOT_KNOWN if one.table_ms is None else front.amount(one.table_ms),
            *(_median(run.summary, one, backend) for backend in runtimes),
        )
        for one in contenders(run)
    ]
    return Table((*head, *(f"{backend} ms" for backend in runtimes)), rows, words=2, wrapped=1, strong_row=2)


def _runtimes(summary: Summary) -> list[str]:
    """The runtimes with any latency in float32 or as the budget's place says, its own first; other dtypes have a table of their own."""
    place = summary.budget.place
    found = sorted((one for one in summary.comparable if one.dtype in ("float32", place.dtype)), key=lambda one: (one.runtime != place.runtime, one.dtype != place.dtype))
    return list(dict.fromkeys(backend_label(one) for one in found))


def _median(summary: Summary, contender: Contender, backend: str) -> str:
    found = [one for one in latencies_of(summary, contender) if backend_label(one) == backend]
    if not found:
        return figures.NOT_KNOWN
    text = f"{figures.milliseconds(found[0].median_ms)} ({figures.factor(summary.speedup(found[0]))})"
    return text if found[0].source == "measured" else f"{text}, {found[0].source}"


def finalists_table(run: RunResults) -> Table:
    """A row a finalist: its score, its price, and its latency under each limit, measured here or simulated elsewhere."""
    metric, front = run.summary.winner.metric, front_cost(run.summary)
    measured = any(one.measured_ms is not None for one in run.finalists)
    head = ["finalist", f"{metric}, supernet{_narrow(run.summary)}, all of dev", f"{front.priced_by} {front.unit}"]
    head += ["measured ms", "p90 ms", "measured / table", "in fresh processes ms"] if measured else []
    head += [f"{latency.place}, simulated ms" for latency in run.finalists[0].simulated]
    rows = [(*_finalist_cells(one, metric, front, measured), _yes(one.meets_budget)) for one in run.finalists]
    chosen = next(i for i, one in enumerate(run.finalists) if one.chosen)
    return Table((*head, "meets budget"), rows, wrapped=0, strong_row=chosen)


def _narrow(summary: Summary) -> str:
    """In what finalists were scored, if not in the supernet's float32."""
    narrow = dict.fromkeys(backend_label(place) for place in (summary.budget.place, *summary.budget.limits) if place.dtype != "float32")
    return f" in {' and '.join(narrow)}, the least" if len(narrow) > 1 else "".join(f" in {one}" for one in narrow)


def _finalist_cells(one: Finalist, metric: str, front: FrontCost, measured: bool) -> list[str]:
    name = ("chosen: " if one.chosen else "") + sizes_label(one.subnet)
    cells = [name, figures.score(metric, one.accuracy), front.amount(one.table_ms)]
    if measured:
        ratio = figures.NOT_KNOWN if one.measured_ms is None else f"{one.measured_ms / one.table_ms:.2f}"
        cells += [figures.milliseconds(one.measured_ms), figures.milliseconds(one.p90_ms), ratio, ", ".join(map(figures.milliseconds, one.fresh_ms))]
    ends = [tuple(map(figures.milliseconds, (told.median_ms, told.low_ms, told.high_ms))) for told in one.simulated]
    return cells + [f"{median} ({low} to {high})" for median, low, high in ends]


def methods_table(run: RunResults) -> Table:
    """A row a way of searching: how many evaluations, its best Subnet, and what all of them cover."""
    metric, front, compared = run.summary.task.metric, front_cost(run.summary), methods(run)
    own = next(i for i, one in enumerate(compared) if one.is_whole)
    head = ("method", "sizes of its best", "evaluated", f"best {metric}, supernet, part of dev", f"at {front.unit}", "hypervolume", "of this search's")
    rows = [_method_cells(metric, front, one, compared[own].covered[-1]) for one in compared]
    return Table(head, rows, words=2, wrapped=1, strong_row=own)


def _method_cells(metric: str, front: FrontCost, one: Method, whole: float) -> tuple[str, ...]:
    covered = figures.plotted(metric, one.covered[-1])
    share = f"{100 * one.covered[-1] / whole:.1f} %" if whole else figures.NOT_KNOWN
    score, cost = figures.score(metric, one.best.accuracy), front.amount(one.best.latency_ms)
    return (one.name, sizes_label(one.best.subnet), f"{len(one.evaluated):,}", score, cost, f"{covered:.4g}", share)


def kernels_table(costs: CostsAt) -> Table:
    """A row a kernel, what takes longest first; the many that take little together."""
    ordered = sorted(costs.kernels, key=lambda kernel: -kernel.total_us)
    shown, rest = ordered[:_KERNELS_SHOWN], ordered[_KERNELS_SHOWN:]
    whole_us = sum(kernel.total_us for kernel in ordered)
    rows = [_kernel_cells(one.kernel, one.total_us, whole_us, one.calls, one.bound_by or "") for one in shown]
    if rest:
        us, calls = sum(one.total_us for one in rest), sum(one.calls for one in rest)
        rows.append(_kernel_cells(figures.plural(len(rest), "other"), us, whole_us, calls, ""))
    columns = slice(None) if any(one.bound_by for one in shown) else slice(-1)
    head = ("kernel", "share", "ms", "calls", "us a call", "bound by")
    return Table(head[columns], [row[columns] for row in rows])


def _kernel_cells(name: str, us: float, whole_us: float, calls: int, bound_by: str) -> tuple[str, ...]:
    return (name, f"{100 * us / whole_us:.1f} %", f"{us / 1e3:.3f}", str(calls), f"{us / calls:.1f}", bound_by)


def budget_table(summary: Summary) -> Table:
    """A row a limit: what is allowed, what the winner costs and how that is known."""
    metric = summary.winner.metric
    head = ("limit", "known", "of the device", "file", "allowed", "winner", "90 % between", "vs BERT-base on TFLite", metric, "met")
    rows = [_limit_cells(limit, metric) for limit in summary.budget.limits]
    for size in summary.budget.sizes:
        amounts = [f"{value:,.10g} {size.unit}" for value in (size.most, size.value)]
        rows.append((size.name, "counted", "", "", *amounts, "", "", "", _yes(size.compliant)))
    return Table(head, rows, words=4)


def _limit_cells(limit: Limit, metric: str) -> tuple[str, ...]:
    between = f"{figures.milliseconds(limit.low_ms)} to {figures.milliseconds(limit.high_ms)} ms" if limit.evidence == "simulated" else ""
    allowed, cost = (
        f"{figures.milliseconds(ms)} ms" + ("" if mj is None else f", {figures.millijoules(mj)}")
        for ms, mj in ((limit.latency_ms, limit.energy_mj), (limit.winner_ms, limit.winner_mj))
    )
    speedup = figures.factor(limit.speedup_vs_tflite_bert_base)
    file, score = limit.file or "not made here", figures.score(metric, limit.value)
    return (limit_label(limit), limit.evidence, limit.knowledge, file, allowed, cost, between, speedup, score, _yes(limit.compliant))


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


_LATENCY_HEAD = ("model", "runtime", "source", "device", "cores", "dtype", "threads", "tokens", "median ms", "p90 ms", "90 % between", "runs")
_LATENCY_WORDS = 6


def latency_table(summary: Summary) -> Table:
    """The latencies that the comparison rests on."""
    rows = [(*_latency_cells(one), figures.factor(summary.speedup(one))) for one in summary.latencies]
    strong = summary.latencies.index(summary.winner_latency)
    return Table((*_LATENCY_HEAD, "vs BERT-base on TFLite"), rows, words=_LATENCY_WORDS, strong_row=strong)


def all_latencies_table(lines: Sequence[LatencyLine]) -> Table:
    """Every record of latency.jsonl, oldest first."""
    rows = [(*_latency_cells(one), f"{one.reference_drift:.2f}", one.date.replace("T", " "), one.subnet.describe()) for one in lines]
    return Table((*_LATENCY_HEAD, "drift", "date", "subnet"), rows, words=_LATENCY_WORDS)


def _latency_cells(one: Latency) -> tuple[str, ...]:
    names = (model_label(one.model), backend_label(one), one.source, one.device, one.cores, one.dtype)
    between = "" if one.low_ms is None else f"{figures.milliseconds(one.low_ms)} to {figures.milliseconds(one.high_ms)}"
    numbers = (figures.milliseconds(one.median_ms), figures.milliseconds(one.p90_ms), between, str(one.runs) if one.runs else "none")
    return (*names, str(one.threads), str(one.seq_len), *numbers)
