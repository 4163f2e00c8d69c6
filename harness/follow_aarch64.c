/* SPDX-License-Identifier: MIT */
/* The start of a forked child on aarch64; see follow.h. It runs in the child: async-signal-safe. */
#define _GNU_SOURCE
#include "follow.h"

#include <asm/sigcontext.h>
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "os.h"

enum { STACK_BYTES = 64 * 1024 };

/*
 * A child runs on its own copy of these, and nobody else is in it then. The frame is what a signal's would be
 * (arch/arm64/kernel/signal.c, struct rt_sigframe): rt_sigreturn is the way to go on with all registers, for a jump
 * would need one of them.
 */
static _Alignas(16) unsigned char stack[STACK_BYTES] __asm__("vmti_follow_stack") __attribute__((used));
static struct fpsimd_context fpu __asm__("vmti_follow_fpu") __attribute__((used));
static _Alignas(16) struct {
    siginfo_t info;
    ucontext_t context;
} frame;

/* What is wider than the SIMD registers does not survive a system call (Documentation/arch/arm64/sve.rst), as a fork
 * is. */
bool vmti_follow_can_save(void)
{
    return true;
}

_Static_assert(offsetof(struct fpsimd_context, fpsr) == 8 && offsetof(struct fpsimd_context, vregs) == 16,
               "the stub stores registers there");
_Static_assert(offsetof(ucontext_t, uc_sigmask) + sizeof(siginfo_t) == VMTI_SIGFRAME_MASK,
               "the layout of struct rt_sigframe");

static __attribute__((used)) void *begin(const struct vmti_follow_context *from) __asm__("vmti_follow_begin");

static void *begin(const struct vmti_follow_context *from)
{
    mcontext_t *registers = &frame.context.uc_mcontext;
    int error = errno;
    memcpy(registers->regs, from->regs.user.regs, sizeof registers->regs);
    registers->sp = from->regs.user.sp;
    registers->pc = from->regs.user.pc;
    registers->pstate = from->regs.user.pstate;
    fpu.head.magic = FPSIMD_MAGIC;
    fpu.head.size = sizeof fpu;
    memcpy(registers->__reserved, &fpu, sizeof fpu); /* zeroes follow: the last record */
    memcpy(&frame.context.uc_sigmask, &from->mask, sizeof from->mask);
    vmti_sys(SYS_sigaltstack, 0, &frame.context.uc_stack, 0, 0, 0, 0); /* which rt_sigreturn sets */
    vmti_following.further = true;
    vmti_region_begin_in_copy();
    errno = error;
    return &frame;
}

__asm__(".text\n"
        ".hidden vmti_follow_stub\n"
        ".globl vmti_follow_stub\n"
        ".type vmti_follow_stub, @function\n"
        "vmti_follow_stub:\n"
        "   adrp x1, vmti_follow_fpu\n"
        "   add x1, x1, :lo12:vmti_follow_fpu\n"
        "   mrs x2, fpsr\n"
        "   mrs x3, fpcr\n"
        "   stp w2, w3, [x1, #8]\n"
        "   add x1, x1, #16\n"
        "   stp q0, q1, [x1], #32\n"
        "   stp q2, q3, [x1], #32\n"
        "   stp q4, q5, [x1], #32\n"
        "   stp q6, q7, [x1], #32\n"
        "   stp q8, q9, [x1], #32\n"
        "   stp q10, q11, [x1], #32\n"
        "   stp q12, q13, [x1], #32\n"
        "   stp q14, q15, [x1], #32\n"
        "   stp q16, q17, [x1], #32\n"
        "   stp q18, q19, [x1], #32\n"
        "   stp q20, q21, [x1], #32\n"
        "   stp q22, q23, [x1], #32\n"
        "   stp q24, q25, [x1], #32\n"
        "   stp q26, q27, [x1], #32\n"
        "   stp q28, q29, [x1], #32\n"
        "   stp q30, q31, [x1], #32\n"
        "   mov x0, sp\n"
        "   adrp x1, vmti_follow_stack + 65536\n"
        "   add x1, x1, :lo12:vmti_follow_stack + 65536\n"
        "   mov sp, x1\n"
        "   mov x29, xzr\n"
        "   mov x30, xzr\n"
        "   bl vmti_follow_begin\n"
        "   mov sp, x0\n"
        "   " VMTI_ASM_SIGRETURN "\n"
        ".size vmti_follow_stub, . - vmti_follow_stub\n");

_Static_assert(STACK_BYTES == 65536, "the stub starts at its end");
