# SPDX-License-Identifier: Apache-2.0
"""A proxy that knows CONNECT and no more. Usage: python3 -m api_server.proxy LOG; prints its port, serves until standard
input ends. Each target that it is asked for is a line of LOG."""

import socket
import socketserver
import sys
import threading


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        if method != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return
        with open(sys.argv[1], "a") as log:
            log.write(target + "\n")
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 connected\r\n\r\n")
            threading.Thread(target=_copy, args=(server, self.connection), daemon=True).start()
            _copy(self.connection, server)


def _copy(source: socket.socket, to: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of the ends has gone


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def main() -> None:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
