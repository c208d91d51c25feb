# SPDX-License-Identifier: Apache-2.0
"""Runs one command as root in a virtual machine with Debian 12's kernel 6.1.

The machine sees the files of this one; what it writes is gone with it. Needs no KVM and no network.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kernel

EMULATOR = "qemu-system-x86_64"
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
BUSYBOX = "/bin/busybox"  # of busybox-static: it is alone in the initramfs
ROOT = Path(__file__).resolve().parents[2]
NO_STATUS = 125  # as init says when the machine did not get as far as the command

# In the order in which they depend on each other; the rest is loaded by name when somebody needs it.
EARLY_MODULES = (
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "fs/fuse/fuse.ko",
    "fs/fuse/virtiofs.ko",
    "fs/overlayfs/overlay.ko",
)


def below_tmp(*paths: Path) -> list[Path]:
    """Those that the machine's own /tmp would hide."""
    return [path for path in dict.fromkeys(paths) if path.is_relative_to("/tmp")]


def make_initramfs(target: Path, folder: Path, guest: kernel.Kernel, script: str, paths: list[Path]) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "modules").mkdir()
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    for name in ("init", "inside"):
        shutil.copy(Path(__file__).with_name(name), folder)
    (folder / "init").chmod(0o755)
    for module in EARLY_MODULES:
        shutil.copy(guest.modules / "kernel" / module, folder / "modules")
    (folder / "modules.list").write_text("".join(f"{Path(module).name}\n" for module in EARLY_MODULES))
    (folder / "paths").write_text("".join(f"{path}\n" for path in paths))
    (folder / "modules-version").write_text(guest.version + "\n")
    (folder / "modules-path").write_text(f"{guest.modules}\n")
    (folder / "command").write_text(script)
    names = subprocess.run(["find", "."], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    with target.open("wb") as archive:
        subprocess.run(
            [BUSYBOX, "cpio", "-o", "-H", "newc"],
            cwd=folder, input=names, stdout=archive, stderr=subprocess.DEVNULL, check=True,
        )


def machine(guest: kernel.Kernel, folder: Path, memory: str) -> list[str]:
    return [
        EMULATOR, "-machine", "q35,memory-backend=memory",
        # Without KVM it runs anywhere, and QEMU 7.2 crashes newer guests at random with cx16.
        "-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-smp", "2",
        "-object", f"memory-backend-memfd,id=memory,size={memory},share=on", "-m", memory,
        "-display", "none", "-no-reboot", "-nodefaults",
        "-chardev", f"socket,id=host,path={folder / 'host.socket'}",
        "-device", "vhost-user-fs-pci,chardev=host,tag=host",
        "-serial", f"file:{folder / 'console'}", "-serial", "stdio", "-serial", f"file:{folder / 'status'}",
        "-kernel", str(guest.image), "-initrd", str(folder / "initramfs"),
        "-append", "console=ttyS0 panic=-1 mitigations=off net.ifnames=0",
    ]


def boot(guest: kernel.Kernel, folder: Path, memory: str, seconds: float) -> int:
    """The command's exit status, or NO_STATUS."""
    begin = time.monotonic()
    files = subprocess.Popen(
        [VIRTIOFSD, f"--socket-path={folder / 'host.socket'}", "-o", "source=/,cache=always,sandbox=chroot"],
        stdout=subprocess.DEVNULL, stderr=(folder / "files").open("w"),
    )
    try:
        while not (folder / "host.socket").exists():
            if files.poll() is not None or time.monotonic() - begin > 10:
                print(f"guest: virtiofsd does not start: {(folder / 'files').read_text()}", file=sys.stderr)
                return NO_STATUS
            time.sleep(0.02)
        emulator = subprocess.Popen(machine(guest, folder, memory), stdin=subprocess.DEVNULL)
        try:
            emulator.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"guest: not done within {seconds:.0f} s (--seconds): stopped", file=sys.stderr)
        finally:
            emulator.kill()
            emulator.wait()
    finally:
        files.kill()
        files.wait()
    status = (folder / "status").read_text().strip() if (folder / "status").exists() else ""
    if status.isdigit():
        return int(status)
    print((folder / "console").read_text(errors="replace")[-4000:], file=sys.stderr)
    print("guest: the machine ended without a result; above, the end of its console", file=sys.stderr)
    return NO_STATUS


def complain_of_what_is_missing() -> None:
    if os.geteuid() != 0:
        sys.exit("test/guest/run: run it as root: the machine's root sees all files of this one")
    for tool in (EMULATOR, VIRTIOFSD, BUSYBOX, "depmod"):
        if shutil.which(tool) is None:
            sys.exit(f"test/guest/run: no {tool} here: test/install brings it")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="test/guest/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300, help="time limit, the machine's start included (300)")
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--cache", type=Path, default=ROOT / "build/guest", help="for the kernel (build/guest)")
    parser.add_argument("--console", action="store_true", help="show the kernel's messages at the end, too")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="as in: test/guest/run uname -a")
    options = parser.parse_args()
    if not options.command:
        parser.error("which command?")
    complain_of_what_is_missing()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    guest = kernel.fetch(options.cache.resolve())
    with tempfile.TemporaryDirectory(prefix="shunt-guest-") as name:
        folder = Path(name)
        script = f"cd {shlex.quote(os.getcwd())} || exit 125\nexec {shlex.join(options.command)}\n"
        paths = below_tmp(ROOT, guest.modules, Path.cwd())
        make_initramfs(folder / "initramfs", folder / "initramfs.d", guest, script, paths)
        status = boot(guest, folder, options.memory, options.seconds)
        if options.console:
            print((folder / "console").read_text(errors="replace"), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
