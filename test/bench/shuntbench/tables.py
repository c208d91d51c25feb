# SPDX-License-Identifier: Apache-2.0
"""Findings as Markdown tables: for the terminal and for docs/performance.md."""

from . import findings, goals, plan
from .findings import Findings
from .markdown import table

FORMATS = {
    plan.CPU: "{:,.0f}",
    plan.CONNECTIONS: "{:,.0f}",
    plan.LATENCY: "{:.1f}",
    plan.CHANGE: "{:.2f}",
    plan.CHANGE_AFTER_CHANGE: "{:.2f}",
}


def cell(row: dict | None) -> str:
    if row is None:
        return ""
    form = FORMATS[row["metric"]].format
    lost = f", **{row['lost']:,} of {row['sent']:,} lost**" if row["lost"] else ""
    return f"{form(row['median'])} ({form(row['min'])}–{form(row['max'])}){lost}"


def _by_contestant(columns: list[tuple[str, list[dict]]]) -> str:
    """A line for each contestant that stands in one of the columns."""
    cells = [{findings.label(row): row for row in rows} for _, rows in columns]
    every = sorted(
        {(findings.ORDER.index(row["contestant"]), row["services"], findings.label(row))
         for _, rows in columns for row in rows}
    )  # fmt: skip
    lines = [[name, *(cell(column.get(name)) for column in cells)] for _, _, name in every]
    return table(["", *(title for title, _ in columns)], lines)


def cpu(found: Findings, backend: str, family: int) -> str:
    columns = [(findings.flows_label(flows), found.panel(plan.CPU, backend, family, flows)) for flows in found.flows()]
    return _by_contestant([(title, rows) for title, rows in columns if rows])


def one_way(found: Findings) -> str:
    return _by_contestant([("1 flow, no replies", found.panel(plan.CPU, "remote", 4, 1, replies=False))])


def tcp(found: Findings, backend: str) -> str:
    return _by_contestant(
        [
            ("connections per second", found.panel(plan.CONNECTIONS, backend)),
            ("request p50, µs", found.panel(plan.LATENCY, backend)),
        ]
    )


def changes(found: Findings) -> str:
    return _by_contestant(
        [
            ("ms, alone", found.panel(plan.CHANGE, "remote")),
            ("ms, right after another", found.panel(plan.CHANGE_AFTER_CHANGE, "remote")),
        ]
    )


def machine(found: Findings) -> str:
    about, size = found.about, found.size
    kind = "virtual machine" if about["virtual"] else "machine"
    return (
        f"{about['date']}; {kind} with {about['cpus']} CPUs ({about['cpu']}, family {about['cpu_family']}), "
        f"{about['memory_gib']} GiB, Linux {about['kernel']}; {size['rounds']} rounds of {size['frames']:,} frames, "
        f"{size['connections']:,} connections and {size['requests']:,} requests each, seed {about['seed']}; "
        f"{about['minutes']} minutes.\n"
    )


def everything(found: Findings) -> dict[str, str]:
    """By the name of the place in the document."""
    return {
        "machine": machine(found),
        "goals": goals.packets(found),
        "goals tcp": goals.tcp(found),
        "cpu remote": cpu(found, "remote", 4),
        "cpu local": cpu(found, "local", 4),
        "cpu one way": one_way(found),
        "cpu remote IPv6": cpu(found, "remote", 6),
        "cpu local IPv6": cpu(found, "local", 6),
        "tcp remote": tcp(found, "remote"),
        "tcp local": tcp(found, "local"),
        "changes": changes(found),
    }


def as_text(found: Findings) -> str:
    return "\n".join(f"\n## {name}\n\n{text}" for name, text in everything(found).items())
