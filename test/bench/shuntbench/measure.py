# SPDX-License-Identifier: Apache-2.0
"""One measurement each: what it does, and what must be true for it to count."""

import json
import os
import subprocess
import time
from dataclasses import dataclass

from shuntlab.namespace import run

from . import conntrack, contestants, places, services, tools
from .contestants import Entry
from .plan import Panel


class NotMeasured(Exception):
    """The packets did not go the way whose cost was asked for."""


@dataclass(frozen=True)
class Sample:
    value: float | None  # None: it was not measured
    lost: int = 0  # frames sent and not delivered, while the clock ran
    sent: int = 0


def cpu_per_packet(entry: Entry, panel: Panel, frames: int, cpu: int) -> Sample:
    """CPU ns for each frame that arrived. All flows are opened first, in ascending order, each with a packet and its
    reply; with the clock running they are visited in another order."""
    backend, family, flows = panel.backend, panel.family, panel.flows
    address, port = entry.target(backend, family)
    arguments = {
        "cpu": cpu,
        "saddr": (places.FIRST_CLIENT if panel.replies else places.SILENT_CLIENT).of(family),
        "daddr": address,
        "dport": port,
        "arrival_port": entry.arrival_port(backend),
        "flows": flows,
        "far": entry.world.pin(entry.far_end(backend)),
    }
    tracked = entry.kind in contestants.TRACKED
    if tracked:
        conntrack.flush(entry.world.spaces["node"])
    if entry.kind != contestants.FLOOR:
        _open(entry, panel, arguments)
    before = _forwarded(entry, backend)
    result = entry.world.send(frames=frames, visit="scrambled", **arguments)
    if result["delivered"] == 0:
        raise NotMeasured(f"{entry.world.prefix}: none of {frames} frames arrived")
    delivered = result["delivered"]
    if before is not None and (took := _forwarded(entry, backend) - before) != delivered:
        counters = entry.agent.read("counters")
        raise NotMeasured(f"{entry.world.prefix}: shunt forwarded {took} frames, {delivered} arrived\n{counters}")
    if tracked:
        conntrack.flush(entry.world.spaces["node"])
    spent = result["cpu_ns"] + result["ksoftirqd_ns"]
    return Sample(spent / result["delivered"], frames - result["delivered"], frames)


def _open(entry: Entry, panel: Panel, arguments: dict) -> None:
    flows, replies = panel.flows, int(panel.replies)
    source, mask = entry.expected_source(panel.backend, panel.family)
    # shunt's flow table grows with its load, takes a few tenths of a second for it, and does not shrink.
    pauses = {"pause_ms": 100} if entry.agent and panel not in entry.opened else {}
    entry.opened.add(panel)
    result = entry.world.send(frames=flows, open=1, source=source, mask=mask, reflect=replies, **pauses, **arguments)
    # A table may refuse one flow in a thousand: its packets then show as lost.
    least = {"delivered": flows - flows // 1000, "returned": (flows - flows // 1000) * replies}
    most = {"delivered": flows, "returned": flows * replies, "wrong_checksums": 0, "wrong_sources": 0}
    if wrong := {key: result[key] for key in most if not least.get(key, 0) <= result[key] <= most[key]}:
        counters = entry.agent.read("counters") if entry.agent else ""
        where = f"{entry.world.prefix}, {panel.backend}, IPv{panel.family}"
        raise NotMeasured(f"{where}: opened {flows} flows: {wrong}\n{counters}")


def _forwarded(entry: Entry, backend: str) -> int | None:
    if entry.agent is None:
        return None
    name = f"FORWARDED_{backend.upper()}_REQUEST"
    return sum(event["count"] for event in entry.agent.read_json("counters")["events"] if event["name"] == name)


def connections_per_second(entry: Entry, backend: str, connections: int, cpu: int) -> Sample:
    """16 at a time: connect, a byte there, a byte back, close. Per second of CPU time, which client, path and server
    share."""
    if entry.kind in contestants.TRACKED:
        conntrack.flush(entry.world.spaces["node"])
    result = _connect(entry, "connect", backend, cpu, connections=connections)
    if entry.kind in contestants.TRACKED:
        conntrack.flush(entry.world.spaces["node"])
    done, failed = result["connections"], result["failed"]
    if done == 0:
        raise NotMeasured(f"{entry.world.prefix}, {backend}: no connection succeeded")
    return Sample(done / result["cpu_seconds"], failed, done + failed)


def latency(entry: Entry, backend: str, requests: int, cpu: int) -> Sample:
    """µs for a byte there and back on an established connection, the median of the requests."""
    return Sample(_connect(entry, "latency", backend, cpu, requests=requests)["p50_ns"] / 1000, 0, requests)


def _connect(entry: Entry, command: str, backend: str, cpu: int, **arguments) -> dict:
    address, port = entry.target(backend, 4)
    spaces = entry.world.spaces
    argv = tools.argv(
        "bench_connect",
        command,
        client_space=spaces["client"].path,
        server_space=spaces[places.LINK_TO[backend].far.space].path,
        cpu=cpu,
        **{"from": places.FIRST_CLIENT.v4},
        to=address,
        port=port,
        server_port=places.POD_PORT,
        **arguments,
    )
    return json.loads(run(argv, timeout=120).stdout)


def put_endpoints_back(entry: Entry) -> None:
    """After endpoint_change()s."""
    services.put_endpoints(entry.manifests, services.measured("remote", entry.contestant.backends))


def endpoint_change(entry: Entry, cpu: int) -> Sample:
    """ms from the rename that puts a changed EndpointSlice in place to the first packet that arrives at the new pod.
    The Service has one endpoint, a new one each time; a packet of a new flow is sent every 50 µs or so."""
    # Neither the pod nor the flows have been there before: an old flow would still know its old pod.
    number = entry.changes_made
    entry.changes_made += 1
    pod = places.pod("remote", 100 + number)
    address, port = entry.target("remote", 4)
    link = places.UPLINK
    argv = tools.argv(
        "bench_frames",
        "probe",
        cpu=cpu,
        device=link.far.device,
        smac=link.far.mac,
        dmac=link.node.mac,
        saddr=places.FIRST_CLIENT.v4,
        daddr=address,
        dport=port,
        arrival_port=places.POD_PORT,
        flows=1 << 20,
        first_flow=(number + 2) << 14,  # those before have been used to measure packets
        far=entry.world.pin("other"),
        watch=pod.v4,
        period_us=40,
        timeout_ms=3000,
    )
    service = services.Service(0, "bench/remote", tuple(services.PORTS), (("remote", pod),))
    name = "remote-slices.json"
    services.stage_endpoints(entry.manifests, service, name)
    prober = subprocess.Popen(entry.world.spaces["client"].argv(argv), stdout=subprocess.PIPE, text=True)
    with prober:
        if prober.stdout.readline() != "ready\n":
            raise NotMeasured(f"{entry.world.prefix}: the probe did not start")
        time.sleep(0.005)
        begin = time.monotonic_ns()
        os.rename(entry.manifests.staging / name, entry.manifests.folder / name)
        result = json.loads(prober.stdout.readline())
    if not result["watched_ns"]:
        counters = entry.agent.read("counters")
        raise NotMeasured(f"{entry.world.prefix}: no packet reached the new endpoint within 3 s: {result}\n{counters}")
    return Sample((result["watched_ns"] - begin) / 1e6, result["sent"] - result["delivered"], result["sent"])
