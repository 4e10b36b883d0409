"""What a linear model over words reaches on a task: the score that a transformer has to beat."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from bertnas_jax.data.task import Examples, Task

WORD = re.compile(r"\w+|[^\w\s]")
MIN_COUNT = 2  # a feature of one training example says nothing of others
STRENGTHS = (10.0, 3.0, 1.0, 0.3)  # of the L2 penalty; the best on a part of train is taken
TUNING_EXAMPLES = 10_000  # bounds the time: each strength costs a fit
TUNING_SHARE = 0.2  # of these, to score on
MAX_ITERATIONS = 100
TOLERANCE = 1e-4  # of the loss, relative: ten times finer moved dev accuracy by 0.006 at most (SST-2, CLINC150, demo)


def bag_of_words_baseline(task: Task, seed: int) -> float:
    """The task's metric on dev of a logistic regression over the presence of words and pairs of adjacent words.

    The L2 penalty is chosen on a part of train, drawn by the seed; dev is looked at once.

    Raises:
      ValueError: the task is a regression.
    """
    if task.kind != "classification":
        raise ValueError(
            f"the bag-of-words baseline must have a classification, got {task.name}, a {task.kind}; "
            "it has no labels to tell apart"
        )
    train_words, dev_words = ([_features(split, row) for row in range(len(split))] for split in (task.train, task.dev))
    counts = Counter(word for words in train_words for word in words)
    common = sorted(word for word, count in counts.items() if count >= MIN_COUNT)
    columns = {word: column for column, word in enumerate(common)}
    train, dev = _matrix(train_words, columns), _matrix(dev_words, columns)
    strength = _choose_strength(task, train, seed)
    weights = fit_logistic(train, task.train.labels, task.num_outputs, strength)
    return task.score(dev @ weights, task.dev.labels)


def fit_logistic(features: csr_matrix, labels: np.ndarray, num_labels: int, strength: float) -> np.ndarray:
    """Weights [features, labels] that minimise the summed cross-entropy plus strength / 2 times their squared norm."""
    from scipy.optimize import minimize  # which takes a second to load

    shape = features.shape[1], num_labels
    transposed = features.T.tocsr()
    rows = np.arange(len(labels))

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        log_shares = log_softmax(features @ weights, axis=1)
        error = np.exp(log_shares)
        error[rows, labels] -= 1
        loss = -log_shares[rows, labels].sum() + strength / 2 * flat @ flat
        return loss, (transposed @ error + strength * weights).ravel()

    start = np.zeros(shape[0] * shape[1])
    options = {"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE}
    with threadpool_limits(1):  # on vectors this short BLAS threads cost far more than they give
        result = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return result.x.reshape(shape)


def _choose_strength(task: Task, train: csr_matrix, seed: int) -> float:
    drawn = np.random.default_rng(seed).permutation(len(task.train))[:TUNING_EXAMPLES]
    num_held = int(TUNING_SHARE * len(drawn))
    held, kept = drawn[:num_held], drawn[num_held:]
    if not num_held:
        raise ValueError(
            f"{task.name}: train must hold at least {1 / TUNING_SHARE:.0f} examples to tune on, got {len(drawn)}; "
            "add some"
        )

    def held_score(strength: float) -> float:
        weights = fit_logistic(train[kept], task.train.labels[kept], task.num_outputs, strength)
        return task.score(train[held] @ weights, task.train.labels[held])

    return max(STRENGTHS, key=held_score)


def _features(examples: Examples, row: int) -> set[str]:
    """Words and pairs of adjacent words, marked by the sentence they are in, and the words that both have."""
    sentences = [examples.first[row]] if examples.second is None else [examples.first[row], examples.second[row]]
    words = [WORD.findall(sentence.lower()) for sentence in sentences]
    features = {f"{side} {word}" for side, one in enumerate(words) for word in one}
    features |= {f"{side} {left} {right}" for side, one in enumerate(words) for left, right in itertools.pairwise(one)}
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return features | {f"both {word}" for word in shared} | {"bias"}


def _matrix(rows: list[set[str]], columns: Mapping[str, int]) -> csr_matrix:
    present = [[columns[word] for word in sorted(words) if word in columns] for words in rows]
    indices = np.array([column for row in present for column in row], np.int32)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in present])])
    return csr_matrix((np.ones(len(indices)), indices, starts), shape=(len(rows), len(columns)))
