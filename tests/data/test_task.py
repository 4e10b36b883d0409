import dataclasses

import numpy as np
import pytest

from bertnas_jax.data import Examples, Task


def examples(*labels, dtype=np.int32, second=None):
    return Examples(tuple(f"sentence {row}" for row in range(len(labels))), second, np.array(labels, dtype))


def classification(**changes):
    task = Task("mood", "classification", ("bad", "good"), "accuracy", examples(0, 1, 1), examples(1, 0))
    return dataclasses.replace(task, **changes)


def test_num_outputs_is_one_a_label_and_one_for_a_regression():
    scores = examples(0.5, 2.0, dtype=np.float32)
    assert classification().num_outputs == 2
    assert Task("closeness", "regression", (), "pearson", scores, scores).num_outputs == 1


def test_score_is_the_metric():
    assert classification().score(np.array([[0, 1], [0, 1]], np.float32), np.array([1, 0], np.int32)) == 0.5


def test_take_keeps_pairs_together():
    taken = examples(0, 1, 2, second=("a", "b", "c")).take(np.array([2, 0]))
    assert (taken.first, taken.second, taken.labels.tolist()) == (("sentence 2", "sentence 0"), ("c", "a"), [2, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": examples()}, "mood: train must hold at least one example"),
        ({"dev": examples()}, "mood: dev must hold at least one example"),
        ({"kind": "ranking"}, "Task.kind must be one of .* got 'ranking'"),
        ({"metric": "bleu"}, "metric of a classification must be one of .* got 'bleu'"),
        ({"metric": "pearson"}, "metric of a classification must be one of .* got 'pearson'"),
        ({"metric": "f1", "label_names": ("a", "b", "c")}, "f1 must have 2 labels, got 3"),
        ({"label_names": ("only",)}, "2 or more distinct labels"),
        ({"label_names": ("same", "same")}, "2 or more distinct labels"),
        ({"dev": examples(0, 2)}, "dev labels must lie in 0 to 1, got 0 to 2"),
        ({"train": examples(0.5, dtype=np.float32)}, "train labels of a classification must be int32, got float32"),
        ({"dev": examples(0, 1, second=("a", "b"))}, "train and dev must both be pairs"),
        ({"kind": "regression", "metric": "pearson"}, "a regression must have no label_names"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        classification(**changes)


def test_refuses_labels_that_are_no_numbers_or_too_few():
    with pytest.raises(ValueError, match="must be finite, got nan in row 1"):
        examples(0.5, float("nan"), dtype=np.float32)
    with pytest.raises(ValueError, match="must have columns of one length, got"):
        Examples(("one", "two"), None, np.zeros(1, np.int32))
