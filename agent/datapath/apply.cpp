// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/apply.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/plan/service_key.h"

namespace shunt {
namespace {

constexpr int kNotSupported = 524;    // ENOTSUPP, which only the kernel knows by name
constexpr std::size_t kBatch = 1024;  // the largest value has 300 bytes

bool is_batch_unsupported(int error) {
    return error == -EINVAL || error == -EOPNOTSUPP || error == -kNotSupported;
}

class Applier {
public:
    Applier(const MapDescriptors& maps, std::span<const MapOperation> operations)
        : maps_(maps), operations_(operations) {}

    Status run();

private:
    template <typename Operation>
    Status carry_out(std::span<const MapOperation> run);
    template <typename Operation>
    Status put(int map, const char* name, std::span<const MapOperation> run);
    template <typename Operation>
    Status remove(int map, const char* name, std::span<const MapOperation> run);
    Status write_slots(std::span<const MapOperation> run);
    Status make_counters(std::span<const MapOperation> run);
    std::string service_text(std::uint32_t id) const;
    std::unexpected<Error> put_failure(const char* map, std::uint32_t service, int error) const;

    const MapDescriptors& maps_;
    std::span<const MapOperation> operations_;
};

auto key_of(const PutFrontend& operation) {
    return operation.key;
}
auto key_of(const DeleteFrontend& operation) {
    return operation.key;
}
auto key_of(const PutSourceRange& operation) {
    return operation.key;
}
auto key_of(const DeleteSourceRange& operation) {
    return operation.key;
}
template <typename Operation>
auto key_of(const Operation& operation) {
    return operation.id;
}

std::uint32_t service_of(const PutBackend& operation) {
    return operation.value.service;
}
std::uint32_t service_of(const PutService& operation) {
    return operation.id;
}
std::uint32_t service_of(const PutFrontend& operation) {
    return operation.value.service;
}
std::uint32_t service_of(const PutSourceRange& operation) {
    return operation.key.service;
}

template <typename Operation>
Status Applier::put(int map, const char* name, std::span<const MapOperation> run) {
    std::vector<decltype(key_of(std::declval<Operation>()))> keys;
    std::vector<decltype(Operation::value)> values;
    for (const MapOperation& any : run) {
        keys.push_back(key_of(std::get<Operation>(any)));
        values.push_back(std::get<Operation>(any).value);
    }
    for (std::size_t done = 0; done < run.size();) {
        auto count = static_cast<__u32>(std::min(kBatch, run.size() - done));
        int error = bpf_map_update_batch(map, &keys[done], &values[done], &count, nullptr);
        if (is_batch_unsupported(error)) {
            error = bpf_map_update_elem(map, &keys[done], &values[done], BPF_ANY);
            count = error == 0 ? 1 : 0;
        }
        if (error != 0) {
            const std::size_t failed = std::min(done + count, run.size() - 1);
            return put_failure(name, service_of(std::get<Operation>(run[failed])), error);
        }
        done += count;
    }
    return {};
}

template <typename Operation>
Status Applier::remove(int map, const char* name, std::span<const MapOperation> run) {
    std::vector<decltype(key_of(std::declval<Operation>()))> keys;
    for (const MapOperation& any : run) {
        keys.push_back(key_of(std::get<Operation>(any)));
    }
    for (std::size_t done = 0; done < keys.size();) {
        auto count = static_cast<__u32>(std::min(kBatch, keys.size() - done));
        int error = bpf_map_delete_batch(map, &keys[done], &count, nullptr);
        if (is_batch_unsupported(error)) {
            error = bpf_map_delete_elem(map, &keys[done]);
            count = error == 0 ? 1 : 0;
        }
        if (error == -ENOENT) {
            ++count;  // the batch stopped at one that is not there
        } else if (error != 0) {
            return failure_errno("delete from", std::string("map ") + name, error);
        }
        done += count;
    }
    return {};
}

Status Applier::write_slots(std::span<const MapOperation> run) {
    for (const MapOperation& any : run) {
        const auto& operation = std::get<WriteSlots>(any);
        if (std::uint64_t{operation.offset} + operation.backend_ids.size() > maps_.slots_size) {
            return failure("write", "map slots",
                           "slice " + std::to_string(operation.offset) + "+" +
                               std::to_string(operation.backend_ids.size()) + " is beyond its end");
        }
        std::uint32_t* slot = maps_.slots + operation.offset;
        for (std::uint32_t id : operation.backend_ids) {
            std::atomic_ref(*slot++).store(id, std::memory_order_relaxed);
        }
    }
    // The service that points at them is written next.
    std::atomic_thread_fence(std::memory_order_release);
    return {};
}

// Before the services, so that none is ever seen uncounted. Those of a known service go on counting.
Status Applier::make_counters(std::span<const MapOperation> run) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) {
        return failure_errno("count", "processors", cpus);
    }
    const std::vector<service_counters> zero(static_cast<std::size_t>(cpus));
    for (const MapOperation& any : run) {
        const std::uint32_t id = std::get<PutService>(any).id;
        const int error = bpf_map_update_elem(maps_.service_counters, &id, zero.data(), BPF_NOEXIST);
        if (error != 0 && error != -EEXIST) {
            return put_failure("service_counters", id, error);
        }
    }
    return {};
}

