/* SPDX-License-Identifier: MIT */
/* Signal frames of x86-64 (arch/x86/kernel/signal_64.c, x64_setup_rt_frame; arch/x86/include/asm/sigframe.h). Runs in
 * handlers: async-signal-safe, raw system calls only. */
#define _GNU_SOURCE
#include "frame.h"

#include <string.h>
#include <ucontext.h>

#include "../harness/os.h"

/* As the kernel lays it out; what libc calls ucontext_t has more behind the mask. */
struct kernel_context {
    uint64_t flags;
    uint64_t link;
    stack_t stack;
    uint64_t registers[23]; /* in the order of libc's REG_ numbers */
    uint64_t fpstate;
    uint64_t reserved[8];
    uint64_t mask;
};

struct kernel_frame {
    uint64_t return_address;
    struct kernel_context context;
    siginfo_t info;
};

_Static_assert(offsetof(struct kernel_frame, context.mask) == VMTI_SIGFRAME_MASK, "the layout of struct rt_sigframe");

/* The head of the saved floating-point state: struct _fpx_sw_bytes lies at 464 in the FXSAVE image
 * (arch/x86/include/uapi/asm/sigcontext.h). */
enum {
    FXSAVE_BYTES = 512,
    FX_CONTROL_WORD = 0,
    FX_MXCSR = 24,
    FX_SOFTWARE = 464,
    XSTATE_MAGIC = 0x46505853,
    XSTATE_COMPONENTS = 512, /* XSTATE_BV: which components are not in their initial state */
    MOST_STATE_BYTES = 12 * 1024,
    RED_ZONE = 128,
};

static struct kernel_context *context_of(const struct vmti_frame *frame)
{
    return frame->context;
}

/* libc's number of each member of vmti_regs, in its order; -1: not in a frame. */
static const signed char place[] = {
    REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX, REG_R11, REG_R10, REG_R9,  REG_R8, REG_RAX,
    REG_RCX, REG_RDX, REG_RSI, REG_RDI, -1,      REG_RIP, -1,      REG_EFL, REG_RSP,
};

uintptr_t vmti_frame_ip(const struct vmti_frame *frame)
{
    return context_of(frame)->registers[REG_RIP];
}

long vmti_frame_get_regs(const struct vmti_frame *frame, vmti_regs *regs)
{
    const struct kernel_context *context = context_of(frame);
    unsigned long long *to = (unsigned long long *)regs;
    memset(regs, 0, sizeof *regs);
    for (unsigned i = 0; i < sizeof place; i++)
        if (place[i] >= 0)
            to[i] = context->registers[(int)place[i]];
    regs->orig_rax = (unsigned long long)frame->call;
    regs->fs_base = vmti_thread_pointer();
    return 0;
}

long vmti_frame_set_regs(struct vmti_frame *frame, const vmti_regs *regs)
{
    struct kernel_context *context = context_of(frame);
    const unsigned long long *from = (const unsigned long long *)regs;
    for (unsigned i = 0; i < sizeof place; i++)
        if (place[i] >= 0)
            context->registers[(int)place[i]] = from[i];
    frame->call = (int64_t)regs->orig_rax;
    return 0;
}

