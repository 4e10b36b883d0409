import pytest

from bertnas_jax.data.glue import load_glue

MRPC = 'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe said " go .\tHe said go .\n0\t9\t10\tA cat .\tA dog .\n'
MNLI = "index\tgenre\tsentence1\tsentence2\tgold_label\n0\tx\tIt rains.\tIt is wet.\tentailment\n1\tx\tIt rains.\tIt is dry.\tneutral\n"
QQP = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tWhy?\tWhat for?\t1\n1\t3\t4\tWho?\tWhen?\t0\n2\t5\tcut\n"
RTE = "index\tsentence1\tsentence2\tlabel\n0\tIt rains.\tIt is wet.\tentailment\n1\tIt rains.\tIt is dry.\tnot_entailment\n"
QNLI = "index\tquestion\tsentence\tlabel\n0\tWho?\tShe did.\tentailment\n1\tWho?\tIt rains.\tnot_entailment\n"
STS = "index\tgenre\tsentence1\tsentence2\tscore\n0\tx\tA cat.\tA small cat.\t4.500\n1\tx\tA cat.\tA tax.\t0.000\n"
SST = "sentence\tlabel\na joy \t1\na bore \t0\n"
COLA = "gj04\t1\t\tThey slept.\ngj04\t0\t*\tThey sleeped it.\n"


def write(tmp_path, content, train="train.tsv", dev="dev.tsv"):
    for name in (train, dev):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "dev", "metric", "labels", "first", "second"),
    [
        (MRPC, "dev.tsv", "f1", ("0", "1"), 'He said " go .', "He said go ."),
        (QQP, "dev.tsv", "f1", ("0", "1"), "Why?", "What for?"),
        (MNLI, "dev_matched.tsv", "accuracy", ("entailment", "neutral"), "It rains.", "It is wet."),
        (RTE, "dev.tsv", "accuracy", ("entailment", "not_entailment"), "It rains.", "It is wet."),
        (QNLI, "dev.tsv", "accuracy", ("entailment", "not_entailment"), "Who?", "She did."),
        (STS, "dev.tsv", "pearson_spearman", (), "A cat.", "A small cat."),
        (SST, "dev.tsv", "accuracy", ("0", "1"), "a joy ", None),
        (COLA, "dev.tsv", "matthews", ("0", "1"), "They slept.", None),
    ],
    ids=["MRPC", "QQP", "MNLI", "RTE", "QNLI", "STS-B", "SST-2", "CoLA"],
)
def test_layouts_are_told_by_their_columns(tmp_path, content, dev, metric, labels, first, second):
    task = load_glue(write(tmp_path, content, dev=dev))
    assert (task.metric, task.label_names, len(task.train), len(task.dev)) == (metric, labels, 2, 2)
    assert task.train.first[0] == first
    assert (task.train.second and task.train.second[0]) == second
    assert task.name == tmp_path.name


def test_a_missing_dev_file_is_replaced_by_test_and_said(tmp_path, caplog):
    task = load_glue(write(tmp_path, SST, dev="test.tsv"))
    assert len(task.dev) == 2
    assert "has no dev.tsv: scores are on test.tsv" in caplog.text


def test_the_dev_file_goes_before_test(tmp_path):
    folder = write(tmp_path, SST)
    (folder / "test.tsv").write_text("index\tsentence\n0\tunlabelled\n", encoding="utf-8")
    assert load_glue(folder).dev.first == ("a joy ", "a bore ")


def test_an_unlabelled_test_file_cannot_stand_in(tmp_path):
    (tmp_path / "train.tsv").write_text(SST, encoding="utf-8")
    (tmp_path / "test.tsv").write_text("index\tsentence\n0\tunlabelled\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"test.tsv must have the column 'label', got \('index', 'sentence'\)"):
        load_glue(tmp_path)


def test_refuses_unknown_columns_and_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="train.tsv must be a file"):
        load_glue(tmp_path)
    (tmp_path / "train.tsv").write_text(SST, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="dev.tsv must be a file"):
        load_glue(tmp_path)
    (tmp_path / "train.tsv").write_text("text\tmood\na\tb\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have the columns of a known layout .* got \('text', 'mood'\)"):
        load_glue(tmp_path)


# Sizes: lines of each file less the header, counted with wc. TREC-6 is scored on its test file.
@pytest.mark.parametrize(
    ("name", "num_train", "num_dev", "metric", "num_outputs"),
    [
        ("SST-2", 67_349, 872, "accuracy", 2),
        ("MRPC", 3_668, 408, "f1", 2),
        ("RTE", 2_490, 277, "accuracy", 2),
        ("STS-B", 5_749, 1_500, "pearson_spearman", 1),
        ("CLINC150", 15_000, 3_000, "accuracy", 150),
        ("TREC-6", 5_452, 500, "accuracy", 6),
    ],
)
def test_real_folders_load_whole(shared, name, num_train, num_dev, metric, num_outputs):
    task = load_glue(shared / "data" / "glue" / name)
    assert (len(task.train), len(task.dev), task.metric, task.num_outputs) == (num_train, num_dev, metric, num_outputs)
