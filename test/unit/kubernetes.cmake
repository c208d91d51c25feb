# SPDX-License-Identifier: Apache-2.0
# Tests of agent/kubernetes. The replay runs a TLS server of the test's own on the loopback.
add_executable(kubernetes_test
  api_answer_test.cpp cluster_access_test.cpp list_watch_test.cpp object_store_test.cpp)
add_executable(kubernetes_replay_test kubernetes_replay_test.cpp)
foreach(name kubernetes_test kubernetes_replay_test)
  target_link_libraries(${name} PRIVATE shunt_kubernetes shunt_source shunt_decode shunt_model GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    TEST_FOLDER="${PROJECT_SOURCE_DIR}/test" RECORDINGS="${PROJECT_SOURCE_DIR}/test/recordings")
endforeach()
gtest_discover_tests(kubernetes_test TEST_PREFIX kubernetes. PROPERTIES LABELS unit)
gtest_discover_tests(kubernetes_replay_test TEST_PREFIX kubernetes. PROPERTIES LABELS unit TIMEOUT 120)
