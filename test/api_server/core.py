# SPDX-License-Identifier: Apache-2.0
"""A small HTTPS server that knows lists and watches: what replay.py and live.py have in common."""

import json
import socket
import socketserver
import struct
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from . import tls

PLURALS = ("services", "endpointslices", "nodes")


class Answer:
    """One answer on its way: a head, then pieces, each a chunk, then an end, a regular one or not."""

    def __init__(self, handler: BaseHTTPRequestHandler):
        self._handler = handler

    def head(self, status: int, headers: dict[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def piece(self, payload: bytes) -> None:
        if payload:
            self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))

    def end(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")

    def cut(self, payload: bytes, *, reset: bool) -> None:
        """The connection breaks inside a chunk, after `payload`; `reset`: by RST, else by FIN without a word of TLS."""
        connection = self._handler.connection
        self._handler.wfile.write(b"%x\r\n%s" % (len(payload) + 100, payload))
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.close_connection = True
        connection.close()


class Server(socketserver.ThreadingTCPServer):
    """`answer(plural, query, token, answer)` answers one request, in a thread of its own. Each request is a line of
    `log`: plural, query, token."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, folder: Path, answer, *, address: str = "127.0.0.1", port: int = 0, ask_client: bool = False):
        tls.make(folder, address)
        self.answer = answer
        self.context = tls.server_context(folder, ask_client=ask_client)
        self._log = open(folder / "requests.jsonl", "a")  # noqa: SIM115: lives as long as the server
        self._lock = threading.Lock()
        super().__init__((address, port), _Handler)

    def log(self, **what) -> None:
        with self._lock:
            self._log.write(json.dumps(what) + "\n")
            self._log.flush()

    def handle_error(self, request, client_address) -> None:
        """A client that goes away is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def setup(self) -> None:
        self.request.settimeout(30)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        plural = url.path.rsplit("/", 1)[-1]
        query = dict(urllib.parse.parse_qsl(url.query))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.log(plural=plural, path=url.path, query=query, token=token)
        self.server.answer(plural, query, token, Answer(self))

    def log_message(self, *_) -> None:
        pass
