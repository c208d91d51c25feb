#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Thirty defects of one line each, and the test that has to see each: whether the contract's tests can fail.

    test/contract/defects.py BUILD [NUMBER…]

As root. BUILD is a build directory of a tree that may be changed meanwhile (build/ci of a copy of its own): each defect is put in,
contract_test is built and the named test run, and the line put back. Takes about a minute for each. Prints what survives."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# File, the line, what it becomes, the test that turns red.
DEFECTS = [
    # --- who gets a new connection
    ("bpf/decide/new_flow.h", "slow->local_only = service->external_policy == POLICY_LOCAL && !client_is_in_range(slow, CLUSTER_RANGES);", "slow->local_only = service->external_policy == POLICY_LOCAL;", "Policy.LocalClientOfTheClusterFallsBackToCluster"),
    ("bpf/decide/new_flow.h", "slow->local_only = service->external_policy == POLICY_LOCAL && !client_is_in_range(slow, CLUSTER_RANGES);", "slow->local_only = 0;", "Policy.LocalReachesThisNodesEndpointsOnly*"),
    ("bpf/decide/new_flow.h", "if (slow->local_only && SERVICE_SLICE_SIZE(READ_ONCE(service->slice)))", "if (slow->local_only)", "Policy.LocalWithoutEndpointAnywhereRefuses"),
    ("bpf/decide/new_flow.h", "if (slow->local_only && SERVICE_SLICE_SIZE(READ_ONCE(service->slice)))", "if (0)", "Policy.LocalWithoutEndpointHereDropsSilentlyAndCounts"),
    ("bpf/decide/new_flow.h", "if (frontend->kind == FRONTEND_LOAD_BALANCER && service->source_ranges &&", "if (service->source_ranges &&", "SourceRange.NodePortAndExternalIpAreOpen"),
    ("bpf/decide/source_range.h", ".prefix_length = SOURCE_RANGE_BITS + (slow->family == IPV4 ? 32 : 128),", ".prefix_length = SOURCE_RANGE_BITS + 24,", "SourceRange.ClientWithinMayCome*"),
    ("bpf/decide/new_flow.h", "if (slow->answer != ANSWER_ECHO)", "if (0)", "Refusal.OtherPortsOfAVip*"),
    ("bpf/decide/new_flow.h", "if (is_draining() || !frontend_address_find(slow))", "if (!frontend_address_find(slow))", "Refusal.DrainingNodeAnswersNothing"),
    # --- affinity
    ("bpf/decide/affinity.h", "(slow->local_only && backend->placement != BACKEND_LOCAL))", "0)", "Affinity.LocalPolicyNeverLeadsElsewhere*"),
    ("bpf/decide/affinity.h", ">= slow->affinity_timeout_s * 1000000000ull)", ">= 1000000000000000000ull)", "Affinity.EndsWithItsTimeout"),
    ("bpf/decide/affinity.h", "known->last_used_ns = entry.last_used_ns;", ";", "Affinity.EveryNewConnectionRefreshesIt"),
    ("bpf/flow/state.h", "if (next == FLOW_ESTABLISHED)", "if (next == FLOW_REPLIED || next == FLOW_ESTABLISHED)", "Affinity.OnlyConnectionsThatAreEstablishedCount"),
    ("bpf/decide/affinity.h", "struct affinity_key key = {.service = service};", "struct affinity_key key = {.service = 1};", "Affinity.IsEachServicePortsOwn"),
    # --- rescue and silence
    ("bpf/flow/state.h", "return state == FLOW_HALF_OPEN ? NOTE_UNANSWERED : NOTE_HOLDS;", "return NOTE_HOLDS;", "Rescue.SynAgainGoesToAnotherEndpoint"),
    ("bpf/decide/new_flow.h", "slow->backend = 0;  // the client stays where it is", ";", "Rescue.AffinityForbidsIt"),
    ("bpf/flow/state.h", "if (!request && state == FLOW_HALF_OPEN && protocol == TCP)", "if (0)", "Rescue.SilentEndpointIsPassedOver*"),
    ("bpf/decide/unanswered.h", "return probe == (__u32)(now >> TICK_SHIFT) ||", "return 1 ||", "Rescue.SilentEndpointIsTriedOnceATick"),
    ("bpf/decide/new_flow.h", "slow->backend = first;  // none of them answers: then any", ";", "Rescue.NoEndpointIsLeftOutIfNoneAnswers"),
    # --- TCP
    ("bpf/flow/state.h", "return FLOW_REPLIED;", "return FLOW_ESTABLISHED;", "TcpConnection.IsEstablishedByTheClientsAck*"),
    ("bpf/flow/state.h", "return slow->payload ? 0 : slow->sequence + 1;", "return slow->sequence + 1;", "TcpConnection.FastOpenIsNoDirectOne"),
    ("bpf/flow/state.h", "if (state == FLOW_CLOSING) {", "if (0) {", "TcpConnection.PortThatComesAgain*"),
    # --- answers
    ("bpf/answer/refuse.h", ".ack_seq = bpf_htonl(slow->sequence + 1 + slow->payload),", ".ack_seq = bpf_htonl(slow->sequence + 1),", "Refusal.AnswerIsRightForEveryLength*"),
    ("bpf/answer/refuse.h", "if (slow->answers >= REFUSALS_PER_TICK)", "if (slow->answers > REFUSALS_PER_TICK)", "Refusal.RateIsLimited"),
    ("bpf/answer/echo.h", "icmp.type = type;", ";", "Refusal.EchoToAVipIsAnswered"),
    # --- which endpoints, and where
    ("agent/plan/endpoint_choice.cpp", "const bool serving = endpoint.serving.value_or(ready);", "const bool serving = endpoint.serving.value_or(true);", "Policy.ServingFollowsReady*"),
    ("agent/plan/endpoint_choice.cpp", "return std::ranges::none_of(ready, [&](const auto* one) { return one->second.*kind == Hint::none; }) &&", "return", "Policy.ZoneHintsOfSomeCountForNothing"),
    ("agent/plan/endpoint_choice.cpp", "if (endpoint.state == wanted && endpoint.placement == BACKEND_LOCAL) {", "if (endpoint.state == wanted) {", "Policy.LocalReachesThisNodesEndpointsOnly*"),
    ("agent/plan/endpoint_choice.cpp", "bool is_serving(backend_state state) { return state == BACKEND_READY || state == BACKEND_SERVING_TERMINATING; }", "bool is_serving(backend_state state) { return state == BACKEND_READY; }", "UdpConversation.StaysWithATerminatingEndpoint*"),
    ("agent/plan/node_port_addresses.cpp", "return wanted.kind == NodePortAddresses::Kind::all ||", "return", "NodePortAddressesTest.AllAreThoseOfTheDevices"),
    ("agent/plan/settlement.cpp", "const bool is_wanted = state_.vips.contains(address) && !state_.device_addresses->contains(address);", "const bool is_wanted = state_.vips.contains(address);", "Refusal.VipThatADeviceHasIsTheHosts"),
]


def is_caught(build: Path, test: str) -> str:
    built = subprocess.run(["cmake", "--build", build, "--target", "contract_test"], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        return "does not build: " + " ".join(line for line in built.stdout.splitlines() if "error" in line)[:300]
    run = [build / "test/contract/contract_test", f"--gtest_filter={test}/*", "--gtest_brief=1"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    return "caught" if done.returncode != 0 and "FAILED" in done.stdout else "SURVIVES"


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    wanted = [int(number) for number in sys.argv[2:]] or range(1, len(DEFECTS) + 1)
    survivors = []
    for number in wanted:
        file, old, new, test = DEFECTS[number - 1]
        path = ROOT / file
        text = path.read_text()
        if text.count(old) != 1:
            verdict = f"the line stands there {text.count(old)} times"
        else:
            try:
                path.write_text(text.replace(old, new))
                verdict = is_caught(build, test)
            finally:
                path.write_text(text)
        print(f"{number:2} {file}: {test}: {verdict}", flush=True)
        if verdict != "caught":
            survivors.append(number)
    print(f"{len(list(wanted)) - len(survivors)} caught, not caught: {survivors or 'none'}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
