# SPDX-License-Identifier: Apache-2.0
"""Agents killed, started again, and replaced by another build, under load: nobody notices.

New connections come at a fixed schedule that does not wait for answers, and none is tried twice. A hundred open
connections say a numbered line every 50 ms. A watch in each node asks after the XDP programs all the time.
$SHUNT_OTHER is the other build; without it the first other one in build/ is taken.
"""

import os
import time
import unittest
from pathlib import Path

from shuntlab import actors, conversation, figures, frontends, netlink, openloop
from shuntlab.case import LabCase, figure
from shuntlab.lab import PROJECT, binary
from shuntlab.requests import Target

PER_SECOND = 250
AT_LEAST_PER_SECOND = 200
DEAD_SECONDS = 6.5  # past the 5 s after which flows take the heartbeat for stale
SYN_AGAIN = 1.0  # seconds until the client's kernel sends a SYN once more
CONVERSATIONS = 100
DEVICES = ["eth0", "eth1"]


def other_binary() -> Path:
    builds = [PROJECT / "build" / preset / "shunt" for preset in ("dev", "ci", "release")]
    for candidate in (os.environ.get("SHUNT_OTHER"), *builds):
        if candidate and Path(candidate).exists() and Path(candidate).resolve() != binary():
            return Path(candidate).resolve()
    return binary()


class AgentDeath(LabCase):
    def test_nobody_notices(self):
        self.tags: list[str] = []  # digests of the programs' instructions
        watches = {name: self.background(name, netlink.watch, DEVICES) for name in self.lab.agents}
        talk = self.background("client", conversation.lines, self.targets("lines", CONVERSATIONS), 19001)
        load = self.background("client", openloop.run, self.targets("http", 6), PER_SECOND, 20001)
        programs = [self.programs()]
        time.sleep(1.5)

        for agent in self.lab.agents.values():
            agent.kill()
        died = time.monotonic()
        time.sleep(DEAD_SECONDS)
        restarted = time.monotonic()
        self.restart()
        programs.append(self.programs())
        time.sleep(1)

        for agent in self.lab.agents.values():
            agent.kill()
        self.restart(other_binary())
        programs.append(self.programs())
        time.sleep(1.5)

        attempts = load.stop()
        conversations = talk.stop()
        seen = {name: watch.stop() for name, watch in watches.items()}
        with self.subTest("new connections"):
            self.check_attempts(attempts, died, restarted)
        with self.subTest("open connections"):
            self.check_conversations(conversations)
        with self.subTest("programs"):
            self.check_programs(programs, seen)

    def targets(self, port_name: str, number: int) -> list[Target]:
        """In turn through every kind of frontend and both families."""
        kinds = [frontend.target(family, port_name) for family in actors.FAMILIES for frontend in frontends.ALL]
        return [kinds[index % len(kinds)] for index in range(number)]

    def programs(self) -> dict[tuple[str, str], int]:
        found = {}
        for name in self.lab.agents:
            with self.lab.spaces[name].inside():
                found.update({(name, device): netlink.ask(device).program for device in DEVICES})
        self.tags.append(figures.program(found["node-a", "eth0"])["tag"])
        return found

    def restart(self, build: Path | None = None) -> None:
        for agent in self.lab.agents.values():
            agent.start(build, wait=False)
        for agent in self.lab.agents.values():
            agent.wait_synced()

    def check_attempts(self, attempts: list[openloop.Attempt], died: float, restarted: float) -> None:
        dead = openloop.between(attempts, died, restarted)
        failed = openloop.failures(dead)
        answered = [attempt for attempt in attempts if attempt.answer]
        slowest = max(attempt.finished - attempt.started for attempt in attempts)
        figure(
            f"agents dead for {restarted - died:.1f} s: {len(dead)} attempts, {len(dead) - len(failed)} successes, "
            f"{len(dead) / (restarted - died):.0f} a second; in the whole run {len(attempts)} attempts, "
            f"{len(attempts) - len(openloop.failures(attempts))} successes, "
            f"{sum(attempt.answer.sent_again for attempt in answered)} segments sent again, "
            f"slowest {figures.milliseconds(slowest)}"
        )
        self.assertEqual([attempt.error for attempt in openloop.failures(attempts)[:5]], [])
        self.assertLess(slowest, SYN_AGAIN, "a SYN may have been lost and sent again")
        self.assertGreaterEqual(len(dead), AT_LEAST_PER_SECOND * 5)
        self.assertGreaterEqual(len(dead) / (restarted - died), AT_LEAST_PER_SECOND)

    def check_conversations(self, conversations: list[conversation.Conversation]) -> None:
        worst = max(conversations, key=lambda c: c.gap)
        figure(
            f"{len(conversations)} open connections, {sum(c.answered for c in conversations)} numbered lines: "
            f"{sum(c.out_of_order for c in conversations)} out of order, "
            f"{sum(c.sent - c.answered for c in conversations)} without answer, "
            f"{sum(len(c.pods) != 1 for c in conversations)} changed their pod; "
            f"largest gap {figures.milliseconds(worst.gap)} ({worst.target})"
        )
        self.assertEqual(len(conversations), CONVERSATIONS)
        for one in conversations:
            self.assertEqual((one.error, one.out_of_order, len(one.pods)), ("", 0, 1), one)
            self.assertEqual(one.sent, one.answered, one)

    def check_programs(self, programs: list[dict], seen: dict[str, netlink.Watch]) -> None:
        for place, first in programs[0].items():
            ids = [first, programs[1][place], programs[2][place]]
            figure(f"{' '.join(place)}: XDP program {' -> '.join(map(str, ids))}")
            self.assertEqual(len(set(ids)), 3, "a new agent brings its own program")
        figure(f"builds: {binary()} twice, then {other_binary()}; the programs' tags {' -> '.join(self.tags)}")
        for name, watch in seen.items():
            figure(
                f"{name}: {watch.overheard} notifications, {watch.asked} questions at most "
                f"{figures.milliseconds(watch.widest_pause)} apart, XDP absent {len(watch.absent)} times, "
                f"programs {watch.programs}"
            )
            self.assertEqual(watch.absent, [])
            self.assertGreater(watch.asked, 500)


if __name__ == "__main__":
    unittest.main()
