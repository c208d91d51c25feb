# SPDX-License-Identifier: Apache-2.0
add_executable(check_test ${CMAKE_CURRENT_LIST_DIR}/check_test.cpp)
target_link_libraries(check_test PRIVATE shunt_check shunt_datapath GTest::gtest_main)
gtest_discover_tests(check_test TEST_PREFIX check. PROPERTIES LABELS unit)

# The same against the kernel: needs root.
add_executable(check_kernel_test ${CMAKE_CURRENT_LIST_DIR}/check_kernel_test.cpp)
target_link_libraries(check_kernel_test PRIVATE shunt_check GTest::gtest_main)
gtest_discover_tests(check_kernel_test TEST_PREFIX check. PROPERTIES LABELS bpf)
