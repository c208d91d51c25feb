# SPDX-License-Identifier: Apache-2.0
add_library(plan_support STATIC plan_support.cpp)
target_link_libraries(plan_support PUBLIC shunt_plan GTest::gtest)

add_executable(plan_test
  endpoint_choice_test.cpp
  maglev_test.cpp
  planner_policy_test.cpp
  planner_random_test.cpp
  planner_restart_test.cpp
  planner_test.cpp)
target_link_libraries(plan_test PRIVATE plan_support GTest::gtest_main)
gtest_discover_tests(plan_test PROPERTIES LABELS unit)

# Needs root: real maps.
add_executable(apply_test apply_test.cpp
  ${PROJECT_SOURCE_DIR}/agent/datapath/apply.cpp
  ${PROJECT_SOURCE_DIR}/agent/datapath/map_state.cpp)
target_link_libraries(apply_test PRIVATE plan_support bpf GTest::gtest_main)
gtest_discover_tests(apply_test PROPERTIES LABELS bpf)

# Needs root: the real programs and their maps.
add_executable(gone_flows_test gone_flows_test.cpp)
target_link_libraries(gone_flows_test PRIVATE shunt_datapath bpf GTest::gtest_main)
gtest_discover_tests(gone_flows_test PROPERTIES LABELS bpf TIMEOUT 60)
