# SPDX-License-Identifier: Apache-2.0
# Tests of agent/serve.
add_executable(serve_test health_test.cpp metrics_test.cpp trigger_time_test.cpp)
target_link_libraries(serve_test PRIVATE shunt_serve shunt_decode GTest::gtest_main)
gtest_discover_tests(serve_test TEST_PREFIX serve. PROPERTIES LABELS unit)

# Over real sockets, on loopback.
find_package(Threads REQUIRED)
add_executable(http_listener_test http_listener_test.cpp)
target_link_libraries(http_listener_test PRIVATE shunt_serve GTest::gtest_main Threads::Threads)
gtest_discover_tests(http_listener_test TEST_PREFIX serve. PROPERTIES LABELS unit TIMEOUT 60)
