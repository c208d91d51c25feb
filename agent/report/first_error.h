// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/support/result.h"

namespace shunt {

// Of several results, the first that failed; nullptr: none did.
template <typename... T>
const Error* first_error(const Result<T>&... results) {
    const Error* first = nullptr;
    ((first = first != nullptr || results ? first : &results.error()), ...);
    return first;
}

}  // namespace shunt
