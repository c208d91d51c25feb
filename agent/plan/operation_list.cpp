// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/operation_list.h"

#include <iterator>
#include <utility>

namespace shunt {

std::vector<MapOperation> OperationList::in_order() && {
    std::vector<MapOperation> operations;
    operations.reserve(put_ranges_.size() + put_backends_.size() + write_slots_.size() + served_.size() + left_.size() +
                       put_frontends_.size() + gone_frontends_.size() + put_addresses_.size() + gone_addresses_.size() +
                       delete_services_.size() + delete_backends_.size() + gone_ranges_.size() + 1);
    auto append = [&operations](auto& some) { std::move(some.begin(), some.end(), std::back_inserter(operations)); };
    for (const auto& [key, value] : put_ranges_) {
        operations.emplace_back(PutSourceRange{key, value});
    }
    append(put_backends_);
    append(write_slots_);
    for (const auto& [id, value] : served_) {
        operations.emplace_back(PutService{id, value});
    }
    for (const auto& [key, value] : put_frontends_) {
        operations.emplace_back(PutFrontend{key, value});
    }
    append(put_addresses_);
    append(gone_addresses_);
    if (vips_) {
        operations.emplace_back(SetVips{*vips_});
    }
    for (const frontend_key& key : gone_frontends_) {
        operations.emplace_back(DeleteFrontend{key});
    }
    for (const auto& [id, value] : left_) {
        operations.emplace_back(PutService{id, value});
    }
    append(delete_services_);
    append(delete_backends_);
    for (const source_range_key& key : gone_ranges_) {
        operations.emplace_back(DeleteSourceRange{key});
    }
    return operations;
}

}  // namespace shunt
