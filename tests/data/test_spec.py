import dataclasses

import pytest

from bertnas_jax.data import TaskSpec


def test_every_knob_has_help():
    assert all(field.metadata["knob"].help for field in dataclasses.fields(TaskSpec))


def test_the_metric_says_the_kind():
    assert TaskSpec().wanted_kind == ""
    assert TaskSpec(metric="spearman").wanted_kind == "regression"
    assert TaskSpec(metric="f1").wanted_kind == TaskSpec(kind="classification").wanted_kind == "classification"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": ""}, "task must name a task"),
        ({"kind": "ranking"}, "kind must be one of"),
        ({"metric": "bleu"}, "metric must be one of"),
        ({"kind": "regression", "metric": "f1"}, "metric must fit kind, got metric=f1, kind=regression"),
        ({"max_train": -1}, "max_train must be at least 0, got -1"),
        ({"max_dev": -1}, "max_dev must be at least 0, got -1"),
        ({"task": "folder", "text_column": "text"}, "must be named together"),
        ({"task": "folder", "pair_column": "other"}, "must be named together"),
        ({"text_column": "text", "label_column": "label"}, "'demo' must have no columns named"),
        ({"task": "text:file", "metric": "f1"}, "text:file has no labels: columns, kind and metric must be ''"),
        ({"task": "text:file", "text_column": "text", "label_column": "label"}, "text:file has no labels"),
        ({"dev_file": "dev.txt"}, "dev_file must go with a task 'text:...', got 'dev.txt' with 'demo'"),
        ({"task": "hub:name/config"}, "hub:name/config must have its columns named"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        TaskSpec(**fields)
