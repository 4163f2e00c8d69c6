# SPDX-License-Identifier: MIT
#
# add_worked_example(<name> FAILS_WITH <regular expression>): <name>_test.c, built twice. As it is, it is the test
# <name>_held, whose budget holds. With BROKEN defined it is <name>_broken: the same test on code that walks through
# more memory, which must fail; and <name>_broken_message: it must say so in these words, so that it does not fail for
# another reason.

function(add_worked_example name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FAILS_WITH" "")
    foreach(variant held broken)
        add_executable(${name}_${variant} ${name}_test.c)
        # libvmt first: its malloc family must be found before any other.
        target_link_libraries(${name}_${variant} PRIVATE vmt::vmt vmti_cmocka)
        set_target_properties(${name}_${variant} PROPERTIES
            C_STANDARD 11
            ENABLE_EXPORTS ON) # so that the failure can name the functions that allocated
        target_compile_options(${name}_${variant} PRIVATE -Wall -Wextra $<$<BOOL:${VMT_WERROR}>:-Werror>)
        add_test(NAME examples.${name}_${variant} COMMAND ${name}_${variant})
    endforeach()
    target_compile_definitions(${name}_broken PRIVATE BROKEN)
    add_test(NAME examples.${name}_broken_message COMMAND ${name}_broken)
    set_tests_properties(examples.${name}_held examples.${name}_broken examples.${name}_broken_message PROPERTIES
        LABELS examples
        TIMEOUT 60)
    set_tests_properties(examples.${name}_broken PROPERTIES WILL_FAIL ON)
    set_tests_properties(examples.${name}_broken_message PROPERTIES PASS_REGULAR_EXPRESSION "${arg_FAILS_WITH}")
endfunction()
