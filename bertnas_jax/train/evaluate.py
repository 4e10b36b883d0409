"""Logits of a whole split, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float32
from tqdm import tqdm

from bertnas_jax.data import Batch
from bertnas_jax.model import Bert, assign_parameters, get_parameters


def predict(
    logits: Callable[..., jax.Array], batches: Sequence[Batch], title: str | None = None
) -> Float32[np.ndarray, "n C"]:
    """`logits(input_ids, attention_mask, token_type_ids)` of every example, by its index; a bar if it has a title."""
    outputs, positions = [], []
    for batch in tqdm(batches, desc=title, unit="batch", disable=title is None, mininterval=1.0):
        rows = batch.index >= 0
        outputs.append(np.asarray(logits(batch.input_ids, batch.attention_mask, batch.token_type_ids))[rows])
        positions.append(batch.index[rows])
    positions = np.concatenate(positions)
    ordered = np.empty_like(np.concatenate(outputs))
    ordered[np.argsort(np.argsort(positions))] = np.concatenate(outputs)
    return ordered


def predict_model(model: Bert, batches: Sequence[Batch], title: str | None = None) -> Float32[np.ndarray, "n C"]:
    """The logits of a stand-alone model, compiled once per batch shape."""
    abstract, parameters = nnx.eval_shape(lambda: Bert(model.config, nnx.Rngs(0))), get_parameters(model)

    @jax.jit
    def logits(parameters, *inputs):
        compiled = nnx.clone(abstract)
        assign_parameters(compiled, parameters)
        return compiled(*inputs)

    return predict(lambda *inputs: logits(parameters, *inputs), batches, title)
