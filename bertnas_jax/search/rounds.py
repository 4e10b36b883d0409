"""Search and finalists, again if what was measured is not what was priced: the prices are corrected, and the search goes on by them."""

from __future__ import annotations

import dataclasses

from bertnas_jax.search.budget import Budget
from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.correction import corrected, correction, disagree
from bertnas_jax.search.evaluated import Evaluated, Finalist
from bertnas_jax.search.explore import publish, search_stage
from bertnas_jax.search.finalists import CONFIRMED_FILE, FINALISTS_FILE, choose, confirmed, run_heat
from bertnas_jax.search.job import Job
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.survey import survey
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights
from bertnas_jax.train import Stopwatch, SupernetScorer

ROUNDS_FILE = "search/rounds.json"
_MAX_GROUPS = 4  # groups of finalists that are measured in a round before the budget is given up
_GROWTH = 4  # a further round adds the evaluations of the first, divided by this: most of what it needs is in the study


@dataclasses.dataclass(frozen=True)
class Round:
    """Evaluations, those of the rounds before included, under prices times a factor; the share of the space that meets the budget by them.

    `finalists` are those built and measured in this round. One that was not `searched`, for nothing meets the budget by its prices, has
    the fastest Subnet as its finalist.
    """

    factor: float
    evaluations: int
    share: float
    finalists: tuple[Finalist, ...] = ()
    searched: bool = True


def read_rounds(job: Job) -> list[Round]:
    """The rounds that were begun, as the run folder holds them."""
    rows = job.folder.read_json(ROUNDS_FILE) if job.folder.has(ROUNDS_FILE) else []
    return [Round(**row | {"finalists": tuple(map(Finalist.from_fields, row["finalists"]))}) for row in rows]


def round_at_work(job: Job, budget: Budget) -> tuple[Budget, int]:
    """The budget by the prices of the latest round, and how many evaluations that is to end with: what a worker goes by."""
    rounds = read_rounds(job)
    return (corrected(budget, rounds[-1].factor), rounds[-1].evaluations) if rounds else (budget, job.config.sampler.evaluations)


def factor_at_work(job: Job) -> float:
    """What the latest round's prices on this machine were times; 1 before there is one."""
    rounds = read_rounds(job)
    return rounds[-1].factor if rounds else 1.0


def rounds_stage(job: Job, weights: SharedWeights, scorer: SupernetScorer, budget: Budget, watch: Stopwatch) -> Subnet:
    """The most accurate finalist of any round that meets the budget: measured where a limit is of this machine, by simulation elsewhere, counted if of sizes.

    What was measured is written down at once: a run that is started again goes on with the same latencies, unless none of them met the budget.

    Raises:
      InfeasibleBudget: nothing that was proposed or measured meets the budget; names the nearest.
    """
    if not job.folder.has(FINALISTS_FILE):
        rounds = _Rounds(job, weights, scorer, budget, watch)
        finalists = rounds.run()
        try:
            chosen = choose(finalists)
        except InfeasibleBudget:
            for name in (ROUNDS_FILE, CONFIRMED_FILE):
                job.path(name).unlink(missing_ok=True)  # the cure is to measure again
            raise
        publish(job, rounds.all_evaluated(), [(corrected(budget, one.factor), one.factor) for one in rounds.done])
        job.folder.write_json(FINALISTS_FILE, [dataclasses.asdict(dataclasses.replace(one, chosen=one is chosen)) for one in finalists])
    return next(Subnet.from_fields(row["subnet"]) for row in job.folder.read_json(FINALISTS_FILE) if row["chosen"])


