/* SPDX-License-Identifier: MIT */
/* What depends on the processor: page size, addresses with a tag, records of a signal frame, the call that a thread is
 * in. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "proc.h"
#include "types.h"

static void pages_of_another_size_are_refused_by_name(void **state)
{
    (void)state;
    assert_int_equal(vmti_check_page_size(4096), 0);
    assert_int_equal(vmti_check_page_size(16384), -ENOTSUP);
    assert_non_null(strstr(vmt_error_text(), "pages of 16384 bytes"));
    assert_int_equal(vmti_check_page_size(65536), -ENOTSUP);
    assert_non_null(strstr(vmt_error_text(), "pages of 65536 bytes"));
    assert_non_null(strstr(vmt_error_text(), "pages of 4096 bytes"));
}

static void a_tag_is_no_part_of_an_address(void **state)
{
    (void)state;
    const uint64_t address = 0x0000fffff7a51008, tagged = 0x5a00fffff7a51008;
    assert_int_equal(vmti_untag(address), address);
#ifdef __aarch64__
    assert_int_equal(vmti_untag(tagged), address);
#else
    assert_int_equal(vmti_untag(tagged), tagged);
#endif
    /* One of the kernel's stays out of the program's address space. */
    assert_true(vmti_untag(0xffff800000001000) >= (uint64_t)1 << VMTI_ADDRESS_BITS);
}

/* proc_pid_syscall(5) */
static void hexadecimal_numbers_are_read_one_by_one(void **state)
{
    (void)state;
    const char *at = "22 0x4 0xffffed08a0f8 0x0 0x7fffffff";
    int64_t nr = 0;
    uint64_t number = 1;
    assert_true(vmti_proc_number(&at, &nr));
    assert_int_equal(nr, 22);
    assert_true(vmti_proc_hex(&at, &number));
    assert_int_equal(number, 4);
    assert_true(vmti_proc_hex(&at, &number));
    assert_int_equal(number, 0xffffed08a0f8);
    assert_true(vmti_proc_hex(&at, &number));
    assert_int_equal(number, 0);
    assert_true(vmti_proc_hex(&at, &number));
    assert_int_equal(number, 0x7fffffff);
    assert_false(vmti_proc_hex(&at, &number));
}

#ifdef __aarch64__
/* Records as the kernel writes them: SIMD registers, the fault, and, if these take all the room, the rest elsewhere. */
static void a_frame_tells_whether_the_fault_wrote(void **state)
{
    (void)state;
    enum { FPSIMD = 0x46508001, ESR = 0x45535201, EXTRA = 0x45585401, FPSIMD_BYTES = 528 };
    static _Alignas(16) unsigned char frame[1024], rest[64];
    const uint32_t simd[2] = {FPSIMD, FPSIMD_BYTES}, fault[2] = {ESR, 16}, extra[2] = {EXTRA, 32};
    const uint64_t reads = 0x92000007, writes = 0x9200004f, where = (uintptr_t)rest;
    memcpy(frame, simd, sizeof simd);
    assert_false(vmti_esr_wrote(frame));
    memcpy(frame + FPSIMD_BYTES, fault, sizeof fault);
    memcpy(frame + FPSIMD_BYTES + sizeof fault, &reads, sizeof reads);
    assert_false(vmti_esr_wrote(frame));
    memcpy(frame + FPSIMD_BYTES + sizeof fault, &writes, sizeof writes);
    assert_true(vmti_esr_wrote(frame));
    memcpy(frame + FPSIMD_BYTES, extra, sizeof extra);
    memcpy(frame + FPSIMD_BYTES + sizeof extra, &where, sizeof where);
    assert_false(vmti_esr_wrote(frame));
    memcpy(rest, fault, sizeof fault);
    memcpy(rest + sizeof fault, &writes, sizeof writes);
    assert_true(vmti_esr_wrote(frame));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_another_size_are_refused_by_name),
        cmocka_unit_test(a_tag_is_no_part_of_an_address),
        cmocka_unit_test(hexadecimal_numbers_are_read_one_by_one),
#ifdef __aarch64__
        cmocka_unit_test(a_frame_tells_whether_the_fault_wrote),
#endif
    };
    return cmocka_run_group_tests_name("arch", tests, NULL, NULL);
}
