# SPDX-License-Identifier: MIT
#
# What every target of the project is compiled with. Target properties only: nothing here reaches a project that takes
# VMTRACE in by add_subdirectory().

# C11 with GNU extensions, warnings, hidden visibility, and the sanitizer or the coverage counters if they were asked
# for.
function(vmti_target_defaults target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS ON
        CXX_STANDARD 17
        CXX_STANDARD_REQUIRED ON
        C_VISIBILITY_PRESET hidden
        CXX_VISIBILITY_PRESET hidden)
    target_compile_options(${target} PRIVATE -Wall -Wextra $<$<BOOL:${VMT_WERROR}>:-Werror>)
    if(VMT_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${VMT_SANITIZE} -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${VMT_SANITIZE})
    endif()
    if(VMT_COVERAGE)
        target_link_options(${target} PRIVATE --coverage)
    endif()
endfunction()

# Code of the manager and the catcher. It runs at a fault, and in a helper that shares the program's memory but has no
# thread-local storage of its own: no canary read from there, no lazy binding, no call that allocates a TLS block.
function(vmti_harness_defaults target)
    vmti_target_defaults(${target})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE
        -fPIC -fno-plt -fno-stack-protector -ftls-model=initial-exec -fno-omit-frame-pointer)
    if(VMT_COVERAGE)
        # Atomic: the catcher, another process, counts in the same memory.
        target_compile_options(${target} PRIVATE --coverage -fprofile-update=atomic)
    endif()
    target_include_directories(${target} PRIVATE
        "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/harness" "${PROJECT_SOURCE_DIR}/catcher")
    target_link_libraries(${target} PRIVATE vmti_uthash vmti_xxhash Threads::Threads)
endfunction()

# Files that run at a fault or in the helper: see harness/own_string.h.
function(vmti_own_string_functions target)
    target_compile_options(${target} PRIVATE -include "${PROJECT_SOURCE_DIR}/harness/own_string.h")
endfunction()

# Gives a library its public face: the include folder, and what a link with it needs.
function(vmti_public_library target)
    vmti_target_defaults(${target})
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_options(${target} PUBLIC -Wl,-z,now)
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME vmt
        VERSION ${PROJECT_VERSION}
        SOVERSION 0
        LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib"
        ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
endfunction()
