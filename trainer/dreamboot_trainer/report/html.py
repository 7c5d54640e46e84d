"""Pieces of the page. Whatever comes from outside is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from dreamboot_trainer.report.commands import Command


def text(value: object) -> str:
    """Any value as text that is no markup."""
    return html.escape(str(value))


def section(title: str, *content: str) -> str:
    """Empty where there is nothing to show."""
    inside = "".join(content)
    return f"<section><h2>{text(title)}</h2>{inside}</section>" if inside else ""


def paragraph(said: str, kind: str = "") -> str:
    """`said` is markup already."""
    return f'<p class="{kind}">{said}</p>' if kind else f"<p>{said}</p>"


def figure(address: str, alt: str, caption: str = "", size: tuple[int, int] = (0, 0), kind: str = "grid") -> str:
    """A picture with its caption (markup); its size keeps the page from jumping while it is read."""
    sides = f' width="{size[0]}" height="{size[1]}"' if all(size) else ""
    under = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="{kind}"><img alt="{text(alt)}"{sides} src="{address}">{under}</figure>'


def pre(command: str) -> str:
    """A command: one click marks the whole of it."""
    return f"<pre><code>{text(command)}</code></pre>"


def command(spelled: Command) -> str:
    """The command of dreamboot, and under it that of the trainer alone."""
    if not spelled.dreamboot:
        return pre(spelled.module)
    return f"{pre(spelled.dreamboot)}<details><summary>without dreamboot</summary>{pre(spelled.module)}</details>"


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Rows whose first cell names them; empty where there are none."""
    body = "".join(
        f'<tr><th scope="row">{text(name)}</th>{"".join(f"<td>{text(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    if not body:
        return ""
    columns = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    above = f"<thead><tr>{columns}</tr></thead>" if head else ""
    return f'<table class="facts-table">{above}<tbody>{body}</tbody></table>'
