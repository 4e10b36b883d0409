"""The search itself: the accuracy of Subnets that a sampler proposes, in a study of Optuna that can be continued and shared."""

from __future__ import annotations

import pathlib
import sys
import time
from collections.abc import Collection, Sequence

import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.early_stop import ScoreOf
from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.hypervolume import hypervolume
from bertnas_jax.search.patient_storage import LostDatabaseError
from bertnas_jax.search.samplers import Limits, NothingLeft, choices_of, make_sampler, suggest
from bertnas_jax.search.shared_study import begin, evaluated, fail_orphans, is_left_to_others, note_score, open_study, rival_of, trials
from bertnas_jax.space import Subnet

_POLL_S = 0.2  # between looks at what other workers still evaluate


def run_study(
    limits: Limits,
    score_of: ScoreOf,
    config: SamplerConfig,
    seed: int,
    folder: pathlib.Path,
    first: Sequence[Subnet] = (),
) -> list[Evaluated]:
    """The distinct Subnets evaluated, `config.evaluations` at most, all within the limits.

    Each is scored beside the most accurate so far that is at least as fast. `first` are evaluated before any other. The
    study is kept in `folder` as an Optuna journal, or in `config.storage`; a study found there goes on. Any number of processes may run it at once: each Subnet is
    evaluated once, and a trial whose process dies is given to another. All return when all is evaluated, or,
    with a line that says why, when the sampler has nothing left to propose.

    Raises:
      InfeasibleBudget: no Subnet that was priced meets the budget; names the nearest.
      ValueError: the storage cannot be opened.
      LostDatabaseError: it went away and did not come back.
    """
    study, space = open_study(folder, config.storage, config.storage_patience_s), limits.space
    study.sampler = make_sampler(config, limits, seed)
    wanted = min(config.evaluations, space.count)
    begun_with = min(len(evaluated(study, space)), wanted)  # not of this process's speed
    with tqdm(total=wanted, initial=begun_with, desc=f"search by {config.sampler}", unit="subnet", mininterval=1.0) as bar:
        while True:
            known = evaluated(study, space)
            _show(bar, known.values(), limits)
            if len(known) >= wanted:
                break
            others = trials(study, TrialState.RUNNING)
            try:
                if len(known) + len(others) < wanted:
                    _evaluate_one(study, limits, score_of, _next_first(study, limits, first), wanted)
                    continue
            except NothingLeft as reason:
                if not others:
                    if not known:
                        raise
                    bar.write(f"the search ends after {len(known)} evaluations: {reason}", file=sys.stderr)
                    break
            time.sleep(_POLL_S)
            fail_orphans(study)
    return list(known.values())[:wanted]


def _show(bar: tqdm, known: Collection[Evaluated], limits: Limits) -> None:
    """The best so far, of equals the fastest, and how much all cover above the least accuracy so far."""
    if known:
        best = max(known, key=lambda one: (one.accuracy, -one.latency_ms))
        covered = hypervolume(known, min(one.accuracy for one in known), limits.budget_ms)
        bar.set_postfix(best=f"{best.accuracy:.4f} at {best.latency_ms:,.2f} {limits.unit}", hypervolume=f"{covered:.4g}", refresh=False)
        bar.update(len(known) - bar.n)


def _next_first(study: optuna.Study, limits: Limits, first: Sequence[Subnet]) -> Subnet | None:
    """The first of these that meets the budget and nobody has begun."""
    begun = trials(study, TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
    # A trial that the sampler chose was enqueued with no choices.
    taken = [trial.system_attrs.get("fixed_params") or trial.params for trial in begun]
    return next((subnet for subnet in first if limits.allows(subnet) and choices_of(subnet) not in taken), None)


def _evaluate_one(study: optuna.Study, limits: Limits, score_of: ScoreOf, next_first: Subnet | None, wanted: int) -> None:
    """The study's next trial, of `next_first` if there is one; what is cut off is left as failed, so that its Subnet may come again.

    What another process has come upon at the same time is left to it, and the trial pruned.
    """
    trial = begin(study, next_first)
    try:
        subnet = suggest(trial, limits.space)
        if is_left_to_others(study, trial, subnet, wanted):
            study.tell(trial, state=TrialState.PRUNED)
            return
        latency_ms = limits.price_ms(subnet)
        trial.set_user_attr("latency_ms", latency_ms)
        score = score_of(subnet, rival_of(study, latency_ms, limits))
        note_score(trial, score)
    except LostDatabaseError:
        raise  # nobody can be told; the trial is given up when this process is gone
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    study.tell(trial, [score.accuracy, latency_ms])
