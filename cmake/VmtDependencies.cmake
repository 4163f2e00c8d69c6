# SPDX-License-Identifier: MIT
#
# The libraries that VMTRACE builds on, each as one imported or interface target:
#
#   vmti_uthash   headers   the page map
#   vmti_xxhash   headers   its hash, and the checksums of the trace
#   vmti_jansson  library   the command's JSON (only where it is built)
#   vmti_libdw    headers   names of source lines; the library is opened where it is there, and not linked
#   vmti_cmocka   library   vmt::cmocka, tests and examples; there are none of these, and no such target, without it
#
# What the project that takes VMTRACE in has a target for, or what is installed, is used. What is not there is an error
# that names the package, unless VMT_FETCH_DEPENDENCIES is on.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

if(VMT_FETCH_DEPENDENCIES)
    include(FetchContent)
    # Pinned to releases. SOURCE_SUBDIR names a folder without a CMakeLists.txt where only headers are wanted.
    FetchContent_Declare(uthash GIT_REPOSITORY https://github.com/troydhanson/uthash.git GIT_TAG v2.3.0
        GIT_SHALLOW ON SOURCE_SUBDIR src)
    FetchContent_Declare(xxhash GIT_REPOSITORY https://github.com/Cyan4973/xxHash.git GIT_TAG v0.8.2
        GIT_SHALLOW ON SOURCE_SUBDIR doc)
    FetchContent_Declare(jansson GIT_REPOSITORY https://github.com/akheron/jansson.git GIT_TAG v2.14
        GIT_SHALLOW ON)
    FetchContent_Declare(cmocka GIT_REPOSITORY https://gitlab.com/cmocka/cmocka.git GIT_TAG cmocka-1.1.7
        GIT_SHALLOW ON)
endif()

# Stops with the name of what is missing.
function(vmti_missing what package)
    message(FATAL_ERROR "${what} was not found. On Debian and Ubuntu: apt-get install ${package} "
        "(./bootstrap.sh deps does it for all). Or let CMake download it: -DVMT_FETCH_DEPENDENCIES=ON.")
endfunction()

# Headers alone: found by one of them, or fetched and taken from `folder` of the source.
function(vmti_header_library name header package folder)
    find_path(VMT_${name}_INCLUDE_DIR ${header})
    mark_as_advanced(VMT_${name}_INCLUDE_DIR)
    set(include_dir "${VMT_${name}_INCLUDE_DIR}")
    if(NOT include_dir)
        if(NOT VMT_FETCH_DEPENDENCIES)
            vmti_missing(${header} ${package})
        endif()
        FetchContent_MakeAvailable(${name})
        set(include_dir "${${name}_SOURCE_DIR}/${folder}")
    endif()
    add_library(vmti_${name} INTERFACE)
    target_include_directories(vmti_${name} SYSTEM INTERFACE "${include_dir}")
endfunction()

# A library: found by pkg-config, or fetched and built. The options are for the build of a fetched one.
function(vmti_library name module package)
    pkg_check_modules(VMT_${name} QUIET IMPORTED_TARGET ${module})
    add_library(vmti_${name} INTERFACE)
    if(VMT_${name}_FOUND)
        target_link_libraries(vmti_${name} INTERFACE PkgConfig::VMT_${name})
        return()
    endif()
    if(NOT VMT_FETCH_DEPENDENCIES)
        vmti_missing(${module} ${package})
    endif()
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW) # the variables below override the fetched project's options
    foreach(off IN LISTS ARGN)
        set(${off} OFF)
    endforeach()
    FetchContent_MakeAvailable(${name})
    target_link_libraries(vmti_${name} INTERFACE ${name})
    # jansson writes its configured headers here; cmocka keeps them in the source.
    target_include_directories(vmti_${name} SYSTEM INTERFACE
        "${${name}_SOURCE_DIR}/include" "${${name}_BINARY_DIR}/include")
endfunction()

vmti_header_library(uthash uthash.h uthash-dev src)
vmti_header_library(xxhash xxhash.h libxxhash-dev .)
# Not fetched: without it names come from the symbol tables alone.
find_path(VMT_libdw_INCLUDE_DIR elfutils/libdwfl.h)
mark_as_advanced(VMT_libdw_INCLUDE_DIR)
add_library(vmti_libdw INTERFACE)
if(VMT_libdw_INCLUDE_DIR)
    target_include_directories(vmti_libdw SYSTEM INTERFACE "${VMT_libdw_INCLUDE_DIR}")
    target_compile_definitions(vmti_libdw INTERFACE VMTI_HAVE_LIBDW)
else()
    message(STATUS "elfutils/libdwfl.h (libdw-dev) was not found: source lines will not be named")
endif()
if(VMT_BUILD_TOOLS)
    vmti_library(jansson jansson libjansson-dev JANSSON_BUILD_DOCS JANSSON_EXAMPLES JANSSON_INSTALL)
endif()

include(vmt-cmocka)
vmti_find_cmocka(VMT_cmocka_LINK VMT_cmocka_INCLUDE)
if(VMT_cmocka_LINK)
    add_library(vmti_cmocka INTERFACE)
    target_link_libraries(vmti_cmocka INTERFACE "${VMT_cmocka_LINK}")
    target_include_directories(vmti_cmocka SYSTEM INTERFACE "${VMT_cmocka_INCLUDE}")
elseif(VMT_BUILD_TESTS OR VMT_BUILD_EXAMPLES OR VMT_FETCH_DEPENDENCIES)
    vmti_library(cmocka cmocka libcmocka-dev WITH_EXAMPLES)
else()
    message(STATUS "cmocka was not found: there is no target vmt::cmocka")
endif()
