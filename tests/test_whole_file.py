import pytest

from bertnas_jax.whole_file import whole


def test_what_is_written_replaces_what_was(tmp_path):
    target = tmp_path / "new" / "file"
    for text in ("first", "second"):
        with whole(target) as partial:
            partial.write_text(text)
        assert target.read_text() == text
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_folder_too(tmp_path):
    for name in ("a", "b"):
        with whole(tmp_path / "folder") as partial:
            partial.mkdir()
            (partial / name).write_text(name)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["b"]


def test_an_error_leaves_what_was(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), whole(tmp_path / "file") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
