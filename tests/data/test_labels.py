import numpy as np
import pytest

from bertnas_jax.data.labels import RawSplit, infer_kind, make_task, sort_labels


def raw(*labels, source="train.tsv"):
    places = tuple(f"{source}:{line}" for line in range(2, 2 + len(labels)))
    return RawSplit(source, tuple("words" for _ in labels), None, labels, places)


def test_labels_are_numbered_in_order_of_their_names():
    task = make_task("mood", raw("good", "bad", "good"), raw("bad", source="dev.tsv"))
    assert task.label_names == ("bad", "good")
    assert task.train.labels.tolist() == [1, 0, 1]
    assert (task.kind, task.metric) == ("classification", "accuracy")


def test_integers_sort_as_numbers():
    assert sort_labels({"10", "9", "-1"}) == ("-1", "9", "10")
    assert sort_labels({"10", "9", "x"}) == ("10", "9", "x")


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("0", "1"), "classification"),
        (("1", "2.5"), "regression"),
        (("1", "1e-3"), "regression"),
        (("nan", "yes"), "classification"),
        (("-1", "+1"), "classification"),
    ],
)
def test_decimals_make_a_regression(labels, kind):
    assert infer_kind(labels) == kind


def test_scores_are_float32():
    task = make_task("closeness", raw("1", "2.5"), raw("0", source="dev.tsv"))
    assert task.train.labels.tolist() == [1.0, 2.5]
    assert task.train.labels.dtype == np.float32
    assert (task.kind, task.metric, task.label_names) == ("regression", "pearson_spearman", ())


@pytest.mark.parametrize(
    ("train", "dev", "kind", "message"),
    [
        (("a", "b"), ("a", "c"), "", r"dev.tsv:3 must have a label that train has \(a, b\), got 'c'"),
        (("a", ""), ("a",), "", "train.tsv:3 must have a label, got ''"),
        (("a", "b"), ("NaN",), "", "dev.tsv:2 must have a label, got 'NaN'"),
        (("1.5", "much"), ("1",), "", "train.tsv:3 must have a finite number as its label, got 'much'"),
        (("1.5", "2"), ("nan",), "", "dev.tsv:2 must have a finite number as its label, got 'nan'"),
        (("1", "inf"), ("1",), "regression", "train.tsv:3 must have a finite number as its label, got 'inf'"),
        (("a", "a"), ("a",), "", "2 or more distinct labels"),
        ((), ("a",), "", "mood: train must hold at least one example, got none in train.tsv"),
        (("a", "b"), (), "", "mood: dev must hold at least one example, got none in dev.tsv"),
    ],
)
def test_refuses(train, dev, kind, message):
    with pytest.raises(ValueError, match=message):
        make_task("mood", raw(*train), raw(*dev, source="dev.tsv"), kind)
