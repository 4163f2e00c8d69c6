/* SPDX-License-Identifier: MIT */
/* See gate.h. vmti_gate_leave() runs in our handlers: async-signal-safe. */
#include "gate.h"

#include "../harness/tell.h"

/* rcx is where the instruction after `syscall` is, as natively; no way through changes a flag. */
__asm__(".pushsection .text\n"
        ".balign 64\n"
        ".globl vmti_gate_start, vmti_gate_end, vmti_gate_restorer, vmti_gate_plain, vmti_gate_exit, vmti_gate_told\n"
        ".globl vmti_gate_halting, vmti_gate_clone, vmti_gate_halt, vmti_gate_exec\n"
        ".hidden vmti_gate_start, vmti_gate_end, vmti_gate_restorer, vmti_gate_plain, vmti_gate_exit, vmti_gate_told\n"
        ".hidden vmti_gate_halting, vmti_gate_clone, vmti_gate_halt, vmti_gate_exec\n"
        "vmti_gate_start:\n"
        "vmti_gate_restorer: mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        "vmti_gate_plain: syscall\n"
        "vmti_gate_plain_done: mov (%rsp), %rcx\n"
        "vmti_gate_plain_loaded: lea 160(%rsp), %rsp\n"
        "vmti_gate_plain_moved: jmp *%rcx\n"
        "vmti_gate_exit: syscall\n"
        "vmti_gate_exit_done: mov %rax, 8(%rsp)\n"
        "vmti_gate_exit_saved: mov $0x2d564d54, %eax\n"
        "    jmp vmti_gate_tell\n"
        "vmti_gate_exec: syscall\n"
        "vmti_gate_exec_done: mov %rax, 8(%rsp)\n"
        "vmti_gate_exec_saved: mov $13, %eax\n" /* rt_sigaction(SIGSYS, slots.action, NULL, 8) */
        "    mov $31, %edi\n"
        "    mov 16(%rsp), %rsi\n"
        "    mov $0, %edx\n"
        "    mov $8, %r10d\n"
        "    syscall\n"
        "    mov $14, %eax\n" /* rt_sigprocmask(SIG_SETMASK, slots.mask, NULL, 8) */
        "    mov $2, %edi\n"
        "    mov 24(%rsp), %rsi\n"
        "    mov $0, %edx\n"
        "    mov $8, %r10d\n"
        "    syscall\n"
        "    mov $0x2d564d54, %eax\n"
        "    jmp vmti_gate_tell\n"
        "vmti_gate_halting: syscall\n"
        "vmti_gate_halting_done: hlt\n"
        "vmti_gate_clone: syscall\n"
        "vmti_gate_halt: hlt\n"
        "vmti_gate_end:\n"
        "vmti_gate_tell: syscall\n"
        "vmti_gate_told: mov 8(%rsp), %rax\n"
        "vmti_gate_told_taken: mov (%rsp), %rcx\n"
        "vmti_gate_told_loaded: lea 160(%rsp), %rsp\n"
        "vmti_gate_told_moved: jmp *%rcx\n"
        ".popsection\n");

_Static_assert(VMTI_TELL_NR == 0x2d564d54 && VMTI_GATE_BYTES == 160 && sizeof(struct vmti_gate_slots) == 32,
               "the numbers in the gate");

extern VMTI_HIDDEN const char vmti_gate_plain_done[], vmti_gate_plain_loaded[], vmti_gate_plain_moved[],
    vmti_gate_exit_done[], vmti_gate_exit_saved[], vmti_gate_exec_done[], vmti_gate_exec_saved[],
    vmti_gate_halting_done[], vmti_gate_tell[], vmti_gate_told_taken[], vmti_gate_told_loaded[], vmti_gate_told_moved[];

enum { IN_RAX = 1, MOVED = 2 };

/* Each holds up to the next. */
static const struct {
    const char *from;
    enum vmti_gate_place place;
    int flags; /* whether the result is in rax still, and the stack pointer the program's again */
} places[] = {
    {vmti_gate_plain, VMTI_GATE_BEFORE, 0},
    {vmti_gate_plain_done, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_plain_loaded, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_plain_moved, VMTI_GATE_AFTER, IN_RAX | MOVED},
    {vmti_gate_exit, VMTI_GATE_BEFORE, 0},
    {vmti_gate_exit_done, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_exit_saved, VMTI_GATE_AFTER, 0},
    {vmti_gate_exec, VMTI_GATE_BEFORE, 0},
    {vmti_gate_exec_done, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_exec_saved, VMTI_GATE_AFTER, 0},
    {vmti_gate_halting, VMTI_GATE_BEFORE, 0},
    {vmti_gate_halting_done, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_clone, VMTI_GATE_BEFORE, 0},
    {vmti_gate_halt, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_tell, VMTI_GATE_AFTER, 0},
    {vmti_gate_told, VMTI_GATE_AFTER, 0},
    {vmti_gate_told_taken, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_told_loaded, VMTI_GATE_AFTER, IN_RAX},
    {vmti_gate_told_moved, VMTI_GATE_AFTER, IN_RAX | MOVED},
};

enum vmti_gate_place vmti_gate_leave(vmti_regs *regs, const struct vmti_call *call)
{
    unsigned i = sizeof places / sizeof *places;
    if (regs->rip > (uintptr_t)vmti_gate_told_moved)
        return VMTI_GATE_OUTSIDE;
    while (i && regs->rip < (uintptr_t)places[i - 1].from)
        i--;
    if (!i--)
        return VMTI_GATE_OUTSIDE;
    if (!(places[i].flags & IN_RAX) && places[i].place == VMTI_GATE_AFTER)
        regs->rax = (uint64_t)((const struct vmti_gate_slots *)(uintptr_t)regs->rsp)->result;
    if (!(places[i].flags & MOVED))
        regs->rsp += VMTI_GATE_BYTES;
    regs->rip = regs->rcx = call->ip;
    if (places[i].from >= vmti_gate_exec_done && places[i].from <= vmti_gate_told) { /* which may have used them */
        regs->rdi = call->args[0];
        regs->rsi = call->args[1];
        regs->rdx = call->args[2];
        regs->r10 = call->args[3];
    }
    if (places[i].place == VMTI_GATE_BEFORE) {
        regs->rip -= VMTI_SYSCALL_INSN;
        regs->rax = (uint64_t)call->nr;
    }
    return places[i].place;
}
