import json

from bertnas_jax.benchmark import write_result


def test_a_result_says_when_where_and_with_what(tmp_path):
    path = write_result("example", {"gflops": 1.0}, tmp_path)
    fields = json.loads(path.read_text())
    assert path.name == f"example_{fields['date']}.json" and fields["gflops"] == 1.0
    again = write_result("example", {"gflops": 2.0}, tmp_path)
    assert again.name == f"example_{fields['date']}_2.json" and json.loads(path.read_text()) == fields, "what was measured earlier that day stays"
    assert {"cpu", "cores", "isa", "load_average_1min"} <= fields["machine"].keys() and "jax" in fields["versions"]
