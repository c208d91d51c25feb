// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/value.hpp>
#include <ostream>

namespace shunt {

// Indented by two, with a newline at the end; members in the order in which they were put.
void print_json(std::ostream& out, const boost::json::value& value);

}  // namespace shunt
