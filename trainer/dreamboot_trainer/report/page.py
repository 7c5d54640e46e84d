"""The page's HTML: no script, nothing from elsewhere, light or dark as the reader's system is, from phones up."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root{color-scheme:light dark;--text:#1d2433;--dim:#5b6474;--back:#fff;--panel:#f5f7fa;--line:#dfe3ea;--accent:#1f4e8c}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ef;--dim:#a0a8b6;--back:#14171d;--panel:#1d222b;--line:#323945;
--accent:#8db8f2}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--text);background:var(--back);
max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.6rem 0 .8rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
p{margin:.5rem 0;max-width:44rem}.dim,figcaption{color:var(--dim)}
figure{margin:0}figcaption{font-size:.9rem;margin-top:.35rem}
img{display:block;max-width:100%;height:auto;border-radius:6px;background:#fff}
.pair{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
.row{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fill,minmax(6rem,1fr))}
.row img{width:100%;aspect-ratio:1;object-fit:cover}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;overflow-x:auto;
font-size:.9rem;margin:.4rem 0 1rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.95rem}
th,td{border-bottom:1px solid var(--line);padding:.4rem .8rem .4rem 0;text-align:left;vertical-align:top;
overflow-wrap:anywhere}
th{font-weight:500;color:var(--dim)}.scores td,.scores th{overflow-wrap:normal}
.best{color:var(--accent);font-weight:600}
"""


def document(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """The whole page; `title` and `subtitle` are text, `parts` are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f'<body><h1>{html.escape(title)}</h1><p class="dim">{html.escape(subtitle)}</p>{"".join(parts)}</body></html>\n'
    )


def section(title: str, content: str) -> str:
    """A heading over its content; nothing where there is no content."""
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>" if content else ""


def paragraph(text: str) -> str:
    """A sentence or two."""
    return f"<p>{html.escape(text)}</p>"


def command(text: str) -> str:
    """Something to paste."""
    return f"<pre>{html.escape(text)}</pre>"


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Names and values; nothing where there are none."""
    cells = [f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows]
    return f"<table>{''.join(cells)}</table>" if cells else ""


def scores(head: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    """Cells under their heads; a row with True is the best one."""
    lines = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
    for cells, best in rows:
        mark = ' class="best"' if best else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    return f'<div class="wide"><table class="scores">{"".join(lines)}</table></div>'


def picture(content: bytes, caption: str, kind: str = "png") -> str:
    """An image inside of the page, with words below it."""
    data = base64.b64encode(content).decode("ascii")
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>'


def grid(pictures: Iterable[str], kind: str) -> str:
    """Pictures beside each other where there is room: `pair` large, `row` small."""
    found = "".join(pictures)
    return f'<div class="{kind}">{found}</div>' if found else ""
