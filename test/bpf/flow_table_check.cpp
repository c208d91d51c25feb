// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/flow_table_check.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sys/mman.h>

#include <array>
#include <cstring>
#include <map>
#include <ostream>
#include <set>
#include <span>
#include <tuple>

#include "agent/support/mapping.h"

namespace shunt::test {
namespace {

constexpr std::uint32_t SLOTS = 128, GROUP = 4, STRIPES = 128;
constexpr std::size_t MAX_WORDS = 8;

template <typename Flow>
constexpr int VERSION = sizeof(Flow) == sizeof(flow4) ? 4 : 6;

template <typename Flow>
using KeyOf = decltype(Flow::key);

template <typename Key>
std::span<const std::uint32_t> words(const Key& address) {
    return {reinterpret_cast<const std::uint32_t*>(&address), sizeof(address) / sizeof(std::uint32_t)};
}

// ---- Places

struct Place {
    std::uint32_t place, first, second;
};

std::uint64_t product(std::uint32_t a, std::uint32_t b) { return std::uint64_t{a} * b; }

std::uint64_t end(const flow_control& control, unsigned seed, std::span<const std::uint32_t> address, std::uint32_t port) {
    const auto seeds = std::span(control.seeds).subspan(seed);
    if (address.size() == 1) {
        return product(address[0] + seeds[0], port + seeds[1]);
    }
    return product(address[0] + seeds[0], address[1] + seeds[1]) + product(address[2] + seeds[2], address[3] + seeds[3]) +
           product(port + seeds[4], static_cast<std::uint32_t>(control.multiplier >> 32));
}

std::uint64_t mix(const flow_control& control, std::uint64_t sum) { return (sum ^ (sum >> 32)) * control.multiplier; }

template <typename Key>
Place place_of(const flow_control& control, const Key& key) {
    const std::uint32_t protocol = std::uint32_t{key.protocol} << 16;
    const bool by_destination = key.hook == FLOW_EGRESS;
    const std::uint64_t near = by_destination ? end(control, 0, words(key.daddr), key.dport)
                                              : end(control, 0, words(key.saddr), key.sport);
    const std::uint64_t far = by_destination ? end(control, 5, words(key.saddr), key.sport | protocol)
                                             : end(control, 5, words(key.daddr), key.dport | protocol);
    const std::uint64_t groups = mix(control, near + far);
    Place place{.place = static_cast<std::uint32_t>(mix(control, near) >> 40),
                .first = static_cast<std::uint32_t>(groups >> 34) & 31,
                .second = static_cast<std::uint32_t>(groups >> 28) & 31};
    if (key.hook == FLOW_INGRESS_SNAT) {
        const std::uint32_t port = ntohs(key.dport);
        place.place = ((place.place + (port >> 7)) << 7 | (port & 127)) & 0xffffff;
    }
    if (place.first == place.second) {
        place.second ^= 1;
    }
    return place;
}

// ---- One entry

template <typename Flow>
std::uint32_t difference(const Flow& flow, bool ports) {
    std::uint64_t sum = 0;
    const auto change = [&sum](std::span<const std::uint32_t> from, std::span<const std::uint32_t> to) {
        for (std::size_t i = 0; i < from.size(); i++) {
            sum += (~from[i] & 0xffff) + (~from[i] >> 16) + (to[i] & 0xffff) + (to[i] >> 16);
        }
    };
    change(words(flow.key.saddr), words(flow.saddr));
    change(words(flow.key.daddr), words(flow.daddr));
    if (ports) {
        sum += (~std::uint32_t{flow.key.sport} & 0xffff) + flow.recipe.sport;
        sum += (~std::uint32_t{flow.key.dport} & 0xffff) + flow.recipe.dport;
    } else if (VERSION<Flow> == 4 && flow.key.hook != FLOW_EGRESS && !(flow.recipe.next_hop & NEXT_HOP_STACK)) {
        sum += ~std::uint32_t{htons(0x0100)} & 0xffff;  // one hop less
    }
    return static_cast<std::uint32_t>(sum % 0xffff);
}

template <typename Flow>
std::string fault(const Flow& flow) {
    if (flow.key.protocol != TCP && flow.key.protocol != UDP) {
        return "protocol " + std::to_string(flow.key.protocol);
    }
    if (flow.key.hook > FLOW_INGRESS_SNAT || flow.key.pad != 0) {
        return "no such key";
    }
    if (flow.recipe.state < FLOW_HALF_OPEN || flow.recipe.state > FLOW_CLOSING) {
        return "state " + std::to_string(flow.recipe.state);
    }
    if (flow.recipe.l4_delta % 0xffff != difference(flow, true)) {
        return "the L4 checksum's difference is another tuple's";
    }
    // Nobody adds the addresses' difference to an IPv6 header.
    if (flow.recipe.address_delta % 0xffff != difference(flow, false)) {
        return "the addresses' difference is another tuple's";
    }
    return {};
}

// ---- The table

template <typename Key>
std::array<std::uint8_t, sizeof(Key)> bytes(const Key& key) {
    std::array<std::uint8_t, sizeof(Key)> out;
    std::memcpy(out.data(), &key, sizeof(key));
    return out;
}

template <typename Key>
std::string text(const Key& key) {
    const auto address = [](const auto& value) {
        return packet::Address(sizeof(value) == 4 ? 4 : 6,
                               {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)}).to_string();
    };
    return address(key.saddr) + " " + std::to_string(ntohs(key.sport)) + " > " + address(key.daddr) + " " +
           std::to_string(ntohs(key.dport)) + " hook " + std::to_string(key.hook);
}

template <typename Flow>
KeyOf<Flow> inverse(const Flow& flow) {
    KeyOf<Flow> key{};
    std::memcpy(&key.saddr, &flow.daddr, sizeof(key.saddr));
    std::memcpy(&key.daddr, &flow.saddr, sizeof(key.daddr));
    key.sport = flow.recipe.dport;
    key.dport = flow.recipe.sport;
    key.protocol = flow.key.protocol;
    key.hook = flow.key.hook != FLOW_INGRESS                  ? FLOW_INGRESS
               : flow.recipe.next_hop & NEXT_HOP_STACK ? FLOW_EGRESS
                                                       : FLOW_INGRESS_SNAT;
    return key;
}

template <typename Flow, typename Block>
class Check {
public:
    Check(const flow_control& control, std::span<const Block> blocks) : control_(control), blocks_(blocks) {}

