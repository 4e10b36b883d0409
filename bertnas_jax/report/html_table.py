"""A table as HTML, every cell escaped."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape


@dataclasses.dataclass(frozen=True)
class Table:
    """Texts to show; the first `words` columns read from the left, the others are numbers.

    The cells of `wrapped` may run over several lines; `strong_row` stands out.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    wrapped: int | None = None
    strong_row: int | None = None

    def html(self) -> str:
        head = "".join(self._cell("th", i, text) for i, text in enumerate(self.head))
        body = "".join(self._row(number, row) for number, row in enumerate(self.rows))
        return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

    def _row(self, number: int, row: Sequence[str]) -> str:
        strong = ' class="strong"' if number == self.strong_row else ""
        return f"<tr{strong}>" + "".join(self._cell("td", i, text) for i, text in enumerate(row)) + "</tr>"

    def _cell(self, tag: str, column: int, text: str) -> str:
        kind = "wrapped" if column == self.wrapped else "word" if column < self.words else "number"
        return f'<{tag} class="{kind}">{escape(text)}</{tag}>'


def facts_html(facts: Sequence[tuple[str, str]]) -> str:
    """Names with their values, one below the other."""
    pairs = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"<dl>{pairs}</dl>"