long vmti_frame_set_arg(struct vmti_frame *frame, unsigned i, uint64_t value)
{
    static const signed char argument[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    context_of(frame)->registers[(int)argument[i]] = value;
    return 0;
}

long vmti_frame_get_mask(const struct vmti_frame *frame, uint64_t *mask)
{
    *mask = context_of(frame)->mask;
    return 0;
}

long vmti_frame_set_mask(struct vmti_frame *frame, const uint64_t *mask)
{
    context_of(frame)->mask = *mask;
    return 0;
}

long vmti_frame_get_siginfo(const struct vmti_frame *frame, siginfo_t *info)
{
    *info = *frame->info;
    return 0;
}

long vmti_frame_set_siginfo(struct vmti_frame *frame, const siginfo_t *info)
{
    *frame->info = *info;
    return 0;
}

/* ------------------------------------------------------------------------------------------- the program's handlers */

static size_t state_bytes(const unsigned char *state)
{
    uint32_t magic, bytes;
    if (!state)
        return 0;
    memcpy(&magic, state + FX_SOFTWARE, sizeof magic);
    memcpy(&bytes, state + FX_SOFTWARE + sizeof magic, sizeof bytes);
    return magic == XSTATE_MAGIC && bytes <= MOST_STATE_BYTES ? bytes : FXSAVE_BYTES;
}

/* Where the state and the rest of the frame go, as get_sigframe() has it. */
static uintptr_t places(const struct vmti_frame *frame, const struct vmti_sigaction *action,
                        const struct vmti_stack *stack, uintptr_t *state)
{
    const struct kernel_context *context = context_of(frame);
    uintptr_t sp = context->registers[REG_RSP] - RED_ZONE;
    if ((action->flags & SA_ONSTACK) && !(stack->flags & SS_DISABLE) && stack->bytes &&
        !vmti_is_on_stack(stack, context->registers[REG_RSP]))
        sp = stack->start + stack->bytes;
    *state = (sp - state_bytes((void *)(uintptr_t)context->fpstate)) & ~(uintptr_t)63;
    return ((*state - sizeof(struct kernel_frame)) & ~(uintptr_t)15) - sizeof(uint64_t);
}

bool vmti_frame_push(struct vmti_frame *frame, const struct vmti_sigaction *action, struct vmti_stack *stack,
                     uint64_t shown_mask, uint64_t handler_mask)
{
    struct kernel_context *context = context_of(frame);
    unsigned char *state = (void *)(uintptr_t)context->fpstate;
    uintptr_t state_at, at = places(frame, action, stack, &state_at);
    pid_t tid = vmti_own_tid(); /* the process's number does not do: its first thread may have ended */
    struct kernel_frame copy = {.return_address = action->restorer, .context = *context, .info = *frame->info};
    copy.context.mask = shown_mask;
    copy.context.stack = (stack_t){.ss_sp = (void *)stack->start, .ss_flags = stack->flags, .ss_size = stack->bytes};
    copy.context.fpstate = state ? state_at : 0;
    /* Through the kernel, which refuses what is not there, where a store of ours would fault. */
    if ((state && !vmti_program_write(tid, state_at, state, state_bytes(state))) ||
        !vmti_program_write(tid, at, &copy, sizeof copy))
        return false;
    if (stack->flags & VMTI_SS_AUTODISARM)
        *stack = (struct vmti_stack){.flags = SS_DISABLE};
    context->mask = handler_mask;
    context->registers[REG_RIP] = action->handler;
    context->registers[REG_RSP] = at;
    context->registers[REG_RAX] = 0;
    context->registers[REG_RDI] = (uint64_t)frame->signal;
    context->registers[REG_RSI] = at + offsetof(struct kernel_frame, info);
    context->registers[REG_RDX] = at + offsetof(struct kernel_frame, context);
    enum { TRAP = 1 << 8, DIRECTION = 1 << 10, RESUME = 1 << 16 }; /* cleared for handlers: handle_signal() */
    context->registers[REG_EFL] &= ~(uint64_t)(TRAP | DIRECTION | RESUME);
    if (state) { /* a handler begins with the initial state: fpu__clear_user_states() */
        uint16_t control = 0x37f;
        uint32_t mxcsr = 0x1f80;
        if (state_bytes(state) > FXSAVE_BYTES)
            memset(state + XSTATE_COMPONENTS, 0, sizeof(uint64_t));
        memcpy(state + FX_CONTROL_WORD, &control, sizeof control);
        memcpy(state + FX_MXCSR, &mxcsr, sizeof mxcsr);
    }
    return true;
}

bool vmti_frame_pop(struct vmti_frame *frame, uintptr_t sp, struct vmti_stack *stack, uint64_t *mask)
{
    struct kernel_context *context = context_of(frame), wanted;
    unsigned char *state = (void *)(uintptr_t)context->fpstate;
    pid_t tid = vmti_own_tid();
    if (!vmti_program_read(tid, &wanted, sp - sizeof(uint64_t) + offsetof(struct kernel_frame, context), sizeof wanted))
        return false;
    if (state && wanted.fpstate && !vmti_program_read(tid, state, wanted.fpstate, state_bytes(state)))
        return false;
    memcpy(context->registers, wanted.registers, sizeof context->registers);
    *mask = wanted.mask;
    *stack = (struct vmti_stack){(uintptr_t)wanted.stack.ss_sp, wanted.stack.ss_size, wanted.stack.ss_flags};
    return true;
}
