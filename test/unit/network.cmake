# SPDX-License-Identifier: Apache-2.0
add_executable(network_test network_test.cpp)
target_link_libraries(network_test PRIVATE shunt_network GTest::gtest_main)
gtest_discover_tests(network_test TEST_PREFIX network. PROPERTIES LABELS unit)

# The same code against the kernel, in network namespaces of its own: needs root.
add_executable(network_kernel_test network_kernel_test.cpp)
target_link_libraries(network_kernel_test PRIVATE shunt_network GTest::gtest_main)
gtest_discover_tests(network_kernel_test TEST_PREFIX network. PROPERTIES LABELS bpf TIMEOUT 60)
