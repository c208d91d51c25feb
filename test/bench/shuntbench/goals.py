# SPDX-License-Identifier: Apache-2.0
"""The goals of the veth path and whether they are met: ratios of values of the same round."""

from dataclasses import dataclass

from . import contestants as c
from . import findings, plan
from .findings import Findings
from .markdown import table


@dataclass(frozen=True)
class Goal:
    what: str
    least: float | None = None
    most: float | None = None

    @property
    def asked(self) -> str:
        if self.least is None and self.most is None:
            return ""  # no goal, but what others depend on
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def cell(self, one: dict | None, other: dict | None) -> str:
        """Bold where the median misses."""
        ratio = findings.ratio(one, other)
        if ratio is None:
            return "not measured"
        is_met = (self.least is None or ratio.median >= self.least) and (self.most is None or ratio.median <= self.most)
        median = f"{ratio.median:.2f}" if is_met else f"**{ratio.median:.2f}**"
        return f"{median} ({ratio.low:.2f}–{ratio.high:.2f})"


def _services_label(count: int) -> str:
    return f"{count:,} Service" if count == 1 else f"{count:,} Services"


def packets(found: Findings) -> str:
    """CPU time per packet: a column for each number of flows and of Services."""
    few, many = found.size["services"][0], found.size["services"][-1]
    columns = [(flows, count) for flows in found.size["flows"] for count in (few, many)]

    def cpu(kind: str, count: int, backend: str, flows: int) -> dict | None:
        return found.row(kind, count, plan.CPU, backend, 4, flows)

    def line(goal: Goal, backend: str, one: str, other: str) -> list[str]:
        cells = [
            goal.cell(
                cpu(one, 0 if one in c.UNAWARE else count, backend, flows),
                cpu(other, 0 if other in c.UNAWARE else count, backend, flows),
            )
            for flows, count in columns
        ]
        return [goal.what, goal.asked, *cells]

    more_services = Goal(f"remote: XDP, {_services_label(many)} / {few:,}", most=1.1)
    no_replies = Goal("remote, no replies: nftables / XDP", least=6.5)
    lines = [
        line(Goal("remote: XDP / stateless rewrite", most=1.15), "remote", c.SHUNT_XDP, c.STATELESS),
        line(Goal("remote: nftables / XDP", least=6.5), "remote", c.NFTABLES, c.SHUNT_XDP),
        [
            no_replies.what,
            no_replies.asked,
            no_replies.cell(
                *(found.row(kind, few, plan.CPU, "remote", 4, 1, replies=False) for kind in (c.NFTABLES, c.SHUNT_XDP))
            ),
            *[""] * (len(columns) - 1),
        ],
        line(Goal("remote: nftables / tc", least=3), "remote", c.NFTABLES, c.SHUNT_TC),
        line(Goal("of it possible: nftables / stateless tc"), "remote", c.NFTABLES, c.STATELESS_TC),
        line(Goal("remote: tc / stateless tc"), "remote", c.SHUNT_TC, c.STATELESS_TC),
        line(Goal("local: XDP / plain routing", most=1.1), "local", c.SHUNT_XDP, c.ROUTING),
        line(Goal("of it XDP that only passes / plain routing"), "local", c.ROUTING_XDP, c.ROUTING),
        line(Goal("local: nftables / XDP", least=2), "local", c.NFTABLES, c.SHUNT_XDP),
        [
            more_services.what,
            more_services.asked,
            *(
                more_services.cell(*(cpu(c.SHUNT_XDP, n, "remote", flows) for n in (many, few)))
                if count == many
                else ""
                for flows, count in columns
            ),
        ],
    ]
    titles = [f"{findings.flows_label(flows)}, {_services_label(count)}" for flows, count in columns]
    return table(["CPU time per packet", "goal", *titles], lines)


def tcp(found: Findings) -> str:
    counts = (found.size["services"][0], found.size["services"][-1])
    more = Goal("connections per second, XDP / nftables", least=1.2)
    faster = Goal("request p50, XDP / plain routing", most=1)
    routing = found.row(c.ROUTING, 0, plan.LATENCY, "remote")
    rates = [
        [found.row(kind, count, plan.CONNECTIONS, "remote") for kind in (c.SHUNT_XDP, c.NFTABLES)] for count in counts
    ]
    times = [(found.row(c.SHUNT_XDP, count, plan.LATENCY, "remote"), routing) for count in counts]
    lines = [
        [more.what, more.asked, *(more.cell(*pair) for pair in rates)],
        [faster.what, faster.asked, *(faster.cell(*pair) for pair in times)],
    ]
    return table(["TCP, backend on another node", "goal", *map(_services_label, counts)], lines)