class _Rounds:
    """The rounds of a run, from those that its folder holds on."""

    def __init__(self, job: Job, weights: SharedWeights, scorer: SupernetScorer, budget: Budget, watch: Stopwatch):
        self._job, self._weights, self._scorer, self._budget, self._watch = job, weights, scorer, budget, watch
        self.done = read_rounds(job)
        self.evaluated: list[Evaluated] = []

    def run(self) -> list[Finalist]:
        """All that were measured, in order; one of them holds in processes of its own too, or there are no more to be measured."""
        while True:
            self._correct()
            finalists = self._confirmed()
            if any(one.meets_budget for one in finalists) or not self._measure_more():
                return finalists

    def all_evaluated(self) -> list[Evaluated]:
        """What the search evaluated, and the fastest Subnet if that was measured in the end but never proposed."""
        known = {one.subnet for one in self.evaluated}
        measured = [finalist.subnet for one in self.done if not one.searched for finalist in one.finalists]
        return [*self.evaluated, *(self._evaluate(subnet) for subnet in measured if subnet not in known)]

    def _evaluate(self, subnet: Subnet) -> Evaluated:
        return Evaluated(subnet, self._scorer.on_part(subnet), self._budget.front.table.of(subnet))

    def _confirmed(self) -> list[Finalist]:
        if not (self._budget.host and self._job.config.budget.fresh_processes):
            return self._finalists
        with self._watch.stage("finalists", "the best one in processes of its own"):
            return confirmed(self._job, self._weights, self._budget.host, self._finalists)

    def _measure_more(self) -> bool:
        """Measures a further group of the last round; False if it has no more."""
        number = len(self.done) - 1
        if not (self.done[number].searched and self._next_group(number)):
            return False
        with self._watch.stage("finalists", "further ones, as none holds in processes of its own"):
            return self._measure_group(number)

    @property
    def _finalists(self) -> list[Finalist]:
        return self._up_to(len(self.done))

    def _up_to(self, number: int) -> list[Finalist]:
        """Those of this round and before: what its decisions may go by, so that they are the same when it is gone through again."""
        return [finalist for one in self.done[: number + 1] for finalist in one.finalists]

    def _correct(self) -> None:
        """Goes on until prices and measurements agree, or prices have been corrected as often as is allowed."""
        config, factor = self._job.config.sampler, 1.0
        for number in range(1 + config.corrections):
            if number < len(self.done) and not self.done[number].searched:
                return
            try:
                self._search(number, factor)
            except InfeasibleBudget:
                if not self._finalists:
                    raise
                self._measure_fastest(number, factor)
                return
            with self._watch.stage("finalists", "the best ones on all of dev" + (", built and measured" if self._budget.host else "")):
                self._measure(number, may_correct=number < config.corrections)
            factor = self._factor(number)
            if not disagree(factor, self.done[number].factor, config.price_tolerance):
                return

    def _search(self, number: int, factor: float) -> None:
        """Evaluates what this round may, under prices times the factor."""
        sampler = self._job.config.sampler
        budget = corrected(self._budget, factor)
        if number == len(self.done):
            share = survey(budget, sampler.priced, self._job.config.seed).share
            self.done.append(Round(factor, evaluations_of(sampler, number), share))
            self._write()
        told = "" if number == 0 else f", prices times {factor:.3f} as finalists were measured"
        with self._watch.stage("search", f"the most accurate subnet under {self._budget.describe()}{told}"):
            self.evaluated = search_stage(self._job, self._scorer, budget, number, self.done[number].evaluations)

    def _measure(self, number: int, may_correct: bool) -> None:
        """Measures groups of finalists until one meets the budget, or the prices are seen to be wrong and may be corrected."""
        while not self._is_settled(number, may_correct) and self._measure_group(number):
            pass

    def _measure_group(self, number: int) -> bool:
        """Measures the next group of finalists of a round; False if there is none, or as many as are allowed were."""
        this, group = self.done[number], self._next_group(number)
        if group:
            found = run_heat(self._job, self._weights, self._scorer, group, self._budget, this.factor)
            self.done[number] = dataclasses.replace(this, finalists=(*this.finalists, *found))
            self._write()
        return bool(group)

    def _next_group(self, number: int) -> list[Evaluated]:
        """What a round measures next; nothing if as many as are allowed were."""
        size = self._job.config.sampler.finalists
        return self._next(number)[:size] if len(self.done[number].finalists) < _MAX_GROUPS * size else []

    def _measure_fastest(self, number: int, factor: float) -> None:
        """By this round's prices nothing is left, and what was measured decides: the fastest Subnet too, which the factor of others may wrong."""
        del self.done[number:]
        fastest = self._budget.host.cost.table.cheapest()
        if self._budget.limits().allows(fastest) and fastest not in {finalist.subnet for finalist in self._finalists}:
            one = self._evaluate(fastest)
            with self._watch.stage("finalists", "the fastest subnet, built and measured: by the corrected prices nothing meets the budget"):
                found = run_heat(self._job, self._weights, self._scorer, [one], self._budget, factor)
            self.done.append(Round(factor, self.done[-1].evaluations, 0.0, tuple(found), searched=False))
        self._write()

    def _is_settled(self, number: int, may_correct: bool) -> bool:
        this = self.done[number]
        if not this.finalists:
            return False
        wrong = disagree(self._factor(number), this.factor, self._job.config.sampler.price_tolerance)
        return (wrong and may_correct) or any(finalist.meets_budget for finalist in self._up_to(number))

    def _next(self, number: int) -> list[Evaluated]:
        """What has seen the whole dev subset and was not measured: those within the budget first, then the most accurate, then the fastest."""
        limits, measured = corrected(self._budget, self.done[number].factor).limits(), {finalist.subnet for finalist in self._up_to(number)}
        known = [one for one in self.evaluated if one.stopped_after is None and one.subnet not in measured]
        return sorted(known, key=lambda one: (not limits.allows(one.subnet), -one.accuracy, one.latency_ms))

    def _factor(self, number: int) -> float:
        """The correction by all that was measured by the end of a round."""
        host = self._budget.host
        measured = [one for one in self._up_to(number) if one.measured_ms is not None]
        return correction((host.cost.table.of(one.subnet), one.measured_ms) for one in measured) if measured else 1.0

    def _write(self) -> None:
        self._job.folder.write_json(ROUNDS_FILE, [dataclasses.asdict(one) for one in self.done])


def evaluations_of(config: SamplerConfig, number: int) -> int:
    """How many evaluations there are at the end of a round, counted from 0."""
    return config.evaluations + number * -(-config.evaluations // _GROWTH)
