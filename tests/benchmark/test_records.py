import pytest

from bertnas_jax.benchmark.records import check_settings, recorded, written_down


def test_what_is_written_down_is_not_done_again(tmp_path):
    done = []

    def record(key):
        done.append(key)
        if len(done) == 2:
            raise KeyboardInterrupt
        return {"length": len(key)}

    path = tmp_path / "folder" / "records.jsonl"
    with pytest.raises(KeyboardInterrupt):
        recorded(path, "word", ["a", "bb"], record)
    path.write_text(path.read_text() + '{"word": "bb", "len')  # killed in the middle of a line
    assert written_down(path) == [{"word": "a", "length": 1}] and written_down(tmp_path / "none.jsonl") == []
    expected = [{"word": "bb", "length": 2}, {"word": "a", "length": 1}]
    assert recorded(path, "word", ["bb", "a"], record) == expected == recorded(path, "word", ["bb", "a"], record)
    assert done == ["a", "bb", "bb"]


def test_other_settings_than_the_records_are_refused(tmp_path):
    check_settings(tmp_path, {"seed": 0})
    check_settings(tmp_path, {"seed": 0})
    with pytest.raises(ValueError, match="settings must be those of the records"):
        check_settings(tmp_path, {"seed": 1})
