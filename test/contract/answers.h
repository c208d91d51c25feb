// SPDX-License-Identifier: Apache-2.0
// What a node may answer in a frontend's name, judged octet by octet against the frame that it answers: by the RFCs, with a
// parser of its own and checksums summed up afresh.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace shunt::contract {

using FrameBytes = std::span<const std::uint8_t>;

// What is wrong with the answer; empty: nothing.
std::string fault_of_reset(FrameBytes request, FrameBytes answer);        // of an opening SYN; RFC 9293 section 3.10.7.1
std::string fault_of_unreachable(FrameBytes request, FrameBytes answer);  // RFC 792 and 1122; RFC 4443 section 3.1
std::string fault_of_echo_reply(FrameBytes request, FrameBytes answer);   // RFC 792; RFC 4443 section 4.2

}  // namespace shunt::contract
