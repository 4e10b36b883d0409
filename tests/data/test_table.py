import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.data.table import load_table

TRAIN = 'review,mood,stars\n"dull, long",bad,1.5\ngrand,good,5\n'
DEV = "review,mood,stars\nfine,good,4\n"


def write(tmp_path, prefix="", suffix=".csv", train=TRAIN, dev=DEV):
    for split, content in (("train", train), ("dev", dev)):
        (tmp_path / f"{prefix}{split}{suffix}").write_text(content, encoding="utf-8")


def spec(task, label_column="mood", **fields):
    return TaskSpec(task=str(task), text_column="review", label_column=label_column, **fields)


def test_a_folder_and_a_prefix_give_the_same_rows(tmp_path):
    write(tmp_path)
    write(tmp_path, prefix="films_")
    folder, prefix = load_table(spec(tmp_path)), load_table(spec(tmp_path / "films_"))
    assert folder.train.first == prefix.train.first == ("dull, long", "grand")
    assert (folder.name, prefix.name) == (tmp_path.name, "films")
    assert prefix.label_names == ("bad", "good")


def test_a_tsv_is_not_quoted(tmp_path):
    write(tmp_path, suffix=".tsv", train='review\tmood\n"odd\tbad\nfine\tgood\n', dev="review\tmood\nfine\tgood\n")
    assert load_table(spec(tmp_path)).train.first == ('"odd', "fine")


def test_pairs(tmp_path):
    write(tmp_path)
    assert load_table(spec(tmp_path, pair_column="stars")).train.second == ("1.5", "5")


def test_kind_follows_labels_then_metric_then_kind(tmp_path):
    write(tmp_path)
    assert load_table(spec(tmp_path, "stars")).kind == "regression"
    assert load_table(spec(tmp_path, "stars", metric="pearson")).metric == "pearson"
    write(tmp_path, train=TRAIN.replace("1.5", "1"), dev=DEV.replace("4", "5"))
    assert load_table(spec(tmp_path, "stars")).kind == "classification"
    assert load_table(spec(tmp_path, "stars", kind="regression")).kind == "regression"


def test_refuses_missing_or_doubled_files_and_columns(tmp_path):
    with pytest.raises(FileNotFoundError, match="must have a train file, got neither .*train.csv nor .*train.tsv"):
        load_table(spec(tmp_path))
    write(tmp_path)
    with pytest.raises(ValueError, match=r"train.csv must have the column 'tone', got \('review', 'mood', 'stars'\)"):
        load_table(spec(tmp_path, "tone"))
    write(tmp_path, suffix=".tsv")
    with pytest.raises(ValueError, match="must have one train file"):
        load_table(spec(tmp_path))
