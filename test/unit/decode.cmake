# SPDX-License-Identifier: Apache-2.0
# Tests of agent/model, agent/decode and agent/source.
foreach(subject ip_address decode manifest_directory)
  add_executable(${subject}_test ${CMAKE_CURRENT_LIST_DIR}/${subject}_test.cpp)
  target_link_libraries(${subject}_test PRIVATE shunt_source shunt_decode shunt_model GTest::gtest_main)
  target_compile_definitions(${subject}_test PRIVATE
    RECORDINGS="${CMAKE_CURRENT_LIST_DIR}/../data/recordings" EXAMPLES="${CMAKE_CURRENT_LIST_DIR}/../../examples")
  gtest_discover_tests(${subject}_test PROPERTIES LABELS unit)
endforeach()
find_package(spdlog REQUIRED)
target_link_libraries(manifest_directory_test PRIVATE spdlog::spdlog)
