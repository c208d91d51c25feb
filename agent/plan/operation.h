// SPDX-License-Identifier: Apache-2.0
// What planning yields: map operations, to be carried out in order. The order keeps every intermediate state
// correct for the packets that meet it: a frontend never points at a service that is not there, a slice never at
// a backend that is not there, and a service never says that it has source ranges before all of them are there.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "maps/backend.h"
#include "maps/frontend.h"
#include "maps/service.h"
#include "maps/source_range.h"

namespace shunt {

struct PutBackend { std::uint32_t id; backend value; };
struct DeleteBackend { std::uint32_t id; };
struct WriteSlots { std::uint32_t offset; std::vector<std::uint32_t> backend_ids; };
struct PutService { std::uint32_t id; service value; };
struct DeleteService { std::uint32_t id; };
struct PutFrontend { frontend_key key; frontend value; };
struct DeleteFrontend { frontend_key key; };
struct PutSourceRange { source_range_key key; source_range value; };
struct DeleteSourceRange { source_range_key key; };
struct SetVips { std::uint32_t count; };  // `control`

using MapOperation = std::variant<PutBackend, WriteSlots, PutService, PutFrontend, DeleteFrontend, DeleteService,
                                  DeleteBackend, PutSourceRange, DeleteSourceRange, SetVips>;

}  // namespace shunt
