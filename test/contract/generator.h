// SPDX-License-Identifier: Apache-2.0
// Random configurations and packets for the comparison with the model. Addresses are those of the tests' actors and their
// neighbours, so that each packet has a way.
#pragma once

#include <random>
#include <vector>

#include "test/contract/model.h"

namespace shunt::contract {

class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    // A node, its options, and Services in any condition.
    World world();
    // The same node after some of the Services changed, went or came back. Their ports and addresses stay what they are.
    World change(const World& world);

    // From a client that has not used this port yet, to a frontend, beside one, or elsewhere.
    Packet packet(const World& world);

    // From 0 to bound - 1.
    unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }
    bool chance(unsigned percent) { return below(100) < percent; }
    std::uint32_t word() { return static_cast<std::uint32_t>(random_()); }
    template <typename Container>
    const auto& one_of(const Container& container) {
        return *std::next(container.begin(), below(static_cast<unsigned>(container.size())));
    }

private:
    Service service(unsigned number);
    void change_endpoints(Service& service);
    void change_policies(Service& service);
    std::vector<Endpoint> endpoints(int version, unsigned count);
    Address client(int version);

    std::mt19937_64 random_;
    std::uint16_t next_client_port_ = 1;
    std::map<std::string, Service> absent_;  // that went, and may come back
};

}  // namespace shunt::contract
