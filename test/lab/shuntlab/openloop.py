# SPDX-License-Identifier: Apache-2.0
"""New connections at a fixed schedule: the next one starts on time, whatever became of those before. A closed
loop would slow down with the system under test and so miss what it should see."""

import asyncio
import time
from dataclasses import dataclass

from . import actors, patience, requests
from .requests import Answer, Target


TIMEOUT = 5 * patience.FACTOR  # seconds


@dataclass(frozen=True)
class Attempt:
    started: float  # time.monotonic()
    finished: float
    target: Target
    answer: Answer | None
    error: str = ""


def run(stop, targets: list[Target], per_second: int, first_source_port: int) -> list[Attempt]:
    """For Background, in the client's namespace: one HTTP request per connection, the targets in turn, until `stop`.

    Each connection has the next source port. The kernel would choose the same one for two targets sooner or later,
    and a pod behind both could not tell their replies apart."""
    return asyncio.run(_schedule(stop, targets, per_second, first_source_port))


async def _schedule(stop, targets: list[Target], per_second: int, first_source_port: int) -> list[Attempt]:
    begin = time.monotonic()
    tasks = []
    while not stop.is_set():
        due = begin + len(tasks) / per_second
        delay = due - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        else:
            await asyncio.sleep(0)  # late: catch up, but let the others read
        target = targets[len(tasks) % len(targets)]
        tasks.append(asyncio.create_task(_attempt(target, first_source_port + len(tasks))))
    return list(await asyncio.gather(*tasks))


async def _attempt(target: Target, source_port: int) -> Attempt:
    started = time.monotonic()
    try:
        answer = await asyncio.wait_for(_http(target, source_port), TIMEOUT)
        return Attempt(started, time.monotonic(), target, answer)
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        return Attempt(started, time.monotonic(), target, None, f"{type(error).__name__} {error}")


async def _http(target: Target, source_port: int) -> Answer:
    source = (actors.CLIENT.of(target.family), source_port)
    reader, writer = await asyncio.open_connection(target.address, target.port, local_addr=source)
    try:
        writer.write(requests.request_bytes(target))
        response = await reader.read()
        return requests.parse(response, requests.retransmitted(writer.get_extra_info("socket")))
    finally:
        writer.close()


def failures(attempts: list[Attempt]) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.answer is None]


def between(attempts: list[Attempt], begin: float, end: float) -> list[Attempt]:
    """Those that started within."""
    return [attempt for attempt in attempts if begin <= attempt.started <= end]
