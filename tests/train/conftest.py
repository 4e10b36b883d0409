"""A task small enough to train on in a second: does the sentence hold more a's or more b's?"""

import random

import jax
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.data import Encoded, Examples, Task, choose_buckets
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.train import Feed

TINY = BertConfig(Subnet.uniform(2, 16, 2, 32), vocab_size=8, max_positions=16)
SPACE = SearchSpace(TINY.subnet, depths=(1, 2), hiddens=(8, 16), heads=(1, 2), ffns=(16, 32))
QUICK = SearchSpace(TINY.subnet, depths=(1, 2), hiddens=(16,), heads=(2,), ffns=(16, 32))  # compiles sooner


def _split(rng, size, regression):
    ids, labels = [], []
    for _ in range(size):
        tokens = [rng.choice((3, 4)) for _ in range(rng.choice((3, 5, 7)))]
        ids.append(np.asarray([1, *tokens, 2], np.int32))
        share = tokens.count(3) / len(tokens)
        labels.append(share if regression else int(share > 0.5))
    labels = np.asarray(labels, np.float32 if regression else np.int32)
    return Encoded(tuple(ids), tuple(np.zeros_like(row) for row in ids), labels, pad_id=0)


def make_tiny_feed(regression=False):
    rng = random.Random(0)
    train, dev = _split(rng, 256, regression), _split(rng, 64, regression)
    texts = {split: tuple(" ".join(map(str, row)) for row in encoded.input_ids) for split, encoded in (("train", train), ("dev", dev))}
    task = Task(
        "tiny",
        "regression" if regression else "classification",
        () if regression else ("b", "a"),
        "pearson" if regression else "accuracy",
        Examples(texts["train"], None, train.labels),
        Examples(texts["dev"], None, dev.labels),
    )
    return Feed(task, train, dev, choose_buckets(train.lengths, 64, 2))


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def tiny_feed():
    return make_tiny_feed()


@pytest.fixture
def tiny_model():
    return Bert(TINY, nnx.Rngs(0))
