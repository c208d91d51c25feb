# SPDX-License-Identifier: Apache-2.0
"""Empties a namespace's connection tracking. Its hash table is the machine's, shared by all namespaces: what one
contestant leaves there would lengthen the chains of the next."""

import os
import socket
import struct

from shuntlab.namespace import Namespace

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 1, 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_NETFILTER = struct.Struct("=BBH")  # struct nfgenmsg


def flush(space: Namespace) -> None:
    kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
    size = _HEADER.size + _NETFILTER.size
    with space.inside():
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with netlink:
        netlink.bind((0, 0))
        netlink.send(
            _HEADER.pack(size, kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + _NETFILTER.pack(socket.AF_UNSPEC, 0, 0)
        )
        answer = netlink.recv(4096)
    (_, kind, _, _, _), code = _HEADER.unpack_from(answer), struct.unpack_from("=i", answer, _HEADER.size)[0]
    if kind != NLMSG_ERROR or code != 0:
        raise OSError(-code, f"flush connection tracking of {space.full_name}: {os.strerror(-code)}")
