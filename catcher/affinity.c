/* SPDX-License-Identifier: MIT */
/*
 * Catcher and program share one CPU while a region is traced: handing over on one CPU costs a quarter of waking the
 * other (ARCHITECTURE.md has figures), and one catcher answers all stops anyway. The kernel would move the program away
 * at each resume, as its CPU looks busy then (kernel/sched/fair.c, select_idle_sibling), so the program is bound too,
 * and shown the mask that it believes it has.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

enum { MASK_BYTES = sizeof ((struct vmti_thread *)0)->affinity };

static bool has_cpu(const uint64_t *mask, unsigned cpu)
{
    return cpu < MASK_BYTES * 8 && (mask[cpu / 64] >> (cpu % 64) & 1);
}

static void bind_to(pid_t tid, unsigned cpu)
{
    uint64_t mask[MASK_BYTES / 8] = {0};
    mask[cpu / 64] = (uint64_t)1 << (cpu % 64);
    vmti_sys(SYS_sched_setaffinity, tid, sizeof mask, mask, 0, 0, 0);
}

void vmti_affinity_start(struct vmti_catcher *c)
{
    c->cpu = c->r->cpu;
    if (c->cpu < MASK_BYTES * 8)
        bind_to(0, c->cpu);
}

void vmti_affinity_take(struct vmti_catcher *c, struct vmti_thread *t)
{
    if (!t->has_affinity) {
        memset(t->affinity, 0, sizeof t->affinity);
        /* EINVAL where the kernel has more CPUs than the mask has bits: such a thread stays as it is. */
        t->has_affinity = vmti_sys(SYS_sched_getaffinity, t->tid, sizeof t->affinity, t->affinity, 0, 0, 0) > 0;
    }
    if (t->has_affinity && has_cpu(t->affinity, c->cpu))
        bind_to(t->tid, c->cpu);
}

void vmti_affinity_inherit(struct vmti_thread *child, const struct vmti_thread *parent)
{
    memcpy(child->affinity, parent->affinity, sizeof child->affinity);
    child->has_affinity = parent->has_affinity;
}

void vmti_affinity_give_back(const struct vmti_thread *t)
{
    if (t->has_affinity)
        vmti_sys(SYS_sched_setaffinity, t->tid, sizeof t->affinity, t->affinity, 0, 0, 0);
}

void vmti_affinity_after(struct vmti_catcher *c, struct vmti_thread *t, int64_t result)
{
    bool shown = t->row->effect == VMTI_EFFECT_SCHED_GETAFFINITY;
    if (result < 0 && !(shown && result == -EFAULT)) /* what came before the bad page was written */
        return;
    pid_t tid = (pid_t)t->call.args[0];
    struct vmti_thread *target = tid ? vmti_thread_find(c->r, tid) : t;
    if (!target || !target->has_affinity)
        return;
    if (t->row->effect == VMTI_EFFECT_SCHED_SETAFFINITY) {
        target->has_affinity = false; /* the kernel holds the program's new mask: take it, and bind again */
        vmti_affinity_take(c, target);
    } else {
        /* The result is the number of bytes that the kernel wrote (kernel/sched/syscalls.c). */
        size_t bytes = result < 0 ? (uint32_t)t->call.args[1] : (size_t)result;
        if (bytes > MASK_BYTES)
            bytes = MASK_BYTES;
        vmti_program_write(c->r->catcher, t->call.args[2], target->affinity, bytes);
    }
}
