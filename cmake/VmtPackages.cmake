# SPDX-License-Identifier: MIT
#
# Debian packages, by `cpack -G DEB`: libvmt0 (the shared library), libvmt-dev (what a test is built with) and vmtrace
# (the command); a component of VmtInstall.cmake each. Configure with -DCMAKE_INSTALL_PREFIX=/usr (preset release),
# which decides about the folder of the libraries.

set(VMT_PACKAGE_CONTACT "The VMTRACE authors <vmtrace@localhost>" CACHE STRING
    "Who maintains the packages, as Name <address>; set it before you give them away")
get_target_property(soname_version vmt SOVERSION)
set(runtime_package libvmt${soname_version})

set(CPACK_PACKAGE_NAME vmtrace)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${VMT_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # it would come before each package's own
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL vmt_runtime vmt_dev)
if(VMT_BUILD_TOOLS)
    list(APPEND CPACK_COMPONENTS_ALL vmt_tools)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SOURCE vmtrace)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(same_version "${runtime_package} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")

# What they depend on is read from the programs, where the tool for that is there.
find_program(VMT_SHLIBDEPS dpkg-shlibdeps)
find_program(VMT_GENSYMBOLS dpkg-gensymbols)
mark_as_advanced(VMT_SHLIBDEPS VMT_GENSYMBOLS)
if(VMT_SHLIBDEPS)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}/lib")
endif()

set(CPACK_DEBIAN_VMT_RUNTIME_PACKAGE_NAME ${runtime_package})
set(CPACK_DEBIAN_VMT_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_VMT_RUNTIME_DESCRIPTION "memory-locality budgets for unit tests (library)
VMTRACE closes the heap pages of a region of a test's own code, records each
first access to one, and lets the test assert how many pages, faults and
how large a working set the region may have.
.
This package has the shared library.")
# Has dpkg call ldconfig. (CPack's scripts, which it adds unasked, do so too.)
set(CPACK_DEBIAN_VMT_RUNTIME_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/cmake/debian/triggers")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(CPACK_DEBIAN_VMT_DEV_PACKAGE_NAME libvmt-dev)
set(CPACK_DEBIAN_VMT_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_VMT_DEV_PACKAGE_DEPENDS "${same_version}")
set(CPACK_DEBIAN_VMT_DEV_PACKAGE_RECOMMENDS "libcmocka-dev")
set(CPACK_DEBIAN_VMT_DEV_PACKAGE_SUGGESTS "vmtrace")
set(CPACK_DEBIAN_VMT_DEV_DESCRIPTION "memory-locality budgets for unit tests (development)
VMTRACE closes the heap pages of a region of a test's own code, records each
first access to one, and lets the test assert how many pages, faults and
how large a working set the region may have.
.
This package has the headers, the static library, the guide, and what CMake
and pkg-config need to find them.")

set(CPACK_DEBIAN_VMT_TOOLS_PACKAGE_NAME vmtrace)
set(CPACK_DEBIAN_VMT_TOOLS_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_VMT_TOOLS_PACKAGE_DEPENDS "${same_version}")
set(CPACK_DEBIAN_VMT_TOOLS_DESCRIPTION "page traces of whole programs
vmtrace runs an unmodified program with a memory of N pages, records which
of its heap pages it touches and when, and reports the traces.")

# Files that packages have and other installations have not (EXCLUDE_FROM_ALL: only where the component is named).
configure_file("${PROJECT_SOURCE_DIR}/cmake/debian/changelog.in" "${PROJECT_BINARY_DIR}/package/changelog" @ONLY)
find_program(VMT_GZIP gzip)
mark_as_advanced(VMT_GZIP)
if(VMT_GZIP)
    execute_process(COMMAND "${VMT_GZIP}" -9nc "${PROJECT_BINARY_DIR}/package/changelog"
        OUTPUT_FILE "${PROJECT_BINARY_DIR}/package/changelog.Debian.gz" COMMAND_ERROR_IS_FATAL ANY)
endif()
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER ${component} upper)
    set(doc_folder "${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")
    install(FILES "${PROJECT_SOURCE_DIR}/cmake/debian/copyright" DESTINATION "${doc_folder}"
        COMPONENT ${component} EXCLUDE_FROM_ALL)
    if(VMT_GZIP)
        install(FILES "${PROJECT_BINARY_DIR}/package/changelog.Debian.gz" DESTINATION "${doc_folder}"
            COMPONENT ${component} EXCLUDE_FROM_ALL)
    endif()
endforeach()

# For dpkg-shlibdeps of those that link with libvmt: since which version there is which symbol.
if(VMT_GENSYMBOLS)
    set(symbols "${PROJECT_BINARY_DIR}/package/symbols")
    # From dpkg 1.22 on it wants to read this file; which packages there are it does not ask of it.
    file(WRITE "${PROJECT_BINARY_DIR}/package/debian/control"
        "Source: vmtrace\n\nPackage: ${runtime_package}\nArchitecture: any\n")
    add_custom_command(OUTPUT "${symbols}"
        COMMAND "${VMT_GENSYMBOLS}" -q -p${runtime_package} -v${PROJECT_VERSION} -e$<TARGET_FILE:vmt> "-O${symbols}"
        WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/package"
        DEPENDS vmt
        COMMENT "Listing the symbols of libvmt for its package"
        VERBATIM)
    add_custom_target(vmt_symbols ALL DEPENDS "${symbols}")
    list(APPEND CPACK_DEBIAN_VMT_RUNTIME_PACKAGE_CONTROL_EXTRA "${symbols}")
endif()

include(CPack)
