"""The order in which the teacher's blocks are kept, by what the loss is without them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from tqdm import tqdm

from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet import Supernet, encode_subnet, share_weights
from bertnas_jax.train.distributed import once
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.job import TrainJob
from bertnas_jax.train.objective import Objective, Reference
from bertnas_jax.train.teach import Teacher

LAYER_ORDER_FILE = "layer_order.json"
Job = TypeVar("Job", bound=TrainJob)


@dataclasses.dataclass(frozen=True)
class Removal:
    """A block, counted from 0, and the loss without it and the blocks that were removed before it."""

    block: int
    loss: float


@dataclasses.dataclass(frozen=True)
class LayerOrder:
    """The removals of all blocks but the last one, in order, and the loss before the first."""

    whole_loss: float
    removals: tuple[Removal, ...]

    @property
    def keep_order(self) -> tuple[int, ...]:
        """Every block, the last to be removed first."""
        removed = [removal.block for removal in self.removals]
        (left,) = set(range(len(removed) + 1)) - set(removed)
        return (left, *reversed(removed))


def settle_layers(job: Job, teacher: Teacher) -> Job:
    """The job with a space whose blocks are known: by the order in its run folder, which is measured if there is none."""
    if not job.space.lacks_order:
        return job
    once(lambda: _write_layer_order(job, find_layer_order(job, teacher)), missing=not job.folder.has(LAYER_ORDER_FILE))
    keep_order = tuple(job.folder.read_json(LAYER_ORDER_FILE)["keep_order"])
    return dataclasses.replace(job, space=dataclasses.replace(job.space, keep_order=keep_order))


def _write_layer_order(job: TrainJob, order: LayerOrder) -> None:
    job.folder.write_json(LAYER_ORDER_FILE, {"keep_order": order.keep_order} | dataclasses.asdict(order))


def find_layer_order(job: TrainJob, teacher: Teacher) -> LayerOrder:
    """The order found greedily by the supernet's training loss on a fixed part of the training split."""
    depth = job.bert.subnet.depth
    with tqdm(total=depth * (depth + 1) // 2, desc="importance of blocks", unit="subnet") as bar:
        return remove_greedily(depth, _loss_of_blocks(job, teacher, bar.update))


def remove_greedily(depth: int, loss_of: Callable[[tuple[int, ...]], float]) -> LayerOrder:
    """Takes out one block after the other, each time the one without which `loss_of(blocks left)` is least; of equals the highest."""
    left, removals = tuple(range(depth)), []
    whole_loss = loss_of(left)
    while len(left) > 1:
        found = [Removal(block, loss_of(tuple(other for other in left if other != block))) for block in left]
        removals.append(min(found, key=lambda removal: (removal.loss, -removal.block)))
        left = tuple(block for block in left if block != removals[-1].block)
    return LayerOrder(whole_loss, tuple(removals))


def _loss_of_blocks(job: TrainJob, teacher: Teacher, tick: Callable[[], object]) -> Callable[[tuple[int, ...]], float]:
    """The mean over the first training batches of the loss of the teacher's blocks; compiled once per batch shape."""
    config, layer, depth = job.config, job.bert.subnet.layers[0], job.bert.subnet.depth
    sizes = {"hiddens": (job.bert.subnet.hidden,), "heads": (layer.heads,), "ffns": (layer.ffn,)}
    space = SearchSpace(job.bert.subnet, tuple(range(1, depth + 1)), **sizes, keep="importance")
    objective = Objective(Supernet(space, job.bert), config.supernet, job.feed.is_regression)
    trained = objective.trained(share_weights(teacher.model))
    teacher_features = jax.jit(objective.teacher_features)
    batches = []
    for batch in job.feed.train_batches(config.seed, config.space.keep_batches):
        soft = None if teacher.train_logits is None else teacher.train_logits[batch.index]
        arrays = as_arrays(batch)
        batches.append((arrays, Reference(soft, teacher_features(trained.shared, arrays))))

    @jax.jit
    def loss(trained, code, batch, reference):
        return objective(trained, code, batch, reference, config.supernet.label_weight)[0]

    def loss_of(blocks: tuple[int, ...]) -> float:
        order = (*blocks, *sorted(set(range(depth)) - set(blocks)))
        subnet = Subnet(job.bert.subnet.hidden, job.bert.subnet.head_dim, (layer,) * len(blocks))
        code = encode_subnet(dataclasses.replace(space, keep_order=order), subnet)
        tick()
        return float(np.mean([loss(trained, code, batch, reference) for batch, reference in batches]))

    return loss_of
