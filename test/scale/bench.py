# SPDX-License-Identifier: Apache-2.0
"""What the number of Services costs the agent: times and memory with few and with many, as a table."""

import argparse
import os
import platform
import statistics
import sys
import time
import urllib.request

from . import table
from .cluster import Cluster
from .world import Agent, agent, make_network, server

_METRICS = "127.0.0.1:10349"


def _list_time(server, agent: Agent) -> dict:
    in_force = agent.wait_in_force()
    return {"list": in_force - max(server.listed_at.values()), "start": in_force - agent.started_at}


def _change_times(watch, cluster: Cluster, agent: Agent, changes: int) -> dict[str, list[float]]:
    """Of pairs of changes: the first comes when the agent has nothing to do, the second when the first is in force."""
    times: dict[str, list[float]] = {"idle": [], "after": []}
    for _ in range(changes):
        time.sleep(0.02)
        for what in ("idle", "after"):
            event = cluster.replace_pod()
            begin = time.monotonic()
            watch.say(event)
            times[what].append(agent.wait_in_force() - begin)
    return times


def _cpu_of_a_change(watch, cluster: Cluster, agent: Agent, changes: int) -> float:
    """Seconds; all that the agent does while changes come one by one, but for what it does anyway."""
    agent.wait_quiet()
    idle = agent.cpu_seconds()
    begin = time.monotonic()
    time.sleep(5)
    idle = (agent.cpu_seconds() - idle) / (time.monotonic() - begin)
    before, begin = agent.cpu_seconds(), time.monotonic()
    for _ in range(changes):
        watch.say(cluster.replace_pod())
        agent.wait_in_force()
    return (agent.cpu_seconds() - before - idle * (time.monotonic() - begin)) / changes


def _scrape(times: int) -> dict:
    took = []
    for _ in range(times):
        time.sleep(1.1)  # an answer is good for a second
        begin = time.monotonic()
        with urllib.request.urlopen(f"http://{_METRICS}/metrics", timeout=60) as answer:
            size = len(answer.read())
        took.append(time.monotonic() - begin)
    return {"scrape": statistics.median(took), "scrape_bytes": size}


def measure(services: int, has_streams: bool, changes: int, scrapes: int) -> dict:
    cluster = Cluster(services)
    with server() as api:
        api.lists = cluster.lists()
        if has_streams:
            api.streams = cluster.streams()
        with agent(api, str(services), "--metrics-bind-address", _METRICS) as shunt:
            result = {"services": services, "has_streams": has_streams, **_list_time(api, shunt)}
            result["list_bytes"] = {plural: len(body) for plural, body in api.lists.items()}
            api.lists, api.streams = {}, {}
            watch = api.next_watch("endpointslices")
            shunt.wait_quiet()
            result["memory"] = shunt.memory()
            result.update(_change_times(watch, cluster, shunt, changes))
            result["cpu"] = _cpu_of_a_change(watch, cluster, shunt, changes)
            result.update(_scrape(scrapes))
            result["served"] = shunt.served_ports()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="test/scale/run")
    parser.add_argument("--quick", action="store_true", help="few changes: to see that it works, not to quote")
    parser.add_argument("--docs", action="store_true", help="write docs/performance/scale.json and the table of docs/performance.md")
    parser.add_argument("--services", type=int, nargs="+", default=[10, 10000], help="numbers of Services; default: 10 10000")
    options = parser.parse_args()
    make_network()
    changes = 50 if options.quick else 500
    runs = []
    cases = [(services, True) for services in options.services] + [(options.services[-1], False)]
    for services, has_streams in cases:
        runs.append(measure(services, has_streams, changes, 2 if options.quick else 5))
        print(f"{services} Services measured", file=sys.stderr)
    results = {"machine": f"{os.cpu_count()} CPUs, Linux {platform.release()}", "changes": changes, "runs": runs}
    print(table.text(results))
    if options.docs:
        table.write_docs(results)


if __name__ == "__main__":
    main()
