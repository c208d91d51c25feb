// SPDX-License-Identifier: Apache-2.0
// The programs of bpf/forward.bpf.c and their maps, loaded and pinned. Maps that are pinned already are taken
// over with what is in them; programs are always loaded anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "agent/datapath/flow_table.h"
#include "agent/datapath/flow_upkeep.h"
#include "agent/datapath/pin_directory.h"
#include "agent/support/mapping.h"
#include "agent/support/result.h"

struct bpf_object;
struct forward_bpf;
struct control;

namespace shunt {

struct ProgramOptions {
    std::uint16_t snat_port_min = 10240;
    std::uint16_t snat_port_max = 26623;  // inclusive
    std::uint32_t max_flows = 65536;      // per family; only for maps that are made now
};

struct CloseObject {
    void operator()(bpf_object* object) const;
};
using BpfObject = std::unique_ptr<bpf_object, CloseObject>;

class Programs {
public:
    // Errors name the map whose lay-out does not fit, or carry the verifier's last words.
    static Result<Programs> load(const PinDirectory& pins, const ProgramOptions& options);
    Programs(Programs&&) noexcept;
    Programs& operator=(Programs&&) noexcept;
    ~Programs();

    int xdp_ingress() const;
    int tc_ingress() const;
    int tc_ingress_after_xdp() const;
    int tc_egress() const;

    // The program of this name once more, not loaded, with the same settings and these maps: what libxdp wants. As an
    // extension it shares no table of programs with others (the kernel compares how they were loaded), so `xdp_slow_path` is
    // another one, pinned at `slow_path_pin`.
    Result<BpfObject> open_again(const char* name, const std::string& slow_path_pin) const;

    int map(const char* name) const;      // descriptor, owned by this object; -1 if there is no such map
    control* control_page() const;        // the mapped `control`
    std::uint32_t* slots() const;         // the mapped `slots`
    std::uint32_t slots_size() const;     // slots, not values of the map
    FlowMaps flow_maps() const;
    const FlowUpkeep& upkeep() const { return *upkeep_; }

private:
    explicit Programs(forward_bpf* skeleton) : skeleton_(skeleton) {}
    Status map_memory();
    forward_bpf* skeleton_ = nullptr;
    Mapping control_, slots_;
    std::optional<FlowUpkeep> upkeep_;
};

}  // namespace shunt
