# SPDX-License-Identifier: Apache-2.0
# `shunt_compile_options`: what every C++ target of the project is compiled with.
add_library(shunt_compile_options INTERFACE)
target_include_directories(shunt_compile_options INTERFACE ${PROJECT_SOURCE_DIR})
# -Wrestrict: g++ 12 reports the standard library's own std::string (GCC bug 105651). -Wdeprecated-declarations: clang reports
# its std::stable_sort.
target_compile_options(shunt_compile_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
if(SHUNT_WERROR)
  target_compile_options(shunt_compile_options INTERFACE -Werror)
endif()
if(SHUNT_SANITIZE)
  target_compile_options(shunt_compile_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(shunt_compile_options INTERFACE -fsanitize=address,undefined)
endif()
