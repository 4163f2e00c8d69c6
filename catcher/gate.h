/* SPDX-License-Identifier: MIT */
/*
 * The dispatch engine's only instructions that may make system calls while they are dispatched: the return from our
 * handlers, and ways to make a call of the program's once it has been walked. The thread comes there with every
 * register as the program has it but the stack pointer, which has been moved past the red zone to struct
 * vmti_gate_slots.
 */
#ifndef VMTI_GATE_H
#define VMTI_GATE_H

#include "../harness/types.h"

/* What a thread in the gate has moved its stack pointer by: the red zone (System V ABI, AMD64) and the slots. */
enum { VMTI_GATE_BYTES = 128 + 32 };

/* What lies at the stack pointer of a thread in the gate. */
struct vmti_gate_slots {
    uint64_t back;   /* where it goes on */
    int64_t result;
    const struct vmti_sigaction *action; /* for vmti_gate_exec */
    const uint64_t *mask;
};

/* [start, end): calls from there are not dispatched. */
extern VMTI_HIDDEN const char vmti_gate_start[], vmti_gate_end[];
/* rt_sigreturn for our handlers. */
extern VMTI_HIDDEN const char vmti_gate_restorer[];
/* Makes the call and returns. */
extern VMTI_HIDDEN const char vmti_gate_plain[];
/* Makes the call and has it told that it has returned: by a call that is dispatched, and that no kernel has. */
extern VMTI_HIDDEN const char vmti_gate_exit[], vmti_gate_told[];
/* The same where SIGSYS cannot tell, because the call finds it blocked: faults when it has returned. */
extern VMTI_HIDDEN const char vmti_gate_halting[];
/* Makes a clone, and has both the parent and the child fault when it has returned. A child that shares the memory has
 * no stack but that of ours then: nothing is written to it. */
extern VMTI_HIDDEN const char vmti_gate_clone[], vmti_gate_halt[];
/* Makes an execve with SIGSYS ignored or blocked; if it fails, gives it the action and the mask of the slots before it
 * tells. */
extern VMTI_HIDDEN const char vmti_gate_exec[];

static inline bool vmti_gate_holds(uintptr_t ip)
{
    return ip >= (uintptr_t)vmti_gate_start && ip < (uintptr_t)vmti_gate_end;
}

/* Where in the gate a thread is. */
enum vmti_gate_place {
    VMTI_GATE_OUTSIDE,
    VMTI_GATE_BEFORE, /* the call has not been made, or is about to be made again */
    VMTI_GATE_AFTER,  /* it has returned */
};

/* If the thread is in the gate with call `nr`, whose instruction ends at `back`, gives it the registers that the
 * program would have: those of before the call, or those of after it. What lies at its stack pointer is there. */
VMTI_HIDDEN enum vmti_gate_place vmti_gate_leave(vmti_regs *regs, const struct vmti_call *call);

#endif
