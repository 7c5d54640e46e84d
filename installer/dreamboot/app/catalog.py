"""Use cases: show what dreamboot knows of the world, and check that it does not contradict itself."""

from __future__ import annotations

import difflib
from typing import Any, Dict, Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import DreambootError, Event, ExitCode, Problem, Report
from dreamboot.values import to_json


def show(context: Context, table: str) -> Iterator[Union[Event, Report]]:  # noqa: ARG001 - every use case takes one
    """One table with its sources, or the list of tables. Raises `DreambootError` for a table that does not exist."""
    from dreamboot.catalog import load
    from dreamboot.catalog.loading import TABLES

    catalog = load()
    if table and table not in TABLES:
        near = difflib.get_close_matches(table, TABLES, n=1)
        raise DreambootError(
            Problem(
                id="catalog-table-unknown",
                what=f"The catalog has no table {table!r}.",
                cause=f"It has: {', '.join(sorted(TABLES))}.",
                hint=f"dreamboot catalog show {near[0] if near else 'torch'}",
            ),
            exit_code=ExitCode.USAGE,
        )
    data: Dict[str, Any] = {"schema": 1}
    if table:
        raw = catalog.raw(table)
        data.update(table=table, about=raw["about"], as_of=raw["as_of"], sources=raw["sources"], rows=raw["rows"])
    else:
        data["tables"] = [_summary(name) for name in sorted(TABLES)]
    yield Report(command="catalog", data=data)


def _summary(name: str) -> Dict[str, Any]:
    from dreamboot.catalog import load

    raw = load().raw(name)
    unverified = sum(1 for row in raw["rows"] if row.get("unverified"))
    return {"table": name, "rows": len(raw["rows"]), "unverified": unverified, "about": raw["about"]}


def check(context: Context) -> Iterator[Union[Event, Report]]:  # noqa: ARG001 - every use case takes one
    """Rows that contradict each other; exit code 1 when there are any."""
    from dreamboot.catalog import load
    from dreamboot.catalog.check import contradictions
    from dreamboot.catalog.loading import TABLES, BadRowError

    catalog = load()
    found: List[Dict[str, Any]] = []
    try:
        found = [to_json(item) for item in contradictions(catalog)]
    except BadRowError as error:
        found = [{"table": "", "row": "", "what": str(error)}]
    rows = sum(len(catalog.raw(name)["rows"]) for name in TABLES)
    data = {"schema": 1, "tables": len(TABLES), "rows": rows, "contradictions": found}
    if not found:
        yield Report(command="catalog", data=data)
        return
    problem = Problem(
        id="catalog-contradicts-itself",
        what=f"{len(found)} rows of the catalog contradict others.",
        cause="; ".join(f"{row['table']} {row['row']}: {row['what']}" for row in found[:5]),
        hint="Correct the rows in installer/dreamboot/catalog/data; docs/reference/catalog.md says how",
    )
    yield Report(command="catalog", data=data, exit_code=ExitCode.PROBLEM, problem=problem)
