import sys
import types

import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.data.hub import load_hub, parse_hub_name


class ClassLabel:
    def __init__(self, names):
        self.names = names


class Split(dict):
    """Columns with what `load_hub` reads of a datasets.Dataset."""

    def __init__(self, columns, features):
        super().__init__(columns)
        self.features = features
        self.column_names = list(columns)


@pytest.fixture
def hub(monkeypatch):
    """Installs a stand-in for the package datasets that serves these splits."""

    def serve(**splits):
        module = types.ModuleType("datasets")
        module.ClassLabel = ClassLabel
        module.load_dataset = lambda name, config: splits
        monkeypatch.setitem(sys.modules, "datasets", module)

    return serve


def split(labels, names=None):
    feature = ClassLabel(names) if names else None
    columns = {"text": [f"sentence {row}" for row in range(len(labels))], "label": labels}
    return Split(columns, {"text": None, "label": feature})


SPEC = TaskSpec(task="hub:someone/moods/", text_column="text", label_column="label")


def test_names_split_at_the_last_slash():
    assert parse_hub_name("hub:nyu-mll/glue/sst2") == ("nyu-mll/glue", "sst2")
    assert parse_hub_name("hub:glue/sst2") == ("glue", "sst2")
    assert parse_hub_name("hub:someone/moods/") == ("someone/moods", "")
    assert parse_hub_name("hub:moods") == ("moods", "")
    with pytest.raises(ValueError, match="task must be hub:name/config"):
        parse_hub_name("hub:")


def test_label_names_keep_the_order_of_the_feature(hub):
    hub(train=split([0, 1], ["sad", "glad"]), validation=split([1], ["sad", "glad"]))
    task = load_hub(SPEC)
    assert (task.name, task.label_names, task.dev.labels.tolist()) == ("someone/moods", ("sad", "glad"), [1])


def test_plain_numbers_are_scores(hub):
    hub(train=split([0.5, 2.0]), dev=split([1.5]))
    assert load_hub(SPEC).kind == "regression"


def test_a_test_split_stands_in_and_that_is_said(hub, caplog):
    hub(train=split([0, 1]), test=split([1]))
    assert len(load_hub(SPEC).dev) == 1
    assert "scores are on its test split" in caplog.text


def test_refuses_missing_splits_columns_and_labels(hub):
    hub(train=split([0, 1]))
    with pytest.raises(ValueError, match="must have a split validation or dev or test, got"):
        load_hub(SPEC)
    hub(train=split([0, 1]), validation=split([1]))
    with pytest.raises(ValueError, match=r"must have the column 'tone', got \('text', 'label'\)"):
        load_hub(TaskSpec(task="hub:moods", text_column="text", label_column="tone"))
    hub(train=split([0, 1], ["sad", "glad"]), validation=split([1, -1], ["sad", "glad"]))
    with pytest.raises(ValueError, match="hub:someone/moods/ validation row 1 must have a label, got ''"):
        load_hub(SPEC)


def test_without_the_package_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install bertnas_jax\[hub\]"):
        load_hub(SPEC)
