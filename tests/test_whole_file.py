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


def test_a_folder_that_was_put_aside_when_a_program_was_killed_is_put_back(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()

    def killed(partial, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt), whole(tmp_path / "folder") as partial:
        partial.mkdir()
        patched.setattr(type(partial), "replace", killed)
    assert not (tmp_path / "folder").exists()
    with pytest.raises(RuntimeError), whole(tmp_path / "folder"):
        assert (tmp_path / "folder/old").exists()
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_error_leaves_what_was(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), whole(tmp_path / "file") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
