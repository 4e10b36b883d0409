import dataclasses
import html.parser
import re

import pytest

from bertnas_jax.report.page import page
from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import FILE_LIMIT, GPU_LIMIT, PHONE_FINALISTS, PHONE_LIMIT, for_phones, missed, write_run


class Document(html.parser.HTMLParser):
    """The attributes of every tag, the text outside of scripts, the styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.styles, self._inside = [], "", "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self.styles += data
        elif self._inside != "script":
            self.text += data + "\n"


@pytest.fixture(scope="module")
def document(run):
    return Document(page(run))


def test_nothing_is_loaded_over_the_network(document):
    loading = [(tag, attrs) for tag, attrs in document.tags if tag in ("script", "link", "img", "iframe", "object", "embed", "source", "base")]
    assert {tag for tag, _ in loading} == {"script"}
    assert not any("src" in attrs for _, attrs in loading)
    assert not re.search(r"url\(|@import|@font-face", document.styles)
    policy = next(attrs["content"] for tag, attrs in document.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "http" not in policy
    links = [attrs["href"] for tag, attrs in document.tags if tag == "a"]
    assert links == ["https://arxiv.org/abs/2009.06823"]


def test_the_figures_are_there(document):
    for figure in (
        "Use the 2-block sub-network", "8.00 ms", "p90 8.50 ms, budget 9.00 ms, measured", "20.0x", "2.10 M", "95 % of the teacher's",
        "74.1 %", "80.1 %", "81.9 %, standard error 1.3", "2.5e-06", "3.5e-06", "16 sentences", "best uniform net", "8.00 (20.0x)",
        "78.0 %", "chosen: 2 blocks, hidden 64, heads 4 2, ffn 128 256", "1.25", "Example CPU 3000", "avx2 fma", "not known", "0.0.1",
        "3 of 1,234 sub-networks", "1 min 15 s", "1 min 55 s", "12.5 %", "2030-01-02 03:04:05", "All 4 records",
    ):  # fmt: skip
        assert figure in document.text, figure


def test_hovering_shows_the_sizes(run):
    assert "2 blocks, hidden 64\\u003cbr\\u003eheads 4 2\\u003cbr\\u003effn 128 256" in page(run)


def test_a_missed_budget_is_said_at_the_top(tmp_path):
    missing = Document(page(read_run(write_run(tmp_path / "run", **missed()))))
    assert "Do not use the 2-block sub-network for this budget" in missing.text
    assert "Use the 2-block" not in missing.text
    assert ("section", {"class": "verdict missed"}) in missing.tags


def test_texts_of_the_run_cannot_become_markup(tmp_path):
    evil = "<script>alert(1)</script>&\"'"
    folder = write_run(
        tmp_path / "run",
        checkpoint=evil,
        task={"name": evil},
        search={"method": evil},
        device={evil: evil},
        versions={evil: evil},
        stages=[{"name": evil, "wall_s": 1.0}],
        date=evil,
    )
    text = page(read_run(folder))
    assert "<script>alert" not in text
    assert Document(text).text.count(evil) == 13


def test_a_device_of_any_name_cannot_become_markup(run):
    evil = "<img src=x>"
    budget = dataclasses.replace(run.summary.budget, limits=(dataclasses.replace(run.summary.budget.limits[0], device=evil),))
    latencies = tuple(dataclasses.replace(one, device=evil, cores="1 thread") for one in run.summary.latencies)
    text = page(dataclasses.replace(run, summary=dataclasses.replace(run.summary, budget=budget, latencies=latencies)))
    assert evil not in text and "&lt;img src=x&gt;" in text


def test_every_limit_of_a_budget_for_phones_is_told(tmp_path):
    library = {"folder": None, "target": "android-arm64", "precision": "int8_fast", "note": "no C library for android-arm64: install gcc-aarch64-linux-gnu"}
    changes = for_phones(PHONE_LIMIT, GPU_LIMIT, sizes=[FILE_LIMIT], library=library)
    text = Document(page(read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **changes)))).text
    for told in (
        "Budget: 30.0 ms on pixel_4, 1 large, TFLite float32, 32 tokens; 6.00 ms on galaxy_s20, gpu, TFLite float16, 32 tokens; 12 MB",
        "90 % between 22.5 and 27.5 ms, budget 30.0 ms, simulated", "The budget, limit by limit", "22.5 to 27.5 ms", "1.50 to 5.90 ms",
        "measured cores", "specifications", "14.0x", "10.5 MB", "25.0 (22.5 to 27.5)", "simulator ms", "no C library for android-arm64", "winner/model_float16.tflite", "supernet in TFLite float16, all of dev",
        "--target=android-arm64 --precision=int8_fast", "617 of 1,234 (50 %), all priced",
    ):  # fmt: skip
        assert told in text, told
    assert "measured ms" not in text


def test_a_budget_of_one_measured_limit_has_no_table_of_limits(document):
    assert "limit by limit" not in document.text


def test_torn_lines_are_told(run):
    assert "2 lines torn by a crash left out" in page(dataclasses.replace(run, torn_lines=2))


def test_house_style_of_the_text(document):
    assert "\u2014" not in document.text


def test_a_regression_run_without_uniform_nets_is_drawn(tmp_path):
    told = {"metric": "pearson"}
    folder = write_run(tmp_path / "run", task={**told, "kind": "regression", "bag_of_words": None}, teacher=told, winner=told)
    regression = dataclasses.replace(read_run(folder), uniform=())
    text = Document(page(regression)).text
    assert "0.819 Pearson correlation (teacher 0.835)" in text
    assert "none for this task" in text
    assert "No uniform net of the space costs as little as the winner." in text
    assert "standard error" not in text


def test_where_the_time_goes_is_told(document):
    """7,800 of 8,000 microseconds are two kernels'; two of the ten small ones are the rest."""
    for told in ("measured: gemm 75 %, attention 22 %, rows 2 %", "gemm 32x64 to 32x256", "6.000", "3000.0", "2 others", "0.5 %"):
        assert told in document.text, told


def test_the_methods_are_compared(document):
    """Above 70 % and under 8.5 ms: the search covers 5 x (7.9 - 4) + 10 x (8.5 - 7.9) = 25.5, random 5 x (8.5 - 4) = 22.5."""
    for told in ("NSGA-II (this search)", "25.5", "100.0 %", "random", "22.5", "88.2 %", "8.50 ms with its margin", "these and others at random"):
        assert told in document.text, told
    assert "--compare_samplers" not in document.text


def test_a_search_without_others_says_how_to_compare_it(run):
    assert "--compare_samplers=random,evolution adds them" in Document(page(dataclasses.replace(run, compared={}))).text


def test_a_winner_of_equal_blocks_is_called_so(run, document):
    told = "Here the winner is that net"
    uniform = (dataclasses.replace(run.winner_point, accuracy=0.9),)
    assert told not in document.text and told in Document(page(dataclasses.replace(run, uniform=uniform))).text
