"""The page of made-up runs in Chromium; that of a real run is opened in tests/search/test_other_samplers.py."""

import pytest

from bertnas_jax.report import write_report
from tests.report.browser import check_opens, open_page
from tests.report.run_folders import (
    EVALUATED, FILE_LIMIT, GPU_LIMIT, PHONE_FINALISTS, PHONE_KERNELS, PHONE_LIMIT, for_phones, missed, write_run,
)  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["host", "phones"])
def test_it_opens_without_a_network_and_fits_a_screen_and_a_phone(tmp_path, kind):
    library = {"folder": "winner/android-arm64", "target": "android-arm64", "precision": "float32", "note": "android-arm64, linked for glibc"}
    phones = for_phones(PHONE_LIMIT, GPU_LIMIT, sizes=[FILE_LIMIT], library=library)
    changes = missed() if kind == "host" else {"finalists": PHONE_FINALISTS, "kernels": PHONE_KERNELS, **phones}
    folder = write_run(tmp_path / "run", **changes)
    write_report(folder)
    check_opens(folder / "report.html", len(EVALUATED), curves=2, scratch=tmp_path / "browser")


def test_what_the_page_would_ask_for_and_complain_of_is_seen(tmp_path):
    """The checks themselves: a page that breaks every rule."""
    page = tmp_path / "page.html"
    page.write_text('<!DOCTYPE html><body><div style="width:2000px">wide</div><img src="http://example.com/x.png"><script>broken(</script></body>')
    opened = open_page(page, 390, tmp_path / "browser")
    assert opened.width >= 2000 and opened.requested == ["http://example.com/x.png"]
    assert any("SyntaxError" in line for line in opened.said) and opened.drawn["front"]["points"] == 0
