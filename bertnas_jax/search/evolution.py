"""NSGA-II over accuracy and latency, in an Optuna study that can be continued."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import optuna
from tqdm import tqdm

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.space import Layer, SearchSpace, Subnet

TRIES_PER_EVALUATION = 200  # proposals over the budget cost nothing but must end somewhere

FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


class InfeasibleBudget(ValueError):
    """No Subnet of the space meets the budget."""


def evolve(
    space: SearchSpace,
    accuracy_of: Callable[[Subnet], float],
    latency_ms_of: Callable[[Subnet], float],
    budget_ms: float,
    config: SamplerConfig,
    seed: int,
    folder: pathlib.Path,
    first: Sequence[Subnet] = (),
) -> list[Evaluated]:
    """The distinct Subnets evaluated, at most `config.evaluations`, all under the budget by `latency_ms_of`.

    `first` are proposed before any other. Proposals over the budget are pruned before their
    accuracy costs anything. The study is kept in `folder` as an Optuna journal; a study found there goes on.

    Raises:
      InfeasibleBudget: no proposal met the budget; names the nearest.
    """
    study = _open_study(folder)
    known = {evaluated.subnet: evaluated for evaluated in _evaluated(study, space)}
    wanted = min(config.evaluations, space.count)
    tries = len(study.get_trials(deepcopy=False, states=FINISHED))
    with tqdm(total=wanted, initial=len(known), desc="search", unit="subnet", mininterval=1.0) as bar:
        while len(known) < wanted and tries < wanted * TRIES_PER_EVALUATION:
            # A sampler seeded by what is finished: a run that was interrupted proposes what it would have proposed.
            study.sampler = optuna.samplers.NSGAIISampler(population_size=config.population, seed=seed * 1_000_003 + tries)
            if tries < len(first):
                study.enqueue_trial(_choices_of(first[tries]))
            trial, tries = study.ask(), tries + 1
            subnet = _suggest(trial, space)
            latency_ms = latency_ms_of(subnet)
            trial.set_user_attr("latency_ms", latency_ms)
            if latency_ms > budget_ms:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                continue
            if subnet not in known:
                known[subnet] = Evaluated(subnet, accuracy_of(subnet), latency_ms)
                bar.update()
                bar.set_postfix(best=f"{max(e.accuracy for e in known.values()):.4f}", pruned=tries - len(known))
            study.tell(trial, [known[subnet].accuracy, latency_ms])
    if not known:
        nearest = min(study.trials, key=lambda trial: trial.user_attrs["latency_ms"])
        raise InfeasibleBudget(
            f"the budget must be met by some subnet, got {budget_ms:.2f} ms and {nearest.user_attrs['latency_ms']:.2f} ms for the nearest "
            f"of {tries} proposals, {_subnet_of(nearest.params, space).describe()}; allow more or widen the space downwards"
        )
    return list(known.values())


def _open_study(folder: pathlib.Path) -> optuna.Study:
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "study.journal")))
    return optuna.create_study(study_name="search", storage=storage, directions=["maximize", "minimize"], load_if_exists=True)


def _suggest(trial: optuna.Trial, space: SearchSpace) -> Subnet:
    """A Subnet of the trial's choices; those of blocks beyond its depth are not asked for."""
    depth = trial.suggest_categorical("depth", space.depths)
    trial.suggest_categorical("hidden", space.hiddens)
    for block in range(depth):
        trial.suggest_categorical(f"heads_{block}", space.heads)
        trial.suggest_categorical(f"ffn_{block}", space.ffns)
    return _subnet_of(trial.params, space)


def _choices_of(subnet: Subnet) -> dict:
    blocks = {f"{name}_{i}": getattr(layer, name) for i, layer in enumerate(subnet.layers) for name in ("heads", "ffn")}
    return {"depth": subnet.depth, "hidden": subnet.hidden} | blocks


def _subnet_of(choices: dict, space: SearchSpace) -> Subnet:
    layers = tuple(Layer(choices[f"heads_{block}"], choices[f"ffn_{block}"]) for block in range(choices["depth"]))
    return Subnet(choices["hidden"], space.teacher.head_dim, layers)


def _evaluated(study: optuna.Study, space: SearchSpace) -> list[Evaluated]:
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    return [Evaluated(_subnet_of(trial.params, space), *trial.values) for trial in complete]
