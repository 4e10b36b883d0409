"""BERT-base, teacher, winner and the best uniformly shrunk net, side by side."""

from __future__ import annotations

import dataclasses

from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.report.summary import Latency, Summary
from bertnas_jax.space import Subnet, Vocabulary, count_parameters, encoder_flops

# Source: Devlin et al. 2018 (arXiv 1810.04805), section 3 and the published bert-base-uncased checkpoint.
BERT_BASE = Subnet.uniform(depth=12, hidden=768, heads=12, ffn=3072)
BERT_BASE_VOCABULARY = Vocabulary(size=30522, has_pooler=True)


@dataclasses.dataclass(frozen=True)
class Contender:
    """A model to compare; None where a fact is not known.

    `value` is its own score on all of dev, `supernet_value` that by the shared weights on a part of
    dev, and `table_ms` its price by what the front is over: only the same column may be compared.
    """

    model: str
    subnet: Subnet
    params: int | None
    flops: int
    value: float | None = None
    supernet_value: float | None = None
    table_ms: float | None = None


def contenders(run: RunResults) -> tuple[Contender, ...]:
    """The rows of the comparison; the uniform net is left out if none is as fast as the winner."""
    best = run.best_uniform
    uniform = () if best is None else (_uniform(run.summary, best),)
    return (bert_base(run.summary), teacher(run.summary), _winner(run), *uniform)


def bert_base(summary: Summary) -> Contender:
    params = count_parameters(BERT_BASE, BERT_BASE_VOCABULARY)
    return Contender("bert_base", BERT_BASE, params, encoder_flops(BERT_BASE, summary.budget.seq_len))


def teacher(summary: Summary) -> Contender:
    told = summary.teacher
    return Contender("teacher", told.subnet, told.params, told.flops, told.value)


def winner(summary: Summary) -> Contender:
    told = summary.winner
    return Contender("winner", summary.subnet, told.params, told.flops, told.value)


def _winner(run: RunResults) -> Contender:
    seen = run.winner_point
    return dataclasses.replace(winner(run.summary), supernet_value=seen.accuracy, table_ms=seen.latency_ms)


def _uniform(summary: Summary, point: Point) -> Contender:
    flops = encoder_flops(point.subnet, summary.budget.seq_len)
    return Contender("best uniform net", point.subnet, _params_like(summary, point.subnet), flops, None, point.accuracy, point.latency_ms)


def _params_like(summary: Summary, subnet: Subnet) -> int | None:
    """The parameters of a Subnet as wide as the winner or the teacher: what surrounds the blocks is then the same."""
    around = Vocabulary(size=1)  # any will do: it cancels
    for known, params in ((summary.subnet, summary.winner.params), (summary.teacher.subnet, summary.teacher.params)):
        if known.hidden == subnet.hidden:
            return params + count_parameters(subnet, around) - count_parameters(known, around)
    return None


def latencies_of(summary: Summary, contender: Contender) -> tuple[Latency, ...]:
    """Its latencies at the budget's place, its runtime and dtype first."""
    place = summary.budget.place
    found = [one for one in summary.comparable if one.model == contender.model]
    return tuple(sorted(found, key=lambda one: (one.runtime != place.runtime, one.dtype != place.dtype, one.source != "measured")))