    FlowTableReport run(const std::array<std::uint32_t, STRIPES>& stripes) {
        for (std::uint32_t i = 0; i < blocks_.size(); i++) {
            check_block(i);
        }
        for (const auto& [key, entry] : entries_) {
            check_partner(*entry);
        }
        for (std::uint32_t i = 0; i < STRIPES; i++) {
            if (stripes[i] != in_stripe_[i]) {
                note("stripe " + std::to_string(i) + " counts " + std::to_string(stripes[i]) + " entries and has " +
                     std::to_string(in_stripe_[i]));
            }
        }
        return report_;
    }

private:
    void note(const std::string& words) {
        if (report_.faults++ < MAX_WORDS) {
            report_.words.push_back(words);
        }
    }

    void check_block(std::uint32_t index) {
        const Block& block = blocks_[index];
        std::array<unsigned, SLOTS / GROUP> away{};
        for (std::uint32_t slot = 0; slot < SLOTS; slot++) {
            const Flow& flow = block.slots[slot];
            if (flow.recipe.seq % 2 != 0) {
                note("odd seq in block " + std::to_string(index) + " slot " + std::to_string(slot));
            }
            if (flow.key.protocol != 0) {
                check_entry(index, slot, flow, away);
            }
        }
        for (std::uint32_t group = 0; group < away.size(); group++) {
            const unsigned said = block.slots[group * GROUP].recipe.away;
            if (said != away[group]) {
                note("block " + std::to_string(index) + " group " + std::to_string(group) + " says that " +
                     std::to_string(said) + " are away: " + std::to_string(away[group]));
            }
        }
    }

