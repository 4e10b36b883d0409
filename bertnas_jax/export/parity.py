"""How far an exported model's logits are from those of the model it was exported from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float32, Int32

from bertnas_jax.data import Encoded
from bertnas_jax.model import Bert

# input_ids, attention_mask, token_type_ids, each [1, L], to logits [1, C]
Runner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Inputs = tuple[Int32[np.ndarray, "1 L"], Int32[np.ndarray, "1 L"], Int32[np.ndarray, "1 L"]]


def pad_example(encoded: Encoded, position: int, seq_len: int) -> Inputs:
    """One example as input_ids, attention_mask and token_type_ids of length L.

    Raises:
      ValueError: the example is longer than `seq_len`.
    """
    ids, types = encoded.input_ids[position], encoded.token_type_ids[position]
    if len(ids) > seq_len:
        raise ValueError(f"an example must have at most seq_len={seq_len} tokens, got {len(ids)}; encode with max_length={seq_len}")
    padding = (0, seq_len - len(ids))
    padded = np.pad(ids, padding, constant_values=encoded.pad_id), np.pad(np.ones_like(ids), padding), np.pad(types, padding)
    input_ids, attention_mask, token_type_ids = (array.astype(np.int32)[None] for array in padded)
    return input_ids, attention_mask, token_type_ids


@dataclasses.dataclass(frozen=True)
class LogitError:
    """How far logits are off: the largest absolute difference of any, and the root of their mean square; NaN if any logit is."""

    max_abs: float
    rms: float


def run_examples(run: Runner, encoded: Encoded, seq_len: int) -> Float32[np.ndarray, "n C"]:
    """The logits of every example, padded to L.

    Raises:
      ValueError: an example is longer than `seq_len`.
    """
    return np.concatenate([np.array(run(*pad_example(encoded, position, seq_len))) for position in range(len(encoded))])


def logit_error(model: Bert, run: Runner, encoded: Encoded, seq_len: int) -> LogitError:
    """How far the logits of what was exported are from the model's over the examples.

    Raises:
      ValueError: there are no examples, one is longer than `seq_len`, or the runner's logits are not of the model's shape.
    """
    if not len(encoded):
        raise ValueError("parity must be checked on at least one example, got none; encode some sentences")
    expected = run_examples(lambda *inputs: logits_of(model, *map(jnp.asarray, inputs)), encoded, seq_len)
    got = run_examples(run, encoded, seq_len)
    if got.shape != expected.shape:
        raise ValueError(f"logits must have the model's shape, {expected.shape} over all examples, got {got.shape}; export the head as the model has it")
    off = np.abs(expected - got)
    return LogitError(float(np.max(off)), float(np.sqrt(np.mean(off**2))))


def max_abs_error(model: Bert, run: Runner, encoded: Encoded, seq_len: int) -> float:
    """The largest absolute difference of any logit, as `logit_error` finds it."""
    return logit_error(model, run, encoded, seq_len).max_abs


@nnx.jit
def logits_of(model: Bert, *inputs: Int32[Array, "1 L"]) -> Float32[Array, "1 C"]:
    """Logits of a model, compiled by JAX once a length."""
    return model(*inputs)
