# SPDX-License-Identifier: MIT
#
# Other projects that use VMTRACE in each way that there is, with each compiler that is there.

foreach(compilers "gcc;g++" "clang;clang++")
    list(GET compilers 0 compiler)
    foreach(way package pkgconfig make meson fetch subdirectory)
        # The last two build VMTRACE itself: each with one compiler always, with the other with the label full.
        set(labels integration)
        if("${way}.${compiler}" MATCHES "^(fetch.clang|subdirectory.gcc)$")
            list(APPEND labels full)
        endif()
        vmti_add_test(consumer.${way}.${compiler} LABELS ${labels} TIMEOUT 600
            COMMAND "${CMAKE_CURRENT_LIST_DIR}/consume.sh" ${way} ${compilers} "${PROJECT_BINARY_DIR}")
    endforeach()
endforeach()
