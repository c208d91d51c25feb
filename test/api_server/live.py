# SPDX-License-Identifier: Apache-2.0
"""Serves a directory of manifests as an API server would, over TLS. Usage: python3 -m api_server.live FOLDER MANIFESTS
ADDRESS PORT

Writes certificates, a token, a kubeconfig and requests.jsonl to FOLDER, prints "ready", and serves until it is ended.
The directory is looked at twenty times a second; each difference is an event. Watches get a bookmark every second.
While FOLDER/expire exists, every watch is answered by 410.
"""

import json
import sys
import threading
import time
from pathlib import Path

import yaml

from .core import PLURALS, Answer, Server

_KINDS = {
    "services": ("v1", "Service"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "nodes": ("v1", "Node"),
}
_JSON = {"Content-Type": "application/json"}
_KEPT_EVENTS = 1000


class Cluster:
    def __init__(self, manifests: Path):
        self.manifests = manifests
        self.version = 1
        self.objects: dict[str, dict[str, dict]] = {plural: {} for plural in PLURALS}
        self.events: list[tuple[int, str, str, dict]] = []  # version, plural, type, object
        self.changed = threading.Condition()

    def follow(self) -> None:
        taken = None
        while True:
            try:
                files = _files(self.manifests)
                found = _read(self.manifests) if files != taken else None
            except (OSError, yaml.YAMLError, json.JSONDecodeError):
                found = None  # a file that is being changed
            if found is not None:
                taken = files
                with self.changed:
                    self._take(found)
            time.sleep(0.05)

    def _take(self, found: dict[str, dict[str, dict]]) -> None:
        for plural, objects in self.objects.items():
            for name in [*objects, *(name for name in found[plural] if name not in objects)]:
                new, old = found[plural].get(name), objects.get(name)
                if old is not None and new is not None and _without_version(old) == _without_version(new):
                    continue
                self.version += 1
                kind = "ADDED" if old is None else "DELETED" if new is None else "MODIFIED"
                item = json.loads(json.dumps(new or old))
                item["metadata"]["resourceVersion"] = str(self.version)
                objects[name] = item
                if new is None:
                    del objects[name]
                self.events.append((self.version, plural, kind, item))
        del self.events[:-_KEPT_EVENTS]
        self.changed.notify_all()


class Live:
    def __init__(self, cluster: Cluster, folder: Path):
        self.cluster = cluster
        self.folder = folder

    def __call__(self, plural: str, query: dict, token: str, answer: Answer) -> None:
        if token != (self.folder / "token").read_text().strip():
            answer.head(401, _JSON)
            answer.piece(_status(401, "Unauthorized"))
            return answer.end()
        if "sendInitialEvents" in query:  # as a server without streaming lists
            answer.head(422, _JSON)
            answer.piece(_status(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"))
            return answer.end()
        only = query.get("fieldSelector", "").partition("metadata.name=")[2]
        answer.head(200, _JSON)
        if query.get("watch"):
            self._watch(plural, only, query, answer)
        else:
            self._list(plural, only, answer)
        answer.end()

    def _list(self, plural: str, only: str, answer: Answer) -> None:
        api_version, kind = _KINDS[plural]
        with self.cluster.changed:
            items = [item for item in self.cluster.objects[plural].values() if only in ("", item["metadata"]["name"])]
            version = str(self.cluster.version)
        # As the API server does: items carry no type of their own.
        items = [{key: item[key] for key in item if key not in ("kind", "apiVersion")} for item in items]
        head = {"kind": kind + "List", "apiVersion": api_version, "metadata": {"resourceVersion": version}}
        answer.piece(json.dumps({**head, "items": items}).encode())

    def _watch(self, plural: str, only: str, query: dict, answer: Answer) -> None:
        version = int(query["resourceVersion"])
        deadline = time.monotonic() + int(query["timeoutSeconds"])
        api_version, kind = _KINDS[plural]
        while time.monotonic() < deadline:
            with self.cluster.changed:
                self.cluster.changed.wait(1)
                events = [event for event in self.cluster.events if event[0] > version]
                version = max(version, self.cluster.version)
            if (self.folder / "expire").exists():
                return answer.piece(_event("ERROR", json.loads(_status(410, f"too old resource version: {version}"))))
            for _, changed, what, item in events:
                if changed == plural and only in ("", item["metadata"]["name"]):
                    answer.piece(_event(what, item))
            bookmark = {"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": str(version)}}
            answer.piece(_event("BOOKMARK", bookmark))


def _event(what: str, item: dict) -> bytes:
    return json.dumps({"type": what, "object": item}).encode() + b"\n"


def _status(code: int, message: str) -> bytes:
    return json.dumps({"kind": "Status", "apiVersion": "v1", "message": message, "code": code}).encode()


def _without_version(item: dict) -> dict:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": ""}}


def _files(manifests: Path) -> dict[str, tuple[int, int, int]]:
    """What changes with a file: parsing YAML twenty times a second would be a load of its own."""
    return {path.name: (s.st_ino, s.st_mtime_ns, s.st_size) for path in manifests.iterdir() for s in (path.stat(),)}


def _read(manifests: Path) -> dict[str, dict[str, dict]]:
    found: dict[str, dict[str, dict]] = {plural: {} for plural in PLURALS}
    for path in sorted(manifests.iterdir()):
        text = path.read_text()
        documents = [json.loads(text)] if path.suffix == ".json" else yaml.safe_load_all(text)
        for document in documents:
            for item in (document or {}).get("items", [document]):
                for plural, (_, kind) in _KINDS.items():
                    if item and item["kind"] == kind:
                        name = f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
                        found[plural].setdefault(name, item)
    return found


def write_kubeconfig(folder: Path, url: str) -> None:
    cluster = {"server": url, "certificate-authority": "ca.crt"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "agent"}}],
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "agent", "user": {"tokenFile": "token"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))


def main() -> None:
    folder, manifests, address, port = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    (folder / "token").write_text("lab-token\n")
    cluster = Cluster(manifests)
    server = Server(folder, Live(cluster, folder), address=address, port=port)
    write_kubeconfig(folder, f"https://{address}:{port}")
    threading.Thread(target=cluster.follow, daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
