# SPDX-License-Identifier: Apache-2.0
"""What a made-up cluster holds now: its lists, and changes of it as events. Pure."""

import random

from . import objects


class Cluster:
    def __init__(self, services: int, *, endpoints: int = 10, seed: int = 1):
        self.version = 1000
        self.shift: dict[int, int] = dict.fromkeys(range(services), 0)  # the Services there are
        self.generations: dict[int, list[int]] = {number: [0] * endpoints for number in range(services)}
        self._endpoints = endpoints  # of each
        self._chance = random.Random(seed)
        self._size = services
        self._served = [number for number in range(services) if objects.is_served(number)]
        self._next = 0

    def lists(self) -> dict[str, bytes]:
        return {
            "services": objects.listed("services", [objects.service(n, 1, s) for n, s in self.shift.items()], self.version),
            "endpointslices": objects.listed(
                "endpointslices", [objects.endpoint_slice(n, 1, g) for n, g in self.generations.items()], self.version
            ),
            "nodes": objects.listed("nodes", [objects.node(1)], self.version),
        }

    def streams(self) -> dict[str, list[bytes]]:
        """The same as streaming lists."""
        items = {
            "services": [objects.service(n, 1, s) for n, s in self.shift.items()],
            "endpointslices": [objects.endpoint_slice(n, 1, g) for n, g in self.generations.items()],
            "nodes": [objects.node(1)],
        }
        return {
            plural: [*(objects.event("ADDED", plural, item) for item in of_kind), objects.last_bookmark(plural, self.version)]
            for plural, of_kind in items.items()
        }

    def replace_pod(self) -> bytes:
        """The event of a slice of a Service that is served, each in turn: one pod has gone, another come."""
        number = self._served[self._next % len(self._served)]
        self._next += 1
        return self._change_slice(number, self._next % self._endpoints, 1)

    def churn(self) -> tuple[str, bytes]:
        """A change at random: plural, event. Mostly endpoints, sometimes a Service's ports, its end or its return."""
        number = self._chance.randrange(self._size)
        dice = self._chance.random()
        if dice < 0.8 and number in self.generations:
            return "endpointslices", self._change_slice(number, self._chance.randrange(self._endpoints), self._chance.randint(1, 7))
        if dice < 0.9:
            return "endpointslices", self._toggle_slice(number)
        return "services", self._change_service(number, may_delete=dice < 0.95)

    def _change_slice(self, number: int, index: int, by: int) -> bytes:
        self.version += 1
        self.generations[number][index] += by
        item = objects.endpoint_slice(number, self.version, self.generations[number])
        return objects.event("MODIFIED", "endpointslices", item)

    def _toggle_slice(self, number: int) -> bytes:
        self.version += 1
        if number in self.generations:
            gone = self.generations.pop(number)
            return objects.event("DELETED", "endpointslices", objects.endpoint_slice(number, self.version, gone))
        self.generations[number] = [self._chance.randrange(1000) for _ in range(self._endpoints)]
        return objects.event("ADDED", "endpointslices", objects.endpoint_slice(number, self.version, self.generations[number]))

    def _change_service(self, number: int, *, may_delete: bool) -> bytes:
        self.version += 1
        what = "MODIFIED" if number in self.shift else "ADDED"
        if number in self.shift and may_delete:
            return objects.event("DELETED", "services", objects.service(number, self.version, self.shift.pop(number)))
        self.shift[number] = 1 - self.shift.get(number, 0)
        return objects.event(what, "services", objects.service(number, self.version, self.shift[number]))
