# SPDX-License-Identifier: Apache-2.0
"""Debian 12's own kernel, unpacked and never installed: nothing of the machine's boot changes."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "linux-image-cloud-amd64"  # the meta package of 6.1; bookworm's


@dataclass(frozen=True)
class Kernel:
    version: str
    image: Path
    modules: Path  # what stands in /lib/modules/VERSION


def fetch(cache: Path) -> Kernel:
    """From `cache`, or by apt-get into it. A kernel that is there is good enough: it is looked for no newer one."""
    found = _unpacked(cache)
    if found is None:
        _download(cache)
        found = _unpacked(cache)
    if found is None:
        raise RuntimeError(f"{cache} has no kernel after apt-get download {PACKAGE}: remove the folder and try again")
    return found


def _unpacked(cache: Path) -> Kernel | None:
    for done in sorted(cache.glob("*/complete"), reverse=True):
        version = done.parent.name
        return Kernel(version, done.parent / f"boot/vmlinuz-{version}", done.parent / f"lib/modules/{version}")
    return None


def _download(cache: Path) -> None:
    match = _package()
    if match is None:  # a fresh machine, or a container that was cleaned up
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
        match = _package()
    if match is None:
        raise RuntimeError(f"apt knows no {PACKAGE} of Linux 6.1: apt-get update, with Debian 12 in its sources")
    version = match.group(1)
    package = f"linux-image-{version}"
    unpacked = cache / version
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    subprocess.run(
        ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package],
        cwd=cache, check=True, stdout=subprocess.DEVNULL,
    )
    archive = next(cache.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    archive.unlink()
    subprocess.run(["depmod", "-b", unpacked, version], check=True)  # the package leaves it to its hooks
    (unpacked / "complete").touch()


def _package() -> re.Match | None:
    """The package that the meta package stands for, and its version of the kernel."""
    command = ["apt-cache", "show", "--no-all-versions", PACKAGE]
    shown = subprocess.run(command, text=True, capture_output=True, check=False).stdout
    return re.search(r"^Depends: linux-image-(6\.1\.\S+)", shown, re.MULTILINE)
