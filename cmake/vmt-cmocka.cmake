# SPDX-License-Identifier: MIT
#
# Where cmocka is, for the build of VMTRACE and for its installed package alike.

# vmti_find_cmocka(<link> <include>): sets these variables to what a target that uses cmocka links with, and to the
# folder of its header; empty if there is no cmocka, or if the target brings the folder. A target that the project has
# (cmocka's own package, or its sources taken in) goes before what is installed.
function(vmti_find_cmocka link include)
    foreach(target IN ITEMS cmocka::cmocka cmocka cmocka-static)
        if(TARGET ${target})
            set(${link} ${target} PARENT_SCOPE)
            set(${include} "" PARENT_SCOPE)
            return()
        endif()
    endforeach()
    # Not by cmocka's own CMake package: up to 1.1.5 it has no target, and its version file says so in one way only.
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
        pkg_check_modules(VMT_PC_cmocka QUIET cmocka)
    endif()
    find_path(VMT_cmocka_INCLUDE_DIR cmocka.h HINTS ${VMT_PC_cmocka_INCLUDE_DIRS})
    find_library(VMT_cmocka_LIBRARY cmocka HINTS ${VMT_PC_cmocka_LIBRARY_DIRS})
    mark_as_advanced(VMT_cmocka_INCLUDE_DIR VMT_cmocka_LIBRARY)
    set(${link} "" PARENT_SCOPE)
    if(VMT_cmocka_INCLUDE_DIR AND VMT_cmocka_LIBRARY)
        set(${link} "${VMT_cmocka_LIBRARY}" PARENT_SCOPE)
        set(${include} "${VMT_cmocka_INCLUDE_DIR}" PARENT_SCOPE)
    endif()
endfunction()
