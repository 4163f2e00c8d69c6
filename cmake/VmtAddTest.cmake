# SPDX-License-Identifier: MIT
#
# CTest for tests with regions. Needs the target vmt::vmt, CMake 3.22, and enable_testing() before.
#
#   vmt_add_test(NAME <name> SOURCES <file>... [LINK <library>...]
#                [WINDOW <pages>] [ENGINE ptrace|dispatch|auto|both] [TRACE <file>]
#                [BUDGET <limit>...] [BUDGETS <file>] [BASELINES <folder>]
#                [LABELS <label>...] [TIMEOUT <seconds>] [DISCOVER [PREFIX <text>]])
#
#     Builds the program <name> with libvmt, before the other libraries, and adds the test <name>, which runs it.
#     A test is skipped, and not passed, if it could not trace and failed in nothing else (its exit status is 77 then).
#       WINDOW     the default window, in pages (VMT_SIZE)
#       ENGINE     the default engine (VMT_ENGINE); both: a second test, <name>.dispatch, with the label dispatch
#       TRACE      the trace of its first region goes to this file of the current build folder (VMT_TRACENAME), of the
#                  others to <file>.2 and so on; of the second engine to <file>.dispatch. (Where a framework runs each
#                  test in a process of its own, each has a first region, and the last one's trace stays.)
#       BUDGET     limits, like "pages <= 40", for each report that the program gives to vmt_assert_budgets()
#       BUDGETS    a budget file in their place (VMT_BUDGETS); relative to the current source folder
#       BASELINES  the folder of its baselines (VMT_BASELINE_DIR); relative to the current source folder
#       DISCOVER   one test for each test of the program: vmt_discover_tests()
#
#   vmt_discover_tests(<target> [PREFIX <text>] [<options of vmt_add_test from WINDOW to TIMEOUT>])
#
#     Adds each test of a cmocka program as a test of its own, <prefix><name>; the prefix is "<target>." if none is
#     given. The program's main() must use vmt_cmocka_run_group_tests() of <vmt/cmocka.h> for all its groups: cmocka
#     itself cannot tell its tests' names without running them. The program is run once after it is built, with
#     VMT_LIST_TESTS=1. TRACE names a folder here; a test's trace is <folder>/<name>.vmt.
#
# All tests may run side by side (ctest -j). GoogleTest and Catch2 have gtest_discover_tests() and
# catch_discover_tests(); give those the property ENVIRONMENT VMT_SKIP_STATUS=77 and SKIP_RETURN_CODE 77.

function(vmt_add_test)
    vmt_test_keywords_()
    cmake_parse_arguments(PARSE_ARGV 0 arg "DISCOVER" "NAME;${value_keywords}" "SOURCES;LINK;${list_keywords}")
    vmt_check_arguments_(vmt_add_test "NAME;SOURCES")
    if(DEFINED arg_PREFIX AND NOT arg_DISCOVER)
        message(FATAL_ERROR "vmt_add_test: PREFIX is for the names of tests that are discovered; add DISCOVER")
    endif()
    add_executable(${arg_NAME} ${arg_SOURCES})
    # libvmt first: its malloc family must be found before any other.
    target_link_libraries(${arg_NAME} PRIVATE vmt::vmt ${arg_LINK})
    # So that a verdict can name the functions that allocated.
    set_target_properties(${arg_NAME} PROPERTIES ENABLE_EXPORTS ON)
    if(arg_DISCOVER)
        vmt_forward_arguments_(options)
        vmt_discover_tests(${arg_NAME} ${options})
        return()
    endif()

    vmt_test_environment_(${arg_NAME} environment)
    vmt_test_engines_(engines)
    foreach(engine IN LISTS engines)
        vmt_test_variant_(${engine})
        add_test(NAME ${arg_NAME}${suffix} COMMAND ${arg_NAME})
        set(variables ${environment} ${engine_environment} "VMT_CTEST_NAME=${arg_NAME}${suffix}")
        if(arg_TRACE)
            vmt_absolute_(trace "${arg_TRACE}${suffix}" "${CMAKE_CURRENT_BINARY_DIR}")
            list(APPEND variables "VMT_TRACENAME=${trace}")
        endif()
        set(labels ${arg_LABELS} ${engine_labels})
        set_tests_properties(${arg_NAME}${suffix} PROPERTIES
            ENVIRONMENT "${variables}"
            LABELS "${labels}"
            SKIP_RETURN_CODE 77
            TIMEOUT ${arg_TIMEOUT})
    endforeach()
endfunction()

