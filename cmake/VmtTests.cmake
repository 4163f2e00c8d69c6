# SPDX-License-Identifier: MIT
#
# How the project's own tests are built and registered. All end with 0 (passed), 77 (skipped) or another status.

set(VMTI_TEST_SECONDS 120) # longer is a hang
set(VMT_TEST_PATIENCE 1 CACHE STRING "How many times as long the tests may take, where an emulator runs them")
mark_as_advanced(VMT_TEST_PATIENCE)

# vmti_add_test(<name> COMMAND <command>... LABELS <label>... [TIMEOUT <seconds>] [BOTH_ENGINES]): with both, there is a
# second test, <name>.dispatch, with the label dispatch, in which that engine is the default.
function(vmti_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "BOTH_ENGINES" "TIMEOUT" "COMMAND;LABELS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT ${VMTI_TEST_SECONDS})
    endif()
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${VMT_TEST_PATIENCE}")
    # Budgets are broken on purpose: their traces are kept only where that is what is tested.
    set(environment "VMTRACE=$<TARGET_FILE:vmtrace>" "VMT_LIBRARY=$<TARGET_FILE:vmt>" VMT_KEEP=none)
    set(tests ${name})
    if(arg_BOTH_ENGINES)
        list(APPEND tests ${name}.dispatch)
    endif()
    foreach(test IN LISTS tests)
        add_test(NAME ${test} COMMAND ${arg_COMMAND})
        set_tests_properties(${test} PROPERTIES
            LABELS "${arg_LABELS}"
            RESOURCE_LOCK ${name} # its ports, say
            SKIP_RETURN_CODE 77
            TIMEOUT ${arg_TIMEOUT}
            ENVIRONMENT "${environment}")
        list(APPEND arg_LABELS dispatch)
        list(APPEND environment VMT_ENGINE=dispatch)
    endforeach()
endfunction()

# Builds all unit tests and nothing that they do not need.
add_custom_target(unit_tests)

# vmti_add_unit_test(<name> [FILES <file>...]): tests/unit/<name>.c with cmocka on the internals; or on these files of
# the project alone, where the test stands in for the others.
function(vmti_add_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FILES")
    list(TRANSFORM arg_FILES PREPEND "${PROJECT_SOURCE_DIR}/")
    add_executable(${name} unit/${name}.c ${arg_FILES})
    vmti_harness_defaults(${name})
    target_link_libraries(${name} PRIVATE $<$<NOT:$<BOOL:${arg_FILES}>>:vmti_internal> vmti_cmocka ${CMAKE_DL_LIBS})
    add_dependencies(unit_tests ${name})
    vmti_add_test(unit.${name} COMMAND ${name} LABELS unit)
endfunction()

# vmti_add_integration_test(<name> [SOURCES <file>...] [LINK <library>...] [LABEL <label>] [TIMEOUT <seconds>]
# [ONE_ENGINE]): tests/integration/<name>.c with cmocka on libvmt, or on other libraries.
function(vmti_add_integration_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "ONE_ENGINE" "LABEL;TIMEOUT" "SOURCES;LINK")
    set(engines BOTH_ENGINES)
    if(arg_ONE_ENGINE)
        set(engines)
    endif()
    if(NOT arg_SOURCES)
        set(arg_SOURCES integration/${name}.c)
    endif()
    if(NOT arg_LINK)
        set(arg_LINK vmt)
    endif()
    if(NOT arg_LABEL)
        set(arg_LABEL integration)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT ${VMTI_TEST_SECONDS})
    endif()
    add_executable(${name} ${arg_SOURCES})
    vmti_target_defaults(${name})
    if(VMT_COVERAGE)
        target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/coverage_exit.c")
        target_link_options(${name} PRIVATE -Wl,--wrap=_exit)
    endif()
    # libvmt comes first: its malloc family must be found before any other.
    # Before glibc 2.34 dlopen and mq_open have libraries of their own.
    target_link_libraries(${name} PRIVATE ${arg_LINK} vmti_cmocka Threads::Threads ${CMAKE_DL_LIBS} rt)
    vmti_add_test(integration.${name} COMMAND ${name} LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ${engines})
endfunction()

# vmti_add_traced_program(<name> [LINK <library>...]): tests/programs/<name>.c, a small program for tests to trace.
function(vmti_add_traced_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
    add_executable(${name} programs/${name}.c)
    vmti_target_defaults(${name})
    # Before glibc 2.34 timers and terminals have libraries of their own.
    target_link_libraries(${name} PRIVATE ${arg_LINK} Threads::Threads rt util)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/programs")
endfunction()
