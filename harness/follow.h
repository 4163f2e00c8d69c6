/* SPDX-License-Identifier: MIT */
/*
 * `vmtrace run --follow`: the processes that the program makes, and the programs that it replaces itself by, are traced
 * into files of their own. A child that has a copy of the memory begins a region of its own before its first
 * instruction (follow.c, catcher/follow.c); what runs after an execve begins one in the constructor of the preloaded
 * libvmt (preload.c), for which the catcher changes the environment that the call passes on (catcher/follow_exec.c).
 */
#ifndef VMTI_FOLLOW_H
#define VMTI_FOLLOW_H

#include "types.h"

/* Constant once the program's code runs; a forked child has its copy. */
struct vmti_following {
    bool on;
    bool forks;         /* this processor's registers can be saved where a child begins */
    bool further;       /* not the program that `vmtrace run` started: its trace is FILE.PID */
    uint64_t since;     /* realtime clock, ns, when `vmtrace run` started: traces begun after it are of this run */
    vmt_config config;  /* trace_path: FILE, in `file` */
    char file[4096];
    char library[4096]; /* libvmt, for LD_PRELOAD */
};

extern VMTI_HIDDEN struct vmti_following vmti_following;

/* In the constructor: this process is followed. */
VMTI_HIDDEN void vmti_follow_start(const vmt_config *config, const char *library, uint64_t since, bool further);

/* The registers and the mask of a forked child, as the catcher puts them on the child's stack below the red zone. */
struct vmti_follow_context {
    vmti_regs regs;
    uint64_t mask;
};

/* Can the stub save all registers of this processor? */
VMTI_HIDDEN bool vmti_follow_can_save(void);

/* Where a forked child is made to start, with its stack pointer on that: begins its region on a stack of ours, then
 * goes on as the context says. All its signals are blocked until then. */
VMTI_HIDDEN void vmti_follow_stub(void);

/* In region.c: begins a region in a copy of a traced process, in the place of the region that was copied. Its pages are
 * open, its handlers the program's. Async-signal-safe. If it fails, the child runs untraced. */
VMTI_HIDDEN void vmti_region_begin_in_copy(void);

#endif
