// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `devices`: the external devices, by ifindex. Written by the agent, read by the slow path (source
// addresses, can XDP send there?) and by `shunt status`. A miss: the device has no hooks of ours.
#pragma once

#include "types.h"

enum xdp_attachment {
    XDP_OFF = 0,
    XDP_NATIVE = 1,
    XDP_CHAIN = 2,   // native, behind libxdp's dispatcher
};

enum tc_attachment {
    TC_OFF = 0,
    TC_TCX = 1,
    TC_CLSACT = 2,
};

// How XDP can send by the device. Bits.
enum device_transmit {
    TRANSMIT_BY_TC = 0,            // not at all: XDP hands over to tc
    TRANSMIT_BY_XDP_TX = 2,        // back out of it, but not from another device (no ndo_xdp_xmit)
    TRANSMIT_BY_XDP_REDIRECT = 4,  // from any device, itself included, by redirect; XDP_TX does not do. A veth wakes
                                   // its peer after XDP_TX only if that has an XDP program (veth_xdp_flush), and
                                   // after a redirect also if it polls for GRO's sake
    TRANSMIT_BY_XDP = 6,           // both
};

#define DEVICE_NAME_SIZE 16
#define DEVICE_NOTE_SIZE 128

struct device {
    char name[DEVICE_NAME_SIZE];
    __u8 ipv4[4];            // source address of SNAT when the route names none; all 0: none
    __u8 ipv6[ADDRESS_SIZE]; // likewise
    __u32 mtu;               // bytes, without the link-layer header
    enum xdp_attachment xdp;
    enum tc_attachment tc;
    enum device_transmit transmit;
    char note[DEVICE_NOTE_SIZE];  // why XDP is off or shared, in words; empty if there is nothing to say
};
SHUNT_ASSERT_SIZE(struct device, 180);
