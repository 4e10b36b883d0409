import subprocess
import sys

import pytest

from bertnas_jax.compiler.config import CompilerConfig, parse_subnet
from bertnas_jax.compiler.explain import explain
from bertnas_jax.space import Layer, Subnet

SMALL = "D32-H8-N4.2-F48.32"


def test_a_description_is_read_back():
    subnet = Subnet(32, 8, (Layer(4, 48), Layer(2, 32)))
    assert subnet.describe() == SMALL and parse_subnet(SMALL) == subnet


def test_a_file_is_read(tmp_path):
    path = tmp_path / "subnet.json"
    path.write_text(parse_subnet(SMALL).to_json())
    assert parse_subnet(str(path)) == parse_subnet(SMALL)


@pytest.mark.parametrize("text", ["D32", "D32-H8-N4.2-F48", "12 layers"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="subnet must be like"):
        parse_subnet(text)


def test_the_report_tells_what_was_saved_by_whom():
    report = explain(CompilerConfig(subnet=SMALL, seq_len=16))
    assert "fold_scale: -4 multiply" in report  # the query's scale and gelu's half, of two layers
    assert "+6 strided_slice" in report
    assert "contraction" in report and "% saved" in report


def test_the_report_of_integers_names_their_kernels():
    report = explain(CompilerConfig(subnet="D64-H16-N4-F64", seq_len=16, precision="int8_fast"))
    assert "int8_fast" in report.splitlines()[0] and "packed_gemm_integer dequantize add" in report


def test_what_is_left_out_saves_less():
    all_kernels, fewer = (explain(CompilerConfig(subnet=SMALL, seq_len=16, without=without)).splitlines()[-1] for without in ("", "contraction"))
    assert int(all_kernels.split()[-1]) < int(fewer.split()[-1])


def test_a_pass_that_is_none_is_named():
    with pytest.raises(ValueError, match="got sideways"):
        explain(CompilerConfig(subnet=SMALL, seq_len=16, without="sideways"))


@pytest.mark.slow
def test_the_command_prints_and_draws(tmp_path):
    picture = tmp_path / "graph.png"
    command = [sys.executable, "-m", "bertnas_jax.compiler", "--explain", f"--subnet={SMALL}", "--seq_len=16", f"--picture={picture}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "kernels:" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_command_without_a_mode_says_so():
    done = subprocess.run([sys.executable, "-m", "bertnas_jax.compiler"], capture_output=True, text=True)
    assert done.returncode == 2 and "add --explain" in done.stderr
