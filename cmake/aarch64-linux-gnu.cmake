# SPDX-License-Identifier: MIT
#
# A toolchain file for aarch64 Linux, by Debian's cross compiler (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross). Other
# libraries are looked for in CMAKE_SYSROOT, if it is given, and in CMAKE_FIND_ROOT_PATH: never in this system itself.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
if(NOT CMAKE_C_COMPILER)
    set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
endif()
if(NOT CMAKE_CXX_COMPILER) # without one, tests in C++ are left out
    find_program(VMT_CROSS_CXX aarch64-linux-gnu-g++)
    mark_as_advanced(VMT_CROSS_CXX)
    set(CMAKE_CXX_COMPILER "${VMT_CROSS_CXX}")
endif()
# For clang.
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
list(APPEND CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
if(CMAKE_SYSROOT) # pkg-config's own search is for this machine
    set(ENV{PKG_CONFIG_LIBDIR}
        "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
    set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
endif()
