import pytest

from bertnas_jax.latency.simulate import read_phone_rows

HEAD = "soc,threads,dtype,model,layers,hidden,heads,ffn,seq_len,latency_ms\n"


def write(path, soc="Snapdragon 855", threads="2 (1large+1med)", model="vit-base-patch16-224-in21k", dtype="int8"):
    path.write_text(HEAD + f"{soc},{threads},{dtype},{model},12,768,12,3072,197,500\n")
    return path


def test_a_row_is_a_model_on_cores(tmp_path):
    (row,) = read_phone_rows(write(tmp_path / "rows.csv"))
    assert (row.device, row.cores.describe(), row.dtype, row.latency_ms) == ("pixel_4", "1 large + 1 medium", "int8_full", 500)
    patches = row.kernels[-1][0]
    assert (patches.rows, patches.inner, patches.columns) == (14 * 14, 3 * 16 * 16, 768)


def test_a_text_model_has_no_patches(tmp_path):
    (row,) = read_phone_rows(write(tmp_path / "rows.csv", model="bert-base-uncased"))
    assert {times for _, times in row.kernels} == {12}


@pytest.mark.parametrize(("changed", "message"), [({"soc": "Snapdragon 1"}, "rows.csv:2: soc"), ({"threads": "9 (9large)"}, "core set must be"), ({"dtype": "fp16"}, "rows.csv:2: dtype must be one of fp32, int8, got 'fp16'")])
def test_an_unknown_phone_or_set_is_named(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        read_phone_rows(write(tmp_path / "rows.csv", **changed))


def test_a_missing_column_is_named(tmp_path):
    path = write(tmp_path / "rows.csv")
    path.write_text(path.read_text().replace("latency_ms", "latency_s"))
    with pytest.raises(ValueError, match="must have the columns soc, .*, got none for latency_ms"):
        read_phone_rows(path)
