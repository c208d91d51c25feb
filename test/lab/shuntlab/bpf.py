# SPDX-License-Identifier: Apache-2.0
"""bpf(2), for what Debian 12's tools cannot say."""

import ctypes
import os
import platform

BPF_PROG_QUERY = 16

_NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_SIZE = 128  # of union bpf_attr as far as it is filled; the kernel wants the rest to be 0

_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    """What the kernel returns; OSError if that is an error."""
    buffer = ctypes.create_string_buffer(attributes, _SIZE)
    result = _libc.syscall(_NR_BPF, command, buffer, _SIZE)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf command {command}: {os.strerror(code)}")
    return result

