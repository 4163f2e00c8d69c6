/* SPDX-License-Identifier: MIT */
/* SIGSEGV and SIGBUS that the program expects: jumped over, or mended. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "soak.h"

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    struct soak_fault *fault = &me->fault;
    fault->signal = signal;
    fault->code = info->si_code;
    fault->address = info->si_addr;
    fault->count++;
    /* heap memory, while the signal is blocked */
    volatile unsigned char *byte = me->scratch + fault->count * 977 % SOAK_SCRATCH;
    *byte = *byte;
    if (fault->armed) {
        fault->armed = 0;
        siglongjmp(fault->jump, 1);
    }
    if (!fault->mend || !fault->mend(info->si_addr)) {
        char text[120];
        snprintf(text, sizeof text, "no signal %d with code %d at %p", signal, info->si_code, info->si_addr);
        soak_fail(__FILE__, __LINE__, text, 0, 0);
    }
    errno = error;
}

void soak_handle_faults(void)
{
    struct sigaction action = {.sa_sigaction = handle,
                               .sa_flags = SA_SIGINFO | (soak.segv_on_stack ? SA_ONSTACK : 0) |
                                           (soak.segv_no_defer ? SA_NODEFER : 0)};
    sigemptyset(&action.sa_mask);
    CHECK_IS(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_IS(sigaction(SIGBUS, &action, NULL), 0);
    struct sigaction now;
    CHECK_IS(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_sigaction == handle);
    CHECK_IS(now.sa_flags & ~0x04000000, action.sa_flags); /* SA_RESTORER */
}

int touch(volatile unsigned char *address, bool write)
{
    struct soak_fault *fault = &me->fault;
    if (sigsetjmp(fault->jump, !soak.segv_no_defer)) {
        CHECK(fault->address == address);
        return fault->code;
    }
    fault->armed = 1;
    if (write)
        *address = *address;
    else
        (void)*address;
    fault->armed = 0;
    return 0;
}

void begin_mending(bool (*mend)(void *address))
{
    me->fault.count = 0;
    me->fault.mend = mend;
}

unsigned end_mending(void)
{
    me->fault.mend = NULL;
    return me->fault.count;
}
