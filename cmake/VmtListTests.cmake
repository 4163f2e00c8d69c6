# SPDX-License-Identifier: MIT
#
# cmake -D ARGUMENTS=FILE -D OUTPUT=FILE -P VmtListTests.cmake: asks a program for its tests, and writes what CTest
# reads to know them. vmt_discover_tests() (VmtAddTest.cmake) writes the arguments, and runs this after the program is
# built.

cmake_minimum_required(VERSION 3.22)
include("${ARGUMENTS}")

execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env --unset=CMOCKA_MESSAGE_OUTPUT VMT_LIST_TESTS=1 "${program}"
    TIMEOUT 60
    RESULT_VARIABLE status
    OUTPUT_VARIABLE output
    ERROR_VARIABLE errors)
string(REGEX MATCHALL "vmt test: [^\n]+" tests "${output}")
string(REGEX REPLACE "vmt test: [^\n]+\n" "" rest "${output}")
if(NOT status EQUAL 0 OR NOT tests OR rest MATCHES "\\[ RUN ")
    message(FATAL_ERROR "vmt_discover_tests: ${program} did not list its tests; its main() must run all groups by "
        "vmt_cmocka_run_group_tests() of <vmt/cmocka.h>. Its status was ${status}, and it wrote:\n${output}${errors}")
endif()
list(TRANSFORM tests REPLACE "^vmt test: " "")
list(REMOVE_DUPLICATES tests) # of two groups: a test of CTest runs both

set(content "# ${program}\n")
foreach(test IN LISTS tests)
    foreach(variant IN LISTS variants)
        set(name "${arg_PREFIX}${test}${${variant}_suffix}")
        set(variables ${environment} ${${variant}_environment} "VMT_RUN_TEST=${test}" "VMT_CTEST_NAME=${name}")
        set(labels ${arg_LABELS} ${${variant}_labels})
        if(arg_TRACE)
            file(MAKE_DIRECTORY "${arg_TRACE}")
            list(APPEND variables "VMT_TRACENAME=${arg_TRACE}/${test}${${variant}_suffix}.vmt")
        endif()
        string(APPEND content "add_test([==[${name}]==] [==[${program}]==])\n"
            "set_tests_properties([==[${name}]==] PROPERTIES ENVIRONMENT [==[${variables}]==]"
            " LABELS [==[${labels}]==] SKIP_RETURN_CODE 77 TIMEOUT ${arg_TIMEOUT})\n")
    endforeach()
endforeach()
file(WRITE "${OUTPUT}" "${content}")
