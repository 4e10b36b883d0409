"""One compiled step of gradient descent, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import struct
from jaxtyping import Array, Float

Losses = Float[Array, " S"]
LossAndGradient = Callable[..., tuple[Losses, Any]]


@struct.dataclass
class TrainState:
    """What a step changes."""

    parameters: Any
    optimizer: Any


@struct.dataclass
class StepReport:
    """The loss of each Subnet of a step, and the norm of their mean gradient before it is clipped."""

    losses: Losses
    gradient_norm: Float[Array, ""]


Step = Callable[..., tuple[TrainState, StepReport]]


def make_step(loss_and_gradient: LossAndGradient, optimizer: optax.GradientTransformation) -> Step:
    """A compiled `step(state, *args)`; the state's memory is reused for the state it returns.

    `loss_and_gradient(parameters, *args)` is as `sandwich_gradient` makes it.
    """

    def step(state: TrainState, *args: Any) -> tuple[TrainState, StepReport]:
        losses, gradient = loss_and_gradient(state.parameters, *args)
        updates, moments = optimizer.update(gradient, state.optimizer, state.parameters)
        report = StepReport(losses, optax.tree.norm(gradient))  # computed once, with the norm that clipping needs
        return TrainState(optax.apply_updates(state.parameters, updates), moments), report

    return jax.jit(step, donate_argnums=0)


def single_gradient(loss: Callable[..., Float[Array, ""]]) -> LossAndGradient:
    """What `make_step` takes, from the loss of one model."""

    def loss_and_gradient(parameters: Any, *args: Any) -> tuple[Losses, Any]:
        value, gradient = jax.value_and_grad(loss)(parameters, *args)
        return value[None], gradient

    return loss_and_gradient
