# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test: an authority of its own, a server at 127.0.0.1, a client."""

import ssl
import subprocess
from pathlib import Path

_EXTENSIONS = "subjectAltName=DNS:kubernetes.default.svc,{address}\nextendedKeyUsage=serverAuth,clientAuth\n"


def make(folder: Path, address: str = "127.0.0.1") -> None:
    """ca.crt, server.crt, server.key, client.crt, client.key in `folder`."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca")
    (folder / "extensions").write_text(_EXTENSIONS.format(address=f"IP:{address}"))
    for name in ("server", "client"):
        _openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN=test-{name}")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)


def server_context(folder: Path, *, ask_client: bool) -> ssl.SSLContext:
    """`ask_client`: only clients with a certificate of the authority are let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    if ask_client:
        context.load_verify_locations(folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _openssl(folder: Path, *arguments: str) -> None:
    result = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"openssl {' '.join(arguments)}: {result.stderr}")
