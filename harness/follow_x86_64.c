/* SPDX-License-Identifier: MIT */
/* The start of a forked child on x86-64; see follow.h. It runs in the child: async-signal-safe. */
#include "follow.h"

#include <cpuid.h>
#include <errno.h>

enum {
    STACK_BYTES = 64 * 1024,
    FPU_BYTES = 16 * 1024, /* of XSAVE: 11 KiB with AMX, the largest there is */
};

/* A child runs on its own copy of these, and nobody else is in it then. */
static _Alignas(64) unsigned char stack[STACK_BYTES] __asm__("vmti_follow_stack") __attribute__((used));
static _Alignas(64) unsigned char fpu[FPU_BYTES] __asm__("vmti_follow_fpu") __attribute__((used));

/* Nearly every x86-64 processor since 2008 has XSAVE. */
bool vmti_follow_can_save(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
        return false;
    return b <= FPU_BYTES; /* bytes for all features that the system has enabled */
}

static __attribute__((used)) void begin(void) __asm__("vmti_follow_begin");

static void begin(void)
{
    int error = errno;
    vmti_following.further = true;
    vmti_region_begin_in_copy();
    errno = error;
}

_Static_assert(sizeof(struct vmti_follow_context) == 27 * 8 + 8 &&
                   offsetof(struct vmti_follow_context, mask) == 27 * 8 &&
                   offsetof(struct vmti_follow_context, regs.rdi) == 14 * 8 &&
                   offsetof(struct vmti_follow_context, regs.rip) == 16 * 8 &&
                   offsetof(struct vmti_follow_context, regs.eflags) == 18 * 8 &&
                   offsetof(struct vmti_follow_context, regs.rsp) == 19 * 8,
               "the stub pops registers in this order");

/*
 * The signals are unblocked on the child's own stack, where nothing of ours but the context lies, as a signal's frame
 * would: a handler that runs right then may fork, too. The jump goes through rcx, which after a system call holds the
 * address to return to in any case (Intel SDM, SYSCALL).
 */
__asm__(".text\n"
        ".hidden vmti_follow_stub\n"
        ".globl vmti_follow_stub\n"
        ".type vmti_follow_stub, @function\n"
        "vmti_follow_stub:\n"
        "   mov %rsp, %rbx\n"
        "   lea 65536+vmti_follow_stack(%rip), %rsp\n"
        "   cld\n"
        "   mov $-1, %eax\n"
        "   mov %eax, %edx\n"
        "   xsave64 vmti_follow_fpu(%rip)\n"
        "   call vmti_follow_begin\n"
        "   mov $-1, %eax\n"
        "   mov %eax, %edx\n"
        "   xrstor64 vmti_follow_fpu(%rip)\n"
        "   mov %rbx, %rsp\n"
        "   mov $14, %eax\n" /* rt_sigprocmask(SIG_SETMASK, &mask, NULL, 8) */
        "   mov $2, %edi\n"
        "   lea 216(%rsp), %rsi\n"
        "   xor %edx, %edx\n"
        "   mov $8, %r10d\n"
        "   syscall\n"
        "   pop %r15\n"
        "   pop %r14\n"
        "   pop %r13\n"
        "   pop %r12\n"
        "   pop %rbp\n"
        "   pop %rbx\n"
        "   pop %r11\n"
        "   pop %r10\n"
        "   pop %r9\n"
        "   pop %r8\n"
        "   pop %rax\n"
        "   pop %rcx\n"
        "   pop %rdx\n"
        "   pop %rsi\n"
        "   pop %rdi\n"
        "   mov 8(%rsp), %rcx\n" /* rip */
        "   lea 24(%rsp), %rsp\n"
        "   popfq\n"
        "   mov (%rsp), %rsp\n"
        "   jmp *%rcx\n"
        ".size vmti_follow_stub, . - vmti_follow_stub\n");

_Static_assert(STACK_BYTES == 65536, "the stub starts at its end");
