"""The page in a real browser without a screen and without a network: what it drew, asked for, complained of, and how wide it is."""

import dataclasses
import html
import json
import pathlib
import re
import shutil
import subprocess

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# What the page tells the one that frames it once plotly has drawn: windows have a least width, frames do not.
_PROBE = """<script>addEventListener("load", () => setTimeout(() => parent.postMessage({
  width: document.documentElement.scrollWidth,
  requested: performance.getEntriesByType("resource").map(one => one.name),
  drawn: Object.fromEntries(["front", "methods"].map(id => [id, {
    points: document.querySelectorAll(`#${id} svg .scatterlayer .point`).length,
    lines: document.querySelectorAll(`#${id} svg .scatterlayer path.js-line`).length,
    texts: [...document.querySelectorAll(`#${id} svg text`)].map(one => one.textContent)
  }])),
  blocks: document.querySelectorAll("svg.architecture rect").length
}, "*"), 500))</script>"""
_FRAME = """<!DOCTYPE html><body style="margin:0"><iframe src="probed.html" style="border:0;width:{width}px;height:{height}px"></iframe>
<pre id="told"></pre><script>addEventListener("message", event => told.textContent = JSON.stringify(event.data))</script></body>"""


@dataclasses.dataclass(frozen=True)
class Opened:
    """`width` is how wide the page would have to be to show all; `said` are the lines of its console."""

    width: int
    requested: list[str]
    drawn: dict[str, dict]
    blocks: int
    said: list[str]


def find_browser() -> str:
    """Skips the test if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed: Debian's chromium")
    return found


def open_page(report: pathlib.Path, width: int, scratch: pathlib.Path) -> Opened:
    """The page as it is after all its scripts, in a frame of that width."""
    scratch.mkdir()
    text = report.read_text(encoding="utf-8")
    assert text.count("</body>") == 1
    (scratch / "probed.html").write_text(text.replace("</body>", f"{_PROBE}</body>"), encoding="utf-8")
    (scratch / "frame.html").write_text(_FRAME.format(width=width, height=8000), encoding="utf-8")
    ended = run_browser("--dump-dom", f"--window-size={width + 50},8000", (scratch / "frame.html").as_uri(), scratch=scratch)
    told = re.search(r'<pre id="told">(.+?)</pre>', ended.stdout)
    assert told, f"the page told nothing; the browser said: {ended.stderr[-2000:]}"
    return Opened(**json.loads(html.unescape(told[1])), said=[line for line in ended.stderr.splitlines() if ":CONSOLE" in line])


def run_browser(*arguments: str, scratch: pathlib.Path) -> subprocess.CompletedProcess:
    """No host has an address; time stands still until the page has done its work."""
    command = [
        find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={scratch / 'profile'}", "--virtual-time-budget=10000", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def check_opens(report: pathlib.Path, evaluated: int, curves: int, scratch: pathlib.Path) -> None:
    """The page is drawn whole and fits, on a screen and on a phone, with no network and nothing to complain of."""
    scratch.mkdir()
    for width in (1280, 390):
        opened = open_page(report, width, scratch / str(width))
        assert opened.width <= width, f"{opened.width} pixels of content on {width}"
        assert opened.requested == [] and opened.said == []
        # Every Subnet evaluated, on the front or not, and the winner before and after its fine-tuning.
        assert opened.drawn["front"]["points"] >= evaluated + 2 and opened.drawn["front"]["lines"] >= 1
        assert "latency (ms)" in opened.drawn["front"]["texts"] and "evaluations" in opened.drawn["methods"]["texts"]
        assert opened.drawn["methods"]["lines"] == curves and opened.blocks > 0
    picture = scratch / "page.png"
    run_browser(f"--screenshot={picture}", "--window-size=1280,4000", report.as_uri(), scratch=scratch)
    check_picture(picture)


def check_picture(picture: pathlib.Path) -> None:
    """Of the front's colours there is as much as lines and points cover."""
    import matplotlib.image
    import numpy as np

    pixels = np.round(matplotlib.image.imread(picture)[..., :3] * 255).astype(int)
    assert pixels.shape[1] == 1280
    for name, colour in (("blue", (0x00, 0x72, 0xB2)), ("orange", (0xE6, 0x9F, 0x00)), ("vermillion", (0xD5, 0x5E, 0x00))):
        assert (np.abs(pixels - colour).max(axis=-1) <= 8).sum() > 50, f"hardly any {name} in the picture"