    void check_entry(std::uint32_t index, std::uint32_t slot, const Flow& flow, std::span<unsigned> away) {
        const Place place = place_of(control_, flow.key);
        const auto now = static_cast<std::uint32_t>(control_.shape);
        const auto before = static_cast<std::uint32_t>(control_.shape >> 32);
        report_.entries++;
        in_stripe_[place.place % STRIPES]++;
        if (!entries_.emplace(bytes(flow.key), &flow).second) {
            note("twice: " + text(flow.key));
        }
        if (index != (place.place & now) && index != (place.place & before)) {
            note("in block " + std::to_string(index) + ", not " + std::to_string(place.place & now) + ": " + text(flow.key));
        }
        if (slot / GROUP == place.second) {
            away[place.first]++;
        } else if (slot / GROUP != place.first) {
            note("in another's group: " + text(flow.key));
        }
        if (const std::string words = fault(flow); !words.empty()) {
            note(words + ": " + text(flow.key));
        }
        if (flow.key.hook == FLOW_INGRESS && !(flow.recipe.next_hop & NEXT_HOP_STACK) &&
            !snat_tuples_.emplace(bytes(inverse(flow))).second) {
            note("another flow has the SNAT tuple of " + text(flow.key));
        }
    }

    void check_partner(const Flow& flow) {
        const KeyOf<Flow> key = inverse(flow);
        const auto found = entries_.find(bytes(key));
        if (found == entries_.end()) {
            note("alone: " + text(flow.key) + ", without " + text(key));
            return;
        }
        const Flow& partner = *found->second;
        if (bytes(inverse(partner)) != bytes(flow.key)) {
            note("its partner is another's: " + text(flow.key));
        }
        if (partner.recipe.state != flow.recipe.state) {
            note("states " + std::to_string(flow.recipe.state) + " and " + std::to_string(partner.recipe.state) + ": " +
                 text(flow.key));
        }
        if ((place_of(control_, key).place ^ place_of(control_, flow.key).place) % STRIPES != 0) {
            note("its partner is in another stripe: " + text(flow.key));
        }
    }

    const flow_control& control_;
    std::span<const Block> blocks_;
    std::map<std::array<std::uint8_t, sizeof(KeyOf<Flow>)>, const Flow*> entries_;
    std::set<std::array<std::uint8_t, sizeof(KeyOf<Flow>)>> snat_tuples_;
    std::array<std::uint32_t, STRIPES> in_stripe_{};
    FlowTableReport report_;
};

FlowTableReport nothing_to_see(const std::string& why) { return {.faults = 1, .words = {why}}; }

template <typename Flow, typename Block>
FlowTableReport check(const Datapath& datapath, const char* name) {
    const bool is_ipv6 = VERSION<Flow> == 6;
    const flow_control control = datapath.table(VERSION<Flow>);
    const std::size_t blocks = control.max_mask + std::size_t{1};
    const auto mapping = Mapping::open(datapath.map_fd(name), blocks * sizeof(Block), PROT_READ, name);
    if (!mapping) {
        return nothing_to_see(mapping.error().message());
    }
    std::array<std::uint32_t, STRIPES> stripes{};
    for (std::uint32_t i = 0; i < STRIPES; i++) {
        const std::uint32_t key = i + (is_ipv6 ? STRIPES : 0);
        std::array<std::uint32_t, 16> stripe{};  // the lock, `entries`
        if (bpf_map_lookup_elem(datapath.map_fd("flow_stripes"), &key, stripe.data()) != 0) {
            return nothing_to_see("flow_stripes cannot be read");
        }
        stripes[i] = stripe[1];
    }
    return Check<Flow, Block>(control, {static_cast<const Block*>(mapping->data()), blocks}).run(stripes);
}

}  // namespace

FlowTableReport check_flow_table(const Datapath& datapath, int version) {
    return version == 4 ? check<flow4, flow4_block>(datapath, "flows4") : check<flow6, flow6_block>(datapath, "flows6");
}

std::string fault_of_entry(const flow4& entry) { return fault(entry); }
std::string fault_of_entry(const flow6& entry) { return fault(entry); }

std::uint32_t stripe_of(const flow_control& control, const flow4_key& key) { return place_of(control, key).place % STRIPES; }
std::uint32_t stripe_of(const flow_control& control, const flow6_key& key) { return place_of(control, key).place % STRIPES; }

std::ostream& operator<<(std::ostream& out, const FlowTableReport& report) {
    out << report.entries << " entries, " << report.faults << " faults";
    for (const std::string& words : report.words) {
        out << "\n  " << words;
    }
    return out;
}

}  // namespace shunt::test
