"""What a study holds when a sampler is asked: all that it may go by, so that a study found in storage goes on as it would have."""

from __future__ import annotations

import dataclasses

import optuna
from optuna.trial import FrozenTrial, TrialState

from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.samplers.choices import subnet_of
from bertnas_jax.space import SearchSpace, Subnet


@dataclasses.dataclass(frozen=True)
class Past:
    """The Subnets of a study's other trials when a trial begins.

    `evaluated` are in order of their trials; `seen` also has those that other workers evaluate now.
    `turn` counts the trials before, without those that failed: one that is cut off and begun again has the same.
    """

    evaluated: tuple[Evaluated, ...]
    seen: frozenset[Subnet]
    turn: int


def read_past(study: optuna.Study, trial: FrozenTrial, space: SearchSpace) -> Past:
    """The past of this trial in its study, whose values are accuracy and latency in ms."""
    evaluated, seen, turn = [], set(), 0
    for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)):
        if other.number == trial.number:
            continue
        turn += other.number < trial.number
        if other.state == TrialState.RUNNING and not is_whole(other):
            continue
        subnet = subnet_of(other.params, space)
        seen.add(subnet)
        if other.state == TrialState.COMPLETE:
            evaluated.append(Evaluated(subnet, *other.values))
    return Past(tuple(evaluated), frozenset(seen), turn)


def is_whole(trial: FrozenTrial) -> bool:
    """True if a trial that another worker has just begun has all its parameters."""
    return "depth" in trial.params and len(trial.params) == 2 + 2 * trial.params["depth"]
