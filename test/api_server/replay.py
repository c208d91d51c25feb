# SPDX-License-Identifier: Apache-2.0
"""Plays a script of recorded answers over TLS. Usage: python3 -m api_server.replay FOLDER SCRIPT RECORDINGS

Writes certificates and requests.jsonl to FOLDER, prints its port, and serves until standard input ends. SCRIPT is JSON:

    {"services": {"list": [STEP, …], "watch": [STEP, …]}, …, "ask_client": BOOL, "token_file": PATH}

Each list or watch of that kind takes the next step; the last one stays. "stream" beside "list" and "watch" is for lists
as streams; without it they are answered by 422, and are not counted. With `token_file`, requests whose token is not
what is in that file are answered by the recorded 401 and take no step. Steps:

    {"answer": NAME}                 the recording NAME: status, headers and body
      "pieces": SEED                 … in pieces of random size
      "cut": BYTES                   … cut after so many bytes
      "hold": true                   … and then left open
    {"events": NAME, "lines": N}     a watch of the first N events of NAME, from the resourceVersion that is asked for
                                     on; held open at its end
      "cuts": CHANCE, "seed": SEED   … in pieces of random size, each the last of its connection with this chance
    {"close": true}                  no answer at all
"""

import json
import random
import sys
import threading
import time
from pathlib import Path

from .core import Answer, Server

_KEPT_HEADERS = ("Content-Type", "Retry-After")


class Recording:
    def __init__(self, base: Path):
        lines = Path(f"{base}.headers").read_text().splitlines()
        self.status = int(lines[0].split()[1])
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.headers = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        self.body = next(p for s in ("json", "txt", "watch.jsonl") if (p := Path(f"{base}.{s}")).exists()).read_bytes()


class Replay:
    def __init__(self, script: dict, recordings: Path):
        self.script = script
        self.recordings = recordings
        self._lock = threading.Lock()
        self._taken: dict[tuple[str, str], int] = {}

    def __call__(self, plural: str, query: dict, token: str, answer: Answer) -> None:
        if "token_file" in self.script and token != Path(self.script["token_file"]).read_text().strip():
            return self.play({"answer": "errors/401-bad-token-list"}, answer)
        what = "stream" if "sendInitialEvents" in query else "watch" if query.get("watch") else "list"
        if what == "stream" and what not in self.script[plural]:
            answer.head(422, {"Content-Type": "text/plain"})
            return answer.end()
        step = self._next(plural, what)
        if "events" in step:
            self.play_events(step, query["resourceVersion"], plural, answer)
        else:
            self.play(step, answer)

    def _next(self, plural: str, what: str) -> dict:
        steps = self.script[plural][what]
        with self._lock:
            number = self._taken.get((plural, what), 0)
            self._taken[plural, what] = number + 1
        return {**steps[min(number, len(steps) - 1)], "number": number}

    def play(self, step: dict, answer: Answer) -> None:
        if "close" in step:
            raise ConnectionError
        recording = Recording(self.recordings / step["answer"])
        answer.head(recording.status, recording.headers)
        if "cut" in step:
            return answer.cut(recording.body[: step["cut"]], reset=False)
        if "pieces" in step:
            for piece in _pieces(recording.body, random.Random(step["pieces"])):
                answer.piece(piece)
        else:
            answer.piece(recording.body)
        if step.get("hold"):
            time.sleep(3600)
        answer.end()

    def play_events(self, step: dict, version: str, plural: str, answer: Answer) -> None:
        recording = Recording(self.recordings / step["events"])
        lines = recording.body.splitlines(keepends=True)[: step["lines"]]
        versions = [json.loads(line)["object"]["metadata"]["resourceVersion"] for line in lines]
        if version in versions:
            lines = lines[len(versions) - versions[::-1].index(version) :]
        chance = random.Random(f"{step.get('seed')} {plural} {step['number']}")
        answer.head(recording.status, recording.headers)
        for piece in _pieces(b"".join(lines), chance):
            if chance.random() < step.get("cuts", 0):
                return answer.cut(piece[: chance.randint(0, len(piece))], reset=chance.random() < 0.5)
            answer.piece(piece)
        time.sleep(3600)


def _pieces(payload: bytes, chance: random.Random):
    while payload:
        size = chance.choice((1, 7, 100, 1000, 5000, 20000))
        yield payload[:size]
        payload = payload[size:]


def main() -> None:
    folder, script, recordings = (Path(argument) for argument in sys.argv[1:])
    script = json.loads(script.read_text())
    server = Server(folder, Replay(script, recordings), ask_client=script.get("ask_client", False))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
