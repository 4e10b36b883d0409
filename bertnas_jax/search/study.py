"""The study: the accuracy of Subnets that a sampler proposes, by Optuna, so that it can be continued."""

from __future__ import annotations

import os
import pathlib
import socket
import sys
from collections.abc import Callable, Sequence

import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.samplers import Limits, NothingLeft, choices_of, make_sampler, subnet_of, suggest
from bertnas_jax.space import SearchSpace, Subnet


def run_study(
    limits: Limits,
    accuracy_of: Callable[[Subnet], float],
    config: SamplerConfig,
    seed: int,
    folder: pathlib.Path,
    first: Sequence[Subnet] = (),
) -> list[Evaluated]:
    """The distinct Subnets evaluated, at most `config.evaluations`, all within the limits.

    `first` are evaluated before any other. The study is kept in `folder` as an Optuna journal; a study found
    there goes on. It ends early, and says why, if the sampler has nothing left to propose.

    Raises:
      InfeasibleBudget: no Subnet that was priced meets the budget; names the nearest.
    """
    study, space = _open_study(folder), limits.space
    study.sampler = make_sampler(config, limits, seed)
    known = {evaluated.subnet: evaluated for evaluated in _evaluated(study, space)}
    wanted = min(config.evaluations, space.count)
    waiting = [subnet for subnet in first if limits.allows(subnet) and subnet not in known]
    with tqdm(total=wanted, initial=len(known), desc="search", unit="subnet", mininterval=1.0) as bar:
        while len(known) < wanted:
            if waiting:
                study.enqueue_trial(choices_of(waiting.pop(0)))
            try:
                found = _evaluate_one(study, limits, accuracy_of)
            except NothingLeft as reason:
                if not known:
                    raise
                bar.write(f"the search ends after {len(known)} evaluations: {reason}", file=sys.stderr)
                break
            if found.subnet not in known:
                bar.update()
            known.setdefault(found.subnet, found)
            bar.set_postfix(best=f"{max(e.accuracy for e in known.values()):.4f}")
    return list(known.values())


def _evaluate_one(study: optuna.Study, limits: Limits, accuracy_of: Callable[[Subnet], float]) -> Evaluated:
    """What the study's next trial found; a trial that is cut off is left as failed, so that its Subnet may come again."""
    trial = study.ask()
    trial.set_user_attr("owner", [socket.gethostname(), os.getpid()])
    try:
        subnet = suggest(trial, limits.space)
        latency_ms = limits.price_ms(subnet)
        trial.set_user_attr("latency_ms", latency_ms)
        accuracy = accuracy_of(subnet)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    study.tell(trial, [accuracy, latency_ms])
    return Evaluated(subnet, accuracy, latency_ms)


def _open_study(folder: pathlib.Path) -> optuna.Study:
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "study.journal")))
    study = optuna.create_study(study_name="search", storage=storage, directions=["maximize", "minimize"], load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_orphan(trial):
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _is_orphan(trial: optuna.trial.FrozenTrial) -> bool:
    """True if the process that had begun the trial was one of this machine that is gone, or this one."""
    host, process = trial.user_attrs.get("owner", ("", 0))
    if host != socket.gethostname() or process == os.getpid():
        return host == socket.gethostname()
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _evaluated(study: optuna.Study, space: SearchSpace) -> list[Evaluated]:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [Evaluated(subnet_of(trial.params, space), *trial.values) for trial in complete]
