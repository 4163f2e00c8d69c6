# SPDX-License-Identifier: MIT
#
# What is installed and where: headers, libraries, the command, manual pages and documents, the CMake package and the
# pkg-config files.
# Three components, which are the three packages of VmtPackages.cmake: vmt_runtime, vmt_dev and vmt_tools. All of it can
# be moved after installation.

include(CMakePackageConfigHelpers)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/vmt")
# More files of the CMake package go into this list and nowhere else; manual pages into that of doc/CMakeLists.txt.
set(package_files vmt-cmocka.cmake VmtAddTest.cmake VmtBaselines.cmake VmtListTests.cmake)
list(TRANSFORM package_files PREPEND "${PROJECT_SOURCE_DIR}/cmake/")

# ---------------------------------------------------------------- libraries, command, headers

install(TARGETS vmt EXPORT vmt-shared
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT vmt_runtime NAMELINK_COMPONENT vmt_dev)
install(TARGETS vmt_static EXPORT vmt-static
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT vmt_dev)
install(EXPORT vmt-shared NAMESPACE vmt:: DESTINATION "${package_folder}" COMPONENT vmt_dev)
install(EXPORT vmt-static NAMESPACE vmt:: DESTINATION "${package_folder}" COMPONENT vmt_dev)
if(VMT_BUILD_TOOLS)
    install(TARGETS vmtrace EXPORT vmt-tools
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT vmt_tools)
    install(EXPORT vmt-tools NAMESPACE vmt:: DESTINATION "${package_folder}" COMPONENT vmt_tools)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vmt" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT vmt_dev
    FILES_MATCHING REGEX "\\.h(pp)?$")

foreach(page IN LISTS manual_files)
    string(REGEX REPLACE "^.*\\.([1-9])(\\.gz)?$" "\\1" section "${page}")
    set(component vmt_dev)
    if(section EQUAL 1)
        set(component vmt_tools)
    endif()
    install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" COMPONENT ${component})
endforeach()

# In the folder of Debian's package, wherever they are installed.
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${PROJECT_SOURCE_DIR}/doc/guide.md"
    DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/libvmt-dev" COMPONENT vmt_dev)

# ---------------------------------------------------------------- CMake package

# Below 1.0 a new minor version may ask for changes in the tests that use it; from 1.0 on only a major one may. (The
# soname counts something else: whether a program that is linked already goes on working.)
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/vmt-config-version.cmake"
    COMPATIBILITY ${compatibility})
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/vmt-config.cmake.in"
    "${PROJECT_BINARY_DIR}/package/vmt-config.cmake" INSTALL_DESTINATION "${package_folder}"
    NO_SET_AND_CHECK_MACRO)
install(FILES "${PROJECT_BINARY_DIR}/package/vmt-config.cmake" "${PROJECT_BINARY_DIR}/package/vmt-config-version.cmake"
    ${package_files} DESTINATION "${package_folder}" COMPONENT vmt_dev)

# ---------------------------------------------------------------- pkg-config

# From the folder of the .pc files, so that the tree can be moved; folders that were given as absolute ones stay so.
file(RELATIVE_PATH prefix_from_pc "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
set(pc_prefix "\${pcfiledir}/${prefix_from_pc}")
foreach(folder IN ITEMS includedir libdir)
    string(TOUPPER ${folder} upper)
    set(pc_${folder} "${CMAKE_INSTALL_${upper}}")
    if(NOT IS_ABSOLUTE "${pc_${folder}}")
        string(PREPEND pc_${folder} "\${prefix}/")
    endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
endif()
set(pc_libs_private -pthread ${CMAKE_DL_LIBS})
list(TRANSFORM pc_libs_private REPLACE "^([a-z]+)$" "-l\\1")
list(JOIN pc_libs_private " " pc_libs_private)
foreach(module vmt vmt-static vmt-cmocka)
    configure_file("${PROJECT_SOURCE_DIR}/cmake/${module}.pc.in" "${PROJECT_BINARY_DIR}/package/${module}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/package/${module}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT vmt_dev)
endforeach()
