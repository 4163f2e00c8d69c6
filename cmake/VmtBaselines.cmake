# SPDX-License-Identifier: MIT
#
# Where the baselines of a test lie: vmt_check_baseline() of vmt/vmt.h, vmt_assert_baseline() of vmt/cmocka.h.

set(VMT_BASELINE_DIR "" CACHE PATH
    "Folder of the baselines of the test targets that name none (empty: baselines, beside their CMakeLists.txt)")

# vmt_baselines(<target> [DIRECTORY <folder>]): the target's checks read and record baselines there. A relative folder
# is one in the current source folder. Without it: VMT_BASELINE_DIR, else "baselines". The variable VMT_BASELINE_DIR of
# the environment goes before it when the test runs.
function(vmt_baselines target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "DIRECTORY" "")
    if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR "vmt_baselines(${target}): expected DIRECTORY <folder> or nothing, not \"${ARGN}\"")
    endif()
    if(NOT arg_DIRECTORY)
        set(arg_DIRECTORY "${VMT_BASELINE_DIR}")
    endif()
    if(NOT arg_DIRECTORY)
        set(arg_DIRECTORY baselines)
    endif()
    get_filename_component(folder "${arg_DIRECTORY}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    target_compile_definitions(${target} PRIVATE VMT_BASELINE_DIR="${folder}")
endfunction()
