"""A Subnet as the parameters of an Optuna trial, and back: `depth`, `hidden`, and `heads_0`, `ffn_0` and so on of each block."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.distributions import CategoricalDistribution

from bertnas_jax.space import Layer, SearchSpace, Subnet


def distributions(space: SearchSpace) -> dict[str, CategoricalDistribution]:
    """The choices of every parameter that some Subnet of the space has; a trial has those of its own blocks."""
    of_blocks = [(f"heads_{block}", f"ffn_{block}") for block in range(space.depths[-1])]
    found = {"depth": space.depths, "hidden": space.hiddens}
    for heads, ffn in of_blocks:
        found |= {heads: space.heads, ffn: space.ffns}
    return {name: CategoricalDistribution(choices) for name, choices in found.items()}


def choices_of(subnet: Subnet) -> dict[str, int]:
    """The parameters of a Subnet, for `study.enqueue_trial` too."""
    blocks = {f"{name}_{i}": getattr(layer, name) for i, layer in enumerate(subnet.layers) for name in ("heads", "ffn")}
    return {"depth": subnet.depth, "hidden": subnet.hidden} | blocks


def subnet_of(choices: Mapping[str, int], space: SearchSpace) -> Subnet:
    """The Subnet of a trial's parameters; those of blocks beyond its depth count for nothing.

    Raises:
      ValueError: a parameter is missing, or is none of the space's choices.
    """
    try:
        layers = tuple(Layer(choices[f"heads_{block}"], choices[f"ffn_{block}"]) for block in range(choices["depth"]))
        subnet = Subnet(choices["hidden"], space.teacher.head_dim, layers)
    except KeyError as error:
        raise ValueError(f"a trial must have the parameter {error}, got {dict(choices)}; ask for them by suggest(trial, space)") from None
    space.check(subnet)
    return subnet


def suggest(trial: optuna.Trial, space: SearchSpace) -> Subnet:
    """The Subnet that the study's sampler proposes for this trial."""
    depth = trial.suggest_categorical("depth", space.depths)
    trial.suggest_categorical("hidden", space.hiddens)
    for block in range(depth):
        trial.suggest_categorical(f"heads_{block}", space.heads)
        trial.suggest_categorical(f"ffn_{block}", space.ffns)
    return subnet_of(trial.params, space)
