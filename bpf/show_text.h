// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Addresses as text: "192.0.2.1:80", "[2001:db8::1]:80" (RFC 5952). bpf_seq_printf() knows IPv6 only with all its
// zeros, and pads no combination of address and port.
//
// The functions are global: then the verifier looks at each once, and not along every path that leads to it.
#pragma once

#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IPV6_GROUPS 8

// "[", 39 characters, "]:65535" and a NUL fit.
struct text {
    char bytes[60];
    __u32 length;
};

struct ipv6_address {
    __be32 words[4];
};

static __always_inline void text_put(struct text *text, char character)
{
    __u32 at = text->length;

    if (at < sizeof(text->bytes) - 1) {
        text->bytes[at] = character;
        text->length = at + 1;
    }
}

// 16 bits without leading zeros.
__noinline int text_put_decimal(struct text *text, __u16 value)
{
    int started = 0;

    if (!text)
        return 0;
    for (__u32 divisor = 10000; divisor > 1; divisor /= 10) {
        __u32 digit = value / divisor % 10;

        started |= digit != 0;
        if (started)
            text_put(text, '0' + digit);
    }
    text_put(text, '0' + value % 10);
    return 0;
}

__noinline int text_put_hex(struct text *text, __u16 value)
{
    int started = 0;

    if (!text)
        return 0;
    for (int shift = 12; shift >= 0; shift -= 4) {
        __u32 digit = (value >> shift) & 15;

        started |= digit != 0 || shift == 0;
        if (started)
            text_put(text, digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    return 0;
}

__noinline int text_put_ipv4(struct text *text, __be32 address)
{
    __u32 host = bpf_ntohl(address);

    if (!text)
        return 0;
    text_put_decimal(text, host >> 24);
    text_put(text, '.');
    text_put_decimal(text, (host >> 16) & 255);
    text_put(text, '.');
    text_put_decimal(text, (host >> 8) & 255);
    text_put(text, '.');
    text_put_decimal(text, host & 255);
    return 0;
}

static __always_inline __u32 ipv6_group(const struct ipv6_address *address, __u32 group)
{
    return (bpf_ntohl(address->words[group / 2 & 3]) >> (group % 2 ? 0 : 16)) & 0xffff;
}

__noinline int text_put_ipv6(struct text *text, const struct ipv6_address *address)
{
    __u32 best = IPV6_GROUPS, best_length = 1, run = 0;

    if (!text || !address)
        return 0;
    // The first of the longest runs of at least two zero groups.
    for (__u32 group = 0; group < IPV6_GROUPS; group++) {
        run = ipv6_group(address, group) ? 0 : run + 1;
        if (run > best_length) {
            best_length = run;
            best = group + 1 - run;
        }
    }
    for (__u32 group = 0; group < IPV6_GROUPS; group++) {
        if (group >= best && group < best + best_length) {
            if (group == best)
                text_put(text, ':');
            if (group == IPV6_GROUPS - 1)
                text_put(text, ':');
            continue;
        }
        if (group)
            text_put(text, ':');
        text_put_hex(text, ipv6_group(address, group));
    }
    return 0;
}

static __always_inline void text_endpoint4(struct text *text, __be32 address, __u16 port)
{
    text_put_ipv4(text, address);
    text_put(text, ':');
    text_put_decimal(text, port);
}

static __always_inline void text_endpoint6(struct text *text, const __be32 *address, __u16 port)
{
    struct ipv6_address copy = {{address[0], address[1], address[2], address[3]}};

    text_put(text, '[');
    text_put_ipv6(text, &copy);
    text_put(text, ']');
    text_put(text, ':');
    text_put_decimal(text, port);
}

// `octets` as in the slow-path maps: 16 of them, IPv4 in the first four.
static __always_inline void text_endpoint(struct text *text, int is_ipv4, const __u8 *octets, __u16 port)
{
    const __be32 *words = (const __be32 *)octets;

    if (is_ipv4)
        text_endpoint4(text, words[0], port);
    else
        text_endpoint6(text, words, port);
}
