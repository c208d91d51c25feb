// SPDX-License-Identifier: Apache-2.0
#include "plan_support.h"

namespace shunt::test {

void FakeMaps::apply(const std::vector<MapOperation>& operations, std::uint64_t now_ns) {
    std::set<frontend_key, FrontendKeyLess> deleted;
    for (const MapOperation& operation : operations) {
        carry_out(operation, now_ns);
        if (const auto* gone = std::get_if<DeleteFrontend>(&operation)) {
            deleted.insert(gone->key);
        }
        if (const auto* put = std::get_if<PutFrontend>(&operation)) {
            EXPECT_FALSE(deleted.contains(put->key)) << "a frontend was away between two services";
        }
        for (const auto& [key, value] : frontends) {
            ASSERT_TRUE(value.kind == FRONTEND_ADDRESS || services.contains(value.service)) << "a frontend of no service";
        }
        check_addresses();
    }
    check_consistent();
}

void FakeMaps::carry_out(const MapOperation& operation, std::uint64_t now_ns) {
    if (const auto* put = std::get_if<PutBackend>(&operation)) {
        EXPECT_NE(put->id, 0U);
        if (!backends.contains(put->id) && backend_left_ns_.contains(put->id)) {
            EXPECT_GE(now_ns, backend_left_ns_[put->id] + SLOT_GRACE_NS) << "backend id used again too early";
        }
        backends[put->id] = put->value;
        EXPECT_LE(backends.size(), limits.backends);
    } else if (const auto* write = std::get_if<WriteSlots>(&operation)) {
        const auto after = slices_.lower_bound(write->offset);
        ASSERT_LE(write->offset + write->backend_ids.size(), slots.size());
        EXPECT_TRUE(after == slices_.end() || write->offset + write->backend_ids.size() <= after->first);
        EXPECT_TRUE(after == slices_.begin() || std::prev(after)->first + std::prev(after)->second <= write->offset);
        for (std::size_t i = 0; i < write->backend_ids.size(); ++i) {
            const std::uint64_t left = slot_left_ns_[write->offset + i];
            ASSERT_TRUE(left == 0 || now_ns >= left + SLOT_GRACE_NS) << "slot used again too early";
            slots[write->offset + i] = write->backend_ids[i];
        }
    } else if (const auto* put_service = std::get_if<PutService>(&operation)) {
        EXPECT_NE(put_service->id, 0U);
        const auto known = services.find(put_service->id);
        for (const auto slice : {&service::slice, &service::local_slice}) {
            if (known != services.end() && known->second.*slice != put_service->value.*slice) {
                leave_slice(known->second.*slice, now_ns);
            }
            if (known == services.end() || known->second.*slice != put_service->value.*slice) {
                enter_slice(put_service->value.*slice);
            }
        }
        check_slice(put_service->id, put_service->value);
        check_ranges(put_service->id, put_service->value);
        services[put_service->id] = put_service->value;
        EXPECT_LE(services.size(), limits.services);
    } else if (const auto* put_frontend = std::get_if<PutFrontend>(&operation)) {
        frontends[put_frontend->key] = put_frontend->value;
        if (put_frontend->value.kind != FRONTEND_ADDRESS) {
            EXPECT_EQ(services.at(put_frontend->value.service).treatment, SERVED);
        }
        EXPECT_LE(frontends.size(), limits.frontends);
    } else if (const auto* gone_frontend = std::get_if<DeleteFrontend>(&operation)) {
        frontends.erase(gone_frontend->key);
    } else if (const auto* gone_service = std::get_if<DeleteService>(&operation)) {
        ASSERT_TRUE(services.contains(gone_service->id));
        leave_slice(services[gone_service->id].slice, now_ns);
        leave_slice(services[gone_service->id].local_slice, now_ns);
        services.erase(gone_service->id);
    } else if (const auto* gone_backend = std::get_if<DeleteBackend>(&operation)) {
        ASSERT_TRUE(backends.contains(gone_backend->id));
        const std::uint32_t owner = backends[gone_backend->id].service;
        backends.erase(gone_backend->id);
        backend_left_ns_[gone_backend->id] = now_ns;
        if (services.contains(owner)) {
            check_slice(owner, services[owner]);
        }
    } else if (const auto* put_range = std::get_if<PutSourceRange>(&operation)) {
        source_ranges[put_range->key] = put_range->value;
        EXPECT_LE(source_ranges.size(), limits.source_ranges);
    } else if (const auto* gone_range = std::get_if<DeleteSourceRange>(&operation)) {
        EXPECT_EQ(source_ranges.erase(gone_range->key), 1U) << "deleted, and never was there";
        if (const auto owner = services.find(gone_range->key.service); owner != services.end()) {
            check_ranges(owner->first, owner->second);
        }
    } else if (const auto* set_vips = std::get_if<SetVips>(&operation)) {
        vips = set_vips->count;
    }
}

void FakeMaps::check_slice(std::uint32_t id, const service& value) const {
    for (const std::uint64_t slice : {value.slice, value.local_slice}) {
        for (std::uint32_t i = 0; i < SERVICE_SLICE_SIZE(slice); ++i) {
            const auto named = backends.find(slots.at(SERVICE_SLICE_OFFSET(slice) + i));
            ASSERT_NE(named, backends.end()) << "a slot names no backend";
            ASSERT_EQ(named->second.service, id) << "a slot names another service's backend";
        }
    }
}

// At no time may a client find fewer ranges than the service has; nobody may come if it has one, and that is not there.
void FakeMaps::check_ranges(std::uint32_t id, const service& value) const {
    const std::size_t there = ranges_of(id).size();
    EXPECT_TRUE(there >= value.source_ranges || (there == 0 && value.source_ranges == 1)) << there << " ranges are there";
}

// Only while its ports are there, too.
void FakeMaps::check_addresses() const {
    std::set<IpAddress> with_ports;
    for (const auto& [key, value] : frontends) {
        if (value.kind != FRONTEND_ADDRESS) {
            with_ports.insert(address_of(key));
        }
    }
    for (const auto& [key, value] : frontends) {
        if (value.kind == FRONTEND_ADDRESS) {
            EXPECT_TRUE(with_ports.contains(address_of(key)));
            EXPECT_TRUE(key.protocol == ANY_PROTOCOL && key.port == 0 && value.service == 0);
        }
    }
}

void FakeMaps::enter_slice(std::uint64_t slice) {
    if (SERVICE_SLICE_SIZE(slice) != 0) {
        slices_[SERVICE_SLICE_OFFSET(slice)] = SERVICE_SLICE_SIZE(slice);
    }
}

void FakeMaps::leave_slice(std::uint64_t slice, std::uint64_t now_ns) {
    slices_.erase(SERVICE_SLICE_OFFSET(slice));
    for (std::uint32_t i = 0; i < SERVICE_SLICE_SIZE(slice); ++i) {
        slot_left_ns_.at(SERVICE_SLICE_OFFSET(slice) + i) = now_ns;
    }
}

void FakeMaps::check_consistent() const {
    std::uint64_t end = 0;
    for (const auto& [offset, size] : slices_) {
        ASSERT_LE(end, offset) << "slices overlap";
        end = std::uint64_t{offset} + size;
    }
    std::map<std::uint32_t, std::uint32_t> counts;
    std::map<std::uint32_t, std::uint32_t> local_counts;
    for (const auto& [id, value] : services) {
        check_slice(id, value);
        for (std::uint32_t i = 0; i < SERVICE_SLICE_SIZE(value.slice); ++i) {
            ++counts[slots[SERVICE_SLICE_OFFSET(value.slice) + i]];
        }
        for (std::uint32_t i = 0; i < SERVICE_SLICE_SIZE(value.local_slice); ++i) {
            ++local_counts[slots[SERVICE_SLICE_OFFSET(value.local_slice) + i]];
        }
        const std::size_t ranges = ranges_of(id).size();
        EXPECT_TRUE(ranges == value.source_ranges || (ranges == 0 && value.source_ranges == 1));
        EXPECT_TRUE(value.external_policy == POLICY_LOCAL || value.local_slice == 0);
    }
    for (const auto& [key, value] : source_ranges) {
        EXPECT_TRUE(key.service == CLUSTER_RANGES || services.contains(key.service)) << "a range of no service";
        EXPECT_EQ(key.prefix_length, value.prefix_length + SOURCE_RANGE_BITS);
    }
    for (const auto& [id, value] : backends) {
        ASSERT_TRUE(services.contains(value.service)) << "a backend of no service";
        ASSERT_EQ(value.slots, counts.contains(id) ? counts[id] : local_counts[id]);
    }
    for (const auto& [key, value] : frontends) {
        if (value.kind != FRONTEND_ADDRESS) {
            ASSERT_EQ(services.at(value.service).treatment, SERVED);
        }
    }
    EXPECT_EQ(vips, whole_addresses().size());
}

std::set<std::string> FakeMaps::ranges_of(std::uint32_t service) const {
    std::set<std::string> result;
    for (const auto& [key, value] : source_ranges) {
        if (key.service == service) {
            result.insert(prefix_of(key).to_string());
        }
    }
    return result;
}

std::set<std::string> FakeMaps::whole_addresses() const {
    std::set<std::string> result;
    for (const auto& [key, value] : frontends) {
        if (value.kind == FRONTEND_ADDRESS) {
            result.insert(address_of(key).to_string());
        }
    }
    return result;
}

std::map<std::string, FakeMaps::Answer> FakeMaps::answers() const { return answers_by(&service::slice); }

std::map<std::string, FakeMaps::Answer> FakeMaps::local_answers() const { return answers_by(&service::local_slice); }

std::map<std::string, FakeMaps::Answer> FakeMaps::answers_by(__u64 service::*slice) const {
    std::map<std::string, Answer> result;
    for (const auto& [key, value] : frontends) {
        if (value.kind == FRONTEND_ADDRESS) {
            continue;
        }
        const service& owner = services.at(value.service);
        std::set<std::pair<BackendIdentity, backend_placement>> reached;
        for (std::uint32_t i = 0; i < SERVICE_SLICE_SIZE(owner.*slice); ++i) {
            const backend& named = backends.at(slots[SERVICE_SLICE_OFFSET(owner.*slice) + i]);
            reached.insert({identity_of(named), named.placement});
        }
        result.emplace(address_of(key).to_string() + ' ' + std::to_string(key.port) + (key.protocol == UDP ? " udp" : " tcp"),
                       Answer{service_key(owner), value.kind, std::move(reached)});
    }
    return result;
}

std::map<ServiceKey, service_treatment> FakeMaps::treatments() const {
    std::map<ServiceKey, service_treatment> result;
    for (const auto& [id, value] : services) {
        EXPECT_TRUE(result.emplace(service_key(value), value.treatment).second) << "recorded twice";
    }
    return result;
}

std::set<FakeMaps::Listed> FakeMaps::listed_backends() const {
    std::set<Listed> result;
    for (const auto& [id, value] : backends) {
        result.emplace(service_key(services.at(value.service)), identity_of(value), value.state, value.placement,
                       value.slots, value.node);
    }
    return result;
}

}  // namespace shunt::test
