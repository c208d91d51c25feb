// SPDX-License-Identifier: Apache-2.0
// Collects the operations of one plan by kind, and puts them in the order that is right for packets. The order is
// one for the whole plan, not one for each service: so a frontend can move from service to service in one step,
// and the kernel gets long runs of one kind.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "agent/plan/operation.h"
#include "agent/plan/service_key.h"

namespace shunt {

class OperationList {
public:
    void put_backend(std::uint32_t id, const backend& value) { put_backends_.push_back({id, value}); }
    void write_slots(std::uint32_t offset, std::vector<std::uint32_t> ids) {
        write_slots_.push_back({offset, std::move(ids)});
    }
    // The last value said for an id counts.
    void put_service(std::uint32_t id, const service& value) {
        (value.treatment == SERVED ? left_ : served_).erase(id);
        (value.treatment == SERVED ? served_ : left_)[id] = value;
    }
    void put_frontend(const frontend_key& key, const frontend& value) {
        gone_frontends_.erase(key);
        put_frontends_[key] = value;
    }
    // Deleted at the end, unless it is put after all.
    void drop_frontend(const frontend_key& key) {
        put_frontends_.erase(key);
        gone_frontends_.insert(key);
    }
    // The FRONTEND_ADDRESS entry of a load-balancer address; `count` of them there are in the end.
    void put_address(const frontend_key& key) { put_addresses_.push_back({key, {.kind = FRONTEND_ADDRESS}}); }
    void drop_address(const frontend_key& key) { gone_addresses_.push_back({key}); }
    void set_vips(std::uint32_t count) { vips_ = count; }

    void put_range(const source_range_key& key, const source_range& value) {
        gone_ranges_.erase(key);
        put_ranges_[key] = value;
    }
    // Deleted at the end, unless it is put after all.
    void drop_range(const source_range_key& key) {
        put_ranges_.erase(key);
        gone_ranges_.insert(key);
    }
    std::size_t dropped_ranges() const { return gone_ranges_.size(); }

    void delete_service(std::uint32_t id) { delete_services_.push_back({id}); }
    void delete_backend(std::uint32_t id) { delete_backends_.push_back({id}); }

    // Frontends that still stand in the map though nobody owns them.
    std::size_t dropped_frontends() const { return gone_frontends_.size(); }
    bool is_dropped(const frontend_key& key) const { return gone_frontends_.contains(key); }

    // A service that is no longer served is written after its frontends went: before, they may be on their way to
    // another service. The whole of a load-balancer address comes after its ports and goes before them: a port of it is
    // never taken for one of the others.
    std::vector<MapOperation> in_order() &&;

private:
    std::vector<PutBackend> put_backends_;
    std::vector<WriteSlots> write_slots_;
    std::map<std::uint32_t, service> served_, left_;
    std::map<frontend_key, frontend, FrontendKeyLess> put_frontends_;
    std::set<frontend_key, FrontendKeyLess> gone_frontends_;
    std::vector<PutFrontend> put_addresses_;
    std::vector<DeleteFrontend> gone_addresses_;
    std::optional<std::uint32_t> vips_;
    std::map<source_range_key, source_range, SourceRangeKeyLess> put_ranges_;
    std::set<source_range_key, SourceRangeKeyLess> gone_ranges_;
    std::vector<DeleteService> delete_services_;
    std::vector<DeleteBackend> delete_backends_;
};

}  // namespace shunt
