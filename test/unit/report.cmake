# SPDX-License-Identifier: Apache-2.0
# Tests of agent/report and agent/command.
add_executable(report_test options_test.cpp report_test.cpp)
target_link_libraries(report_test PRIVATE shunt_command shunt_report GTest::gtest_main)
gtest_discover_tests(report_test TEST_PREFIX report. PROPERTIES LABELS unit)

# Needs root: the commands over real pinned maps, in a pin directory of the test's own.
add_executable(report_kernel_test pinned_node.cpp report_kernel_test.cpp iterators_test.cpp)
target_link_libraries(report_kernel_test PRIVATE shunt_command shunt_report bpf GTest::gtest_main)
gtest_discover_tests(report_kernel_test TEST_PREFIX report. PROPERTIES LABELS bpf TIMEOUT 60)
