import xml.etree.ElementTree as ElementTree

from bertnas_jax.report.architecture import architecture_svg
from bertnas_jax.report.front import BLUE, ORANGE


def drawing(run):
    return ElementTree.fromstring(architecture_svg(run.summary))


def widths(drawing, colour):
    return [float(bar.get("width")) for bar in drawing.iter("rect") if bar.get("fill") == colour]


def test_dropped_blocks_are_shown_and_kept_ones_numbered(run):
    texts = [text.text for text in drawing(run).iter("text")]
    labels = [text for text in texts if text.startswith(("block", "dropped"))]
    assert labels == ["block 1", "dropped", "block 2", "dropped"]
    assert [text for text in texts if text.endswith(" of 256")] == ["128 of 256", "0 of 256", "256 of 256", "0 of 256"]


def test_bars_are_in_proportion_to_the_teacher(run):
    full, half = widths(drawing(run), BLUE)  # 4 and 2 of 4 heads
    assert half == full / 2
    half, full = widths(drawing(run), ORANGE)  # 128 and 256 of 256 neurons
    assert half == full / 2
