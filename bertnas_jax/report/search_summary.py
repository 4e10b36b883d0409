"""How a run searched, as its summary tells it: what the budget left of the space, and the rounds of the search."""

from __future__ import annotations

import dataclasses

from bertnas_jax.report.budget import check_positive


@dataclasses.dataclass(frozen=True)
class SurveyedCost:
    """What a limit allows, its margin taken off."""

    most: float


@dataclasses.dataclass(frozen=True)
class Survey:
    """`share` of the space's Subnets meets the budget, by as many as were `priced`; the `whole` space if there are no more."""

    priced: int
    whole: bool
    share: float
    costs: tuple[SurveyedCost, ...]

    def __post_init__(self):
        if not self.costs:
            raise ValueError("search.survey.costs must hold the first limit's at least, got none")

    @property
    def budget_ms(self) -> float:
        """What no Subnet of the search exceeds, under the limit that the front is over; of sizes alone not in ms."""
        return self.costs[0].most


@dataclasses.dataclass(frozen=True)
class EarlyStop:
    """Subnets that were stopped before they had seen their dev examples; of the `examples` of all that saved some."""

    stopped: int
    examples_saved: int
    examples: int


@dataclasses.dataclass(frozen=True)
class SearchRound:
    """Prices times a factor, evaluations up to its end, the share of the space that meets the budget by them, finalists measured in it."""

    factor: float
    evaluations: int
    share: float
    finalists: int

    def __post_init__(self):
        check_positive("search.rounds.factor", self.factor)


@dataclasses.dataclass(frozen=True)
class Search:
    """`drawn_first` of those evaluated are not the sampler's work: uniform nets, and others drawn at random."""

    method: str
    evaluated: int
    drawn_first: int
    space_size: int
    wall_s: float
    survey: Survey
    early_stop: EarlyStop
    rounds: tuple[SearchRound, ...]
