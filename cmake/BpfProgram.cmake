# SPDX-License-Identifier: Apache-2.0
# add_bpf_program(name [folder…]): compiles <name>.bpf.c of the current folder and makes <name>.skel.h from it, behind
# the interface target bpf_<name>. Headers are looked for in the folders first. A changed header rebuilds it: the compiler writes the dependency file.
find_program(BPF_CLANG NAMES clang-19 clang-16 clang-14 REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip-19 llvm-strip-16 llvm-strip-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(add_bpf_program name)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  list(TRANSFORM ARGN PREPEND -I OUTPUT_VARIABLE first)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter
            ${first} -I${PROJECT_SOURCE_DIR} -I${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${object}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c -o ${object}
    COMMAND ${BPF_STRIP} -g ${object}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c
    DEPFILE ${object}.d
    COMMENT "BPF ${name}"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
    DEPENDS ${object}
    COMMENT "skeleton ${name}"
    VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} ${name}_skeleton)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