template <typename Operation>
Status Applier::carry_out(std::span<const MapOperation> run) {
    if constexpr (std::is_same_v<Operation, PutBackend>) {
        return put<Operation>(maps_.backends, "backends", run);
    } else if constexpr (std::is_same_v<Operation, WriteSlots>) {
        return write_slots(run);
    } else if constexpr (std::is_same_v<Operation, PutService>) {
        auto counters = make_counters(run);
        return counters ? put<Operation>(maps_.services, "services", run) : counters;
    } else if constexpr (std::is_same_v<Operation, PutFrontend>) {
        return put<Operation>(maps_.frontends, "frontends", run);
    } else if constexpr (std::is_same_v<Operation, DeleteFrontend>) {
        return remove<Operation>(maps_.frontends, "frontends", run);
    } else if constexpr (std::is_same_v<Operation, DeleteService>) {
        auto gone = remove<Operation>(maps_.services, "services", run);
        return gone ? remove<Operation>(maps_.service_counters, "service_counters", run) : gone;
    } else if constexpr (std::is_same_v<Operation, DeleteBackend>) {
        return remove<Operation>(maps_.backends, "backends", run);
    } else if constexpr (std::is_same_v<Operation, PutSourceRange>) {
        return put<Operation>(maps_.source_ranges, "source_ranges", run);
    } else if constexpr (std::is_same_v<Operation, DeleteSourceRange>) {
        return remove<Operation>(maps_.source_ranges, "source_ranges", run);
    } else {
        static_assert(std::is_same_v<Operation, SetVips>);
        std::atomic_ref(maps_.control_page->vips).store(std::get<SetVips>(run.back()).count, std::memory_order_release);
        return {};
    }
}

Status Applier::run() {
    std::span<const MapOperation> rest = operations_;
    while (!rest.empty()) {
        auto end = std::ranges::find_if(
            rest, [&](const MapOperation& operation) { return operation.index() != rest.front().index(); });
        auto run = rest.first(static_cast<std::size_t>(end - rest.begin()));
        Status status =
            std::visit([&]<typename Operation>(const Operation&) { return carry_out<Operation>(run); }, run.front());
        if (!status) {
            return status;
        }
        rest = rest.subspan(run.size());
    }
    return {};
}

std::string Applier::service_text(std::uint32_t id) const {
    for (const MapOperation& any : operations_) {
        const auto* operation = std::get_if<PutService>(&any);
        if (operation != nullptr && operation->id == id) {
            return service_key(operation->value).to_string();
        }
    }
    service value;
    if (bpf_map_lookup_elem(maps_.services, &id, &value) == 0) {
        return service_key(value).to_string();
    }
    return id == CLUSTER_RANGES ? "--cluster-cidr" : "service " + std::to_string(id);
}

std::unexpected<Error> Applier::put_failure(const char* map, std::uint32_t service, int error) const {
    const std::string operation = std::string("write to map ") + map;
    const std::string object = "for " + service_text(service);
    if (error == -E2BIG) {
        return failure(operation, object, "the map is full");
    }
    return failure_errno(operation, object, error);
}

}  // namespace

Status apply(const MapDescriptors& maps, std::span<const MapOperation> operations) {
    return Applier(maps, operations).run();
}

}  // namespace shunt
