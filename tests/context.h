/* SPDX-License-Identifier: MIT */
/* What a signal handler of a test asks of the context that it is given, for each processor. Needs _GNU_SOURCE. */
#ifndef VMT_TESTS_CONTEXT_H
#define VMT_TESTS_CONTEXT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)

#define ILLEGAL_INSTRUCTION "ud2"
#define ILLEGAL_CODE "\x0f\x0b"
enum { ILLEGAL_BYTES = 2 };
#define ILLEGAL_SI_CODE ILL_ILLOPN
#define BREAKPOINT_INSTRUCTION "int3"
#define BREAKPOINT_SI_CODE SI_KERNEL

static inline uint64_t context_argument(const ucontext_t *context, unsigned i)
{
    static const int place[] = {REG_RDI, REG_RSI, REG_RDX};
    return (uint64_t)context->uc_mcontext.gregs[place[i]];
}

static inline void context_set_result(ucontext_t *context, long result)
{
    context->uc_mcontext.gregs[REG_RAX] = result;
}

/* On beyond an instruction that the processor refuses. */
static inline void context_skip_illegal(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP] += ILLEGAL_BYTES;
}

/* On after a breakpoint; a thread that is stepped is no longer. */
static inline void context_leave_trap(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
}

/* The processor's own account of a fault: the kind of trap (0: there is none), the error, the address. */
static inline uint64_t context_trap(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_TRAPNO];
}

static inline uint64_t context_error(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_ERR];
}

static inline uint64_t context_fault_address(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_CR2];
}

static inline bool context_wrote(const ucontext_t *context)
{
    return context_error(context) & 2;
}

#elif defined(__aarch64__)

#define ILLEGAL_INSTRUCTION "udf #0"
#define ILLEGAL_CODE "\0\0\0"
enum { ILLEGAL_BYTES = 4 };
#define ILLEGAL_SI_CODE ILL_ILLOPC
#define BREAKPOINT_INSTRUCTION "brk #0"
#define BREAKPOINT_SI_CODE TRAP_BRKPT

static inline uint64_t context_argument(const ucontext_t *context, unsigned i)
{
    return context->uc_mcontext.regs[i];
}

static inline void context_set_result(ucontext_t *context, long result)
{
    context->uc_mcontext.regs[0] = (uint64_t)result;
}

static inline void context_skip_illegal(ucontext_t *context)
{
    context->uc_mcontext.pc += ILLEGAL_BYTES;
}

static inline void context_leave_trap(ucontext_t *context)
{
    context->uc_mcontext.pc += 4;
}

static inline uint64_t context_trap(const ucontext_t *context)
{
    (void)context;
    return 0;
}

/* The exception syndrome, a record of the frame (asm/sigcontext.h, struct esr_context); 0: there is none. */
static inline uint64_t context_error(const ucontext_t *context)
{
    const unsigned char *record = (const unsigned char *)context->uc_mcontext.__reserved;
    const unsigned char *end = record + sizeof context->uc_mcontext.__reserved;
    struct esr_context esr;
    while (record + sizeof esr <= end) {
        memcpy(&esr, record, sizeof esr);
        if (esr.head.magic == ESR_MAGIC)
            return esr.esr;
        if (!esr.head.magic || esr.head.size < sizeof esr.head)
            break;
        record += esr.head.size;
    }
    return 0;
}

static inline uint64_t context_fault_address(const ucontext_t *context)
{
    return context->uc_mcontext.fault_address;
}

/* Bit 6 of a data abort's syndrome, WnR (arch/arm64/include/asm/esr.h, ESR_ELx_WNR). */
static inline bool context_wrote(const ucontext_t *context)
{
    return context_error(context) & 1 << 6;
}

#else
#error "no signal context of this processor is known here"
#endif

#endif
