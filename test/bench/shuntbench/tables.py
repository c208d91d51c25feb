# SPDX-License-Identifier: Apache-2.0
"""Findings as Markdown tables: for the terminal and for docs/performance.md."""

from collections.abc import Callable

from . import contestants as c
from . import findings, plan
from .findings import Findings, Spread

FORMATS = {plan.CPU: "{:,.0f}", plan.CONNECTIONS: "{:,.0f}", plan.LATENCY: "{:.1f}", plan.CHANGE: "{:.2f}"}


def cell(row: dict | None) -> str:
    if row is None:
        return ""
    form = FORMATS[row["metric"]].format
    lost = f", **{row['lost']:,} of {row['sent']:,} lost**" if row["lost"] else ""
    return f"{form(row['median'])} ({form(row['min'])}–{form(row['max'])}){lost}"


def _table(titles: list[str], lines: list[list[str]]) -> str:
    ruler = ["---"] + ["---:"] * (len(titles) - 1)
    return "".join("| " + " | ".join(line) + " |\n" for line in [titles, ruler, *lines])


def _by_contestant(columns: list[tuple[str, list[dict]]]) -> str:
    """A line for each contestant that stands in one of the columns."""
    cells = [{findings.label(row): row for row in rows} for _, rows in columns]
    every = sorted(
        {(findings.ORDER.index(row["contestant"]), row["services"], findings.label(row))
         for _, rows in columns for row in rows}
    )  # fmt: skip
    lines = [[name, *(cell(column.get(name)) for column in cells)] for _, _, name in every]
    return _table(["", *(title for title, _ in columns)], lines)


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
    return _by_contestant([("ms from the change to the wire", found.panel(plan.CHANGE, "remote"))])


def goals(found: Findings) -> str:
    """Where the goals are met and where not."""
    lines = [_goal(*goal) for goal in _goals(found)]
    return _table(["goal, as a ratio within the same round", "asked", "found", ""], lines)


def _goal(what: str, limit: str, spread: Spread, is_met: Callable[[float], bool]) -> list[str]:
    return [
        what,
        limit,
        f"{spread.median:.2f} ({spread.low:.2f}–{spread.high:.2f})",
        "met" if is_met(spread.median) else "**missed**",
    ]


def _goals(found: Findings):
    few, many = found.size["services"][0], found.size["services"][-1]

    def row(kind: str, services: int, metric: str, backend: str, flows: int = 0) -> dict:
        return found.row(kind, services, metric, backend, 4, flows)

    for flows in found.size["flows"]:
        named = findings.flows_label(flows)
        for count in (few, many):
            where = f"{named}, {count:,} Service{'s' if count > 1 else ''}"
            xdp = row(c.SHUNT_XDP, count, plan.CPU, "remote", flows)
            tc = row(c.SHUNT_TC, count, plan.CPU, "remote", flows)
            local = row(c.SHUNT_XDP, count, plan.CPU, "local", flows)
            rules = row(c.NFTABLES, count, plan.CPU, "remote", flows)
            rules_local = row(c.NFTABLES, count, plan.CPU, "local", flows)
            stateless = row(c.STATELESS, 0, plan.CPU, "remote", flows)
            routing = row(c.ROUTING, 0, plan.CPU, "local", flows)
            yield (f"remote, XDP / stateless rewrite: {where}", "≤ 1.15", findings.ratio(xdp, stateless),
                   lambda value: value <= 1.15)  # fmt: skip
            yield (f"remote, nftables / XDP: {where}", "≥ 6.5", findings.ratio(rules, xdp),
                   lambda value: value >= 6.5)  # fmt: skip
            yield f"remote, nftables / tc: {where}", "≥ 3", findings.ratio(rules, tc), lambda value: value >= 3
            yield (f"local, XDP / plain routing: {where}", "≤ 1.1", findings.ratio(local, routing),
                   lambda value: value <= 1.1)  # fmt: skip
            yield (f"local, nftables / XDP: {where}", "≥ 2", findings.ratio(rules_local, local),
                   lambda value: value >= 2)  # fmt: skip
        yield (f"remote, XDP: {many:,} Services / {few:,}: {named}", "≤ 1.1",
               findings.ratio(row(c.SHUNT_XDP, many, plan.CPU, "remote", flows),
                              row(c.SHUNT_XDP, few, plan.CPU, "remote", flows)),
               lambda value: value <= 1.1)  # fmt: skip
    yield (f"remote, no replies, nftables / XDP: 1 flow, {few:,} Service", "≥ 6.5",
           findings.ratio(found.row(c.NFTABLES, few, plan.CPU, "remote", 4, 1, replies=False),
                          found.row(c.SHUNT_XDP, few, plan.CPU, "remote", 4, 1, replies=False)),
           lambda value: value >= 6.5)  # fmt: skip
    for count in (few, many):
        where = f"{count:,} Service{'s' if count > 1 else ''}"
        yield (f"remote, connections per second, XDP / nftables: {where}", "≥ 1.2",
               findings.ratio(row(c.SHUNT_XDP, count, plan.CONNECTIONS, "remote"),
                              row(c.NFTABLES, count, plan.CONNECTIONS, "remote")),
               lambda value: value >= 1.2)  # fmt: skip
        yield (f"remote, request p50, XDP / plain routing: {where}", "≤ 1",
               findings.ratio(row(c.SHUNT_XDP, count, plan.LATENCY, "remote"),
                              row(c.ROUTING, 0, plan.LATENCY, "remote")),
               lambda value: value <= 1)  # fmt: skip


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
        "goals": goals(found),
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
    return "\n".join(f"\n## {name}\n\n{table}" for name, table in everything(found).items())