function(vmt_discover_tests target)
    vmt_test_keywords_()
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "${value_keywords}" "${list_keywords}")
    vmt_check_arguments_(vmt_discover_tests "")
    if(NOT DEFINED arg_PREFIX)
        set(arg_PREFIX "${target}.")
    endif()
    vmt_test_environment_(${target} environment)
    vmt_test_engines_(engines)
    if(arg_TRACE)
        vmt_absolute_(arg_TRACE "${arg_TRACE}" "${CMAKE_CURRENT_BINARY_DIR}")
    endif()

    # What the script is to do, in a file: lists and odd characters pass through it as they are.
    set(base "${CMAKE_CURRENT_BINARY_DIR}/${target}_vmt")
    set(content "set(program [==[$<TARGET_FILE:${target}>]==])\n")
    foreach(variable arg_PREFIX arg_TRACE arg_LABELS arg_TIMEOUT environment)
        string(APPEND content "set(${variable} [==[${${variable}}]==])\n")
    endforeach()
    string(APPEND content "set(variants)\n")
    foreach(engine IN LISTS engines)
        vmt_test_variant_(${engine})
        string(APPEND content "list(APPEND variants v${engine})\n"
            "set(v${engine}_suffix [==[${suffix}]==])\n"
            "set(v${engine}_environment [==[${engine_environment}]==])\n"
            "set(v${engine}_labels [==[${engine_labels}]==])\n")
    endforeach()
    file(GENERATE OUTPUT "${base}_arguments-$<CONFIG>.cmake" CONTENT "${content}")
    add_custom_command(TARGET ${target} POST_BUILD
        COMMAND "${CMAKE_COMMAND}" -D "ARGUMENTS=${base}_arguments-$<CONFIG>.cmake"
            -D "OUTPUT=${base}_tests-$<CONFIG>.cmake" -P "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/VmtListTests.cmake"
        VERBATIM)

    get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
    set(config "${CMAKE_BUILD_TYPE}")
    if(multi_config)
        set(config "\${CTEST_CONFIGURATION_TYPE}")
    endif()
    file(WRITE "${base}_include.cmake"
        "if(EXISTS \"${base}_tests-${config}.cmake\")\n"
        "    include(\"${base}_tests-${config}.cmake\")\n"
        "else()\n"
        "    add_test(${target}_NOT_BUILT ${target}_NOT_BUILT)\n"
        "endif()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${base}_include.cmake")
endfunction()

# ------------------------------------------------------------------------------------------- not for users

# The arguments that both functions have. Variables of this file's own scope would not reach every folder.
macro(vmt_test_keywords_)
    set(value_keywords PREFIX WINDOW ENGINE TRACE BUDGETS BASELINES TIMEOUT)
    set(list_keywords BUDGET LABELS)
endmacro()

# Stops at arguments that a function does not have, or lacks. The rest work on its variables, too.
macro(vmt_check_arguments_ function required)
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "${function}: \"${arg_UNPARSED_ARGUMENTS}\" is not one of its arguments")
    endif()
    foreach(keyword NAME ${value_keywords}) # a list may be empty
        if("${keyword}" IN_LIST arg_KEYWORDS_MISSING_VALUES)
            message(FATAL_ERROR "${function}: ${keyword} has no value")
        endif()
    endforeach()
    foreach(keyword ${required})
        if(NOT arg_${keyword})
            message(FATAL_ERROR "${function}: ${keyword} is missing")
        endif()
    endforeach()
    if(arg_WINDOW AND NOT arg_WINDOW MATCHES "^[0-9]+$")
        message(FATAL_ERROR "${function}: WINDOW is \"${arg_WINDOW}\": a window is a whole number of pages, from 8")
    endif()
    if(arg_ENGINE AND NOT arg_ENGINE MATCHES "^(ptrace|dispatch|auto|both)$")
        message(FATAL_ERROR "${function}: ENGINE is \"${arg_ENGINE}\": allowed are ptrace, dispatch, auto and both")
    endif()
    if(arg_BUDGET AND arg_BUDGETS)
        message(FATAL_ERROR "${function}: BUDGET and BUDGETS both say where the limits are; give one of them")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120) # seconds; longer is a hang
    endif()
endmacro()

# The arguments that vmt_discover_tests() has too, as a list.
macro(vmt_forward_arguments_ result)
    set(${result})
    foreach(keyword ${value_keywords} ${list_keywords})
        if(arg_${keyword})
            list(APPEND ${result} ${keyword} ${arg_${keyword}})
        endif()
    endforeach()
endmacro()

function(vmt_absolute_ result path base)
    get_filename_component(absolute "${path}" ABSOLUTE BASE_DIR "${base}")
    set(${result} "${absolute}" PARENT_SCOPE)
endfunction()

# The environment that all of a program's tests have.
macro(vmt_test_environment_ program result)
    set(${result} VMT_SKIP_STATUS=77)
    if(arg_WINDOW)
        list(APPEND ${result} "VMT_SIZE=${arg_WINDOW}")
    endif()
    if(arg_BUDGET)
        set(arg_BUDGETS "${CMAKE_CURRENT_BINARY_DIR}/${program}.budgets")
        list(JOIN arg_BUDGET "\n" lines)
        file(WRITE "${arg_BUDGETS}" "# BUDGET of ${program}, ${CMAKE_CURRENT_LIST_FILE}\n[*]\n${lines}\n")
    endif()
    if(arg_BUDGETS)
        vmt_absolute_(path "${arg_BUDGETS}" "${CMAKE_CURRENT_SOURCE_DIR}")
        list(APPEND ${result} "VMT_BUDGETS=${path}")
    endif()
    if(arg_BASELINES)
        vmt_absolute_(path "${arg_BASELINES}" "${CMAKE_CURRENT_SOURCE_DIR}")
        list(APPEND ${result} "VMT_BASELINE_DIR=${path}")
    endif()
endmacro()

# The engines to run with: default is the environment's.
macro(vmt_test_engines_ result)
    set(${result} default)
    if(arg_ENGINE STREQUAL "both")
        set(${result} ptrace dispatch)
    elseif(arg_ENGINE)
        set(${result} ${arg_ENGINE})
    endif()
endmacro()

# What differs with the engine: suffix, engine_environment and engine_labels.
macro(vmt_test_variant_ engine)
    set(suffix)
    set(engine_environment)
    set(engine_labels)
    if(NOT "${engine}" STREQUAL "default")
        set(engine_environment VMT_ENGINE=${engine})
    endif()
    if("${engine}" STREQUAL "dispatch")
        set(engine_labels dispatch)
        if(arg_ENGINE STREQUAL "both")
            set(suffix .dispatch)
        endif()
    endif()
endmacro()
