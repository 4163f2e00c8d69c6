/* SPDX-License-Identifier: MIT */
/*
 * Stacks in malloc'd memory: alternate signal stacks (their read-back, overflows caught on them), stacks of threads,
 * coroutines that signals interrupt, and a handler's frame that is closed when the handler returns.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "behave.h"

enum { STACK = 65536 };

static sigjmp_buf before;
static volatile int caught, on_alternate;
static char *alternate;

static int is_on_alternate(const void *local)
{
    const char *at = local;
    return at > alternate && at < alternate + STACK;
}

static void overflowed(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    char local[3000];
    memset(local, 1, sizeof local);
    on_alternate += is_on_alternate(local);
    caught++;
    siglongjmp(before, 1);
}

static void small(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    char local[2000];
    memset(local, 2, sizeof local);
    on_alternate += is_on_alternate(local);
    stack_t now;
    sigaltstack(NULL, &now);
    caught += now.ss_flags == SS_ONSTACK;
}

static int recurse(int depth)
{
    volatile char local[PAGE];
    local[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + local[0];
}

static void *overflow(void *none)
{
    alternate = new_memory(STACK);
    stack_t stack = {.ss_sp = alternate, .ss_size = STACK}, now;
    result("sigaltstack", sigaltstack(&stack, NULL));
    sigaltstack(NULL, &now);
    printf("same %d, size %zu, flags %d\n", now.ss_sp == alternate, now.ss_size, now.ss_flags);
    for (volatile int i = 0; i < 15; i++) {
        if (!sigsetjmp(before, 1))
            recurse(0);
        raise(SIGUSR1);
    }
    stack.ss_size = 10;
    result("a small one", sigaltstack(&stack, NULL));
    stack.ss_flags = SS_DISABLE;
    result("none", sigaltstack(&stack, NULL));
    sigaltstack(NULL, &now);
    printf("flags %d\n", now.ss_flags);
    memset(alternate, 0, STACK);
    free(alternate);
    return none;
}

static int overflows(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    set_handler(SIGSEGV, overflowed, SA_ONSTACK);
    set_handler(SIGUSR1, small, SA_ONSTACK);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 4 * STACK);
    pthread_create(&thread, &attributes, overflow, NULL);
    pthread_join(thread, NULL);
    printf("caught %d, on the alternate stack %d\n", caught, on_alternate);

    caught = on_alternate = 0;
    char *stack = new_memory(4 * STACK);
    mprotect(stack, PAGE, PROT_NONE);
    pthread_attr_setstack(&attributes, stack, 4 * STACK);
    pthread_create(&thread, &attributes, overflow, NULL);
    pthread_join(thread, NULL);
    mprotect(stack, PAGE, PROT_READ | PROT_WRITE);
    memset(stack, 1, 4 * STACK);
    free(stack);
    printf("caught %d, on the alternate stack %d\n", caught, on_alternate);
    return 0;
}

enum { COROUTINES = 12, SWITCHES = 100 };

static ucontext_t scheduler, coroutine[COROUTINES];
static volatile int done, ticks;
static unsigned long results[COROUTINES];

static void tick(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    char local[300];
    memset(local, signal, sizeof local);
    ticks += ((volatile char *)local)[7] != 0;
}

static void compute(int self)
{
    unsigned long sum = (unsigned long)self;
    for (int k = 0; k < SWITCHES; k++) {
        volatile char local[9000];
        local[0] = (char)k;
        local[sizeof local - 1] = (char)self;
        for (int j = 0; j < 12; j++)
            sum = sum * 31 + (unsigned char)local[0] + (unsigned char)local[sizeof local - 1];
        char text[64];
        snprintf(text, sizeof text, "%lu", sum);
        sum += strlen(text);
        if (k % 10 == 0)
            getppid();
        swapcontext(&coroutine[self], &scheduler);
    }
    results[self] = sum;
    done++;
}

static int coroutines(void)
{
    set_handler(SIGALRM, tick, SA_RESTART);
    struct itimerval every = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &every, NULL);
    for (volatile int n = 0; n < COROUTINES; n++) {
        int i = n;
        getcontext(&coroutine[i]);
        coroutine[i].uc_stack.ss_sp = new_memory(STACK);
        coroutine[i].uc_stack.ss_size = STACK;
        coroutine[i].uc_link = &scheduler;
        makecontext(&coroutine[i], (void (*)(void))(void *)compute, 1, i);
    }
    while (done < COROUTINES)
        for (int i = 0; i < COROUTINES; i++)
            if (!results[i])
                swapcontext(&scheduler, &coroutine[i]);
    while (ticks < 20)
        ;
    unsigned long sum = 0;
    for (int i = 0; i < COROUTINES; i++)
        sum = sum * 7 + results[i];
    printf("%lu\n", sum);
    return 0;
}

static void touch(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    touch_heap(); /* more pages than a window: the frame's page is closed */
}

static void raise_inside(void)
{
    raise(SIGUSR1);
    puts("returned");
}

static int closed_frame(void)
{
    touch_heap();
    set_handler(SIGUSR1, touch, 0);
    getcontext(&coroutine[0]);
    coroutine[0].uc_stack.ss_sp = new_memory(STACK);
    coroutine[0].uc_stack.ss_size = STACK;
    coroutine[0].uc_link = &scheduler;
    makecontext(&coroutine[0], raise_inside, 0);
    swapcontext(&scheduler, &coroutine[0]);
    puts("end");
    return 0;
}

BEHAVIOURS({"overflows", overflows}, {"coroutines", coroutines}, {"closed_frame", closed_frame})
