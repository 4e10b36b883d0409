import pytest

from bertnas_jax.data.read import read_csv, read_tsv


def write(tmp_path, content, name="train.tsv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_tsv_takes_quotes_and_odd_line_separators_as_text(tmp_path):
    table = read_tsv(write(tmp_path, '\ufefftext\tlabel\r\nsaid "no\t0\r\na\u2028b\x85c\t1\r\n\r\n'))
    assert table.columns == ("text", "label")
    assert table.rows == (('said "no', "0"), ("a\u2028b\x85c", "1"))
    assert table.lines == (2, 3)


def test_csv_takes_commas_and_line_ends_inside_quotes(tmp_path):
    table = read_csv(write(tmp_path, 'text,label\n"a, ""b""\nc",0\nd,1\n', "train.csv"))
    assert table.column("text") == ('a, "b"\nc', "d")
    assert table.lines == (3, 4)


def test_short_rows_are_left_out_only_when_asked(tmp_path):
    path = write(tmp_path, "text\tlabel\nwhole\t1\ncut\n")
    assert read_tsv(path, drop_short=True).rows == (("whole", "1"),)
    with pytest.raises(ValueError, match=r"train.tsv:3 must have 2 cells, got 1"):
        read_tsv(path)


def test_missing_column_names_file_column_and_what_there_is(tmp_path):
    table = read_tsv(write(tmp_path, "text\tlabel\na\t1\n"))
    with pytest.raises(ValueError, match=r"train.tsv must have the column 'sentence', got \('text', 'label'\)"):
        table.column("sentence")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text\tlabel\ncaf\xe9\t1\n", r"train.tsv must be UTF-8, got byte 0xe9 at offset 14"),
        (b"", "must have a line of column names"),
        (b"text\ttext\n", "must name each column once"),
        (b"text\tlabel\na\tb\tc\n", ":2 must have 2 cells, got 3"),
        (b"text\tlabel\n\na\tb\n", ":2 must have 2 cells, got 0"),
    ],
)
def test_tsv_refuses(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_tsv(write(tmp_path, content))


def test_csv_refuses_an_open_quote(tmp_path):
    with pytest.raises(ValueError, match="train.csv:2 must be quoted as in RFC 4180"):
        read_csv(write(tmp_path, 'text,label\n"open,1\n', "train.csv"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.tsv must be a file"):
        read_tsv(tmp_path / "none.tsv")
