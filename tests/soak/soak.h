/* SPDX-License-Identifier: MIT */
/*
 * Inside soak, the random program (soak.c says what it is and how a run is replayed). Operations are functions without
 * arguments: what they draw, sum up and check belongs to the thread that runs them, `me`.
 *
 * All that an operation gives to mix() must be a function of the seed: no addresses, times, numbers of processes,
 * orders between threads, no counts of signals that a timer sent. What cannot be mixed can be checked: CHECK() ends the
 * program with status 99 and says which operation of which thread failed at which step.
 */
#ifndef SOAK_H
#define SOAK_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PAGE = 4096,
    SOAK_THREADS = 6,       /* at most */
    SOAK_SLOTS = 48,        /* objects that a thread keeps from step to step */
    SOAK_THREAD_SIGNALS = 4 /* real-time signals of a thread's own */
};

/* soak_operation.flags */
enum {
    SOAK_FORKS = 1 << 0,     /* makes processes: not while an exclusive one runs */
    SOAK_EXCLUSIVE = 1 << 1, /* changes what belongs to the whole process */
    SOAK_ALONE = 1 << 2, /* only where the program has one thread: leaves holes in the address space, moves the brk */
    SOAK_NO_CHILD = 1 << 3, /* not in a forked child: of locks that libc takes there may be one held for ever */
    SOAK_CHLD = 1 << 4,     /* takes SIGCHLD: only where the other threads block it */
};

struct soak_operation {
    const char *name; /* group.operation */
    unsigned weight;
    unsigned flags;
    void (*run)(void);
};

struct soak_group {
    const struct soak_operation *operations;
    size_t count;
};

/* An object that a thread keeps: its bytes are those that fill(memory, bytes, key) wrote. */
struct soak_slot {
    unsigned char *memory;
    size_t bytes;
    uint64_t key;
};

/* What a thread expects of its next SIGSEGV or SIGBUS. */
struct soak_fault {
    volatile sig_atomic_t armed;
    sigjmp_buf jump;             /* where to go, unless ... */
    bool (*mend)(void *address); /* ... this can make the access possible */
    volatile sig_atomic_t signal, code;
    void *volatile address;
    volatile unsigned count;
};

struct soak_thread {
    unsigned index;
    uint64_t step;
    const char *operation;
    uint64_t random;
    uint64_t digest;
    unsigned depth; /* of forked children and of helper threads */
    bool in_child;
    struct soak_fault fault;
    volatile unsigned hits[65]; /* of the counting handler, by signal */
    volatile uint64_t order;    /* digest of the signals and values that it saw, in order */
    unsigned char *scratch;     /* malloc'd; handlers use it */
    struct soak_slot slots[SOAK_SLOTS];
};

enum { SOAK_SCRATCH = 3 * PAGE };

/* What the seed says of the whole program. */
struct soak_settings {
    uint64_t seed;
    unsigned threads;
    uint64_t steps;  /* of each thread */
    unsigned window; /* to trace it with, ... */
    unsigned evict;
    unsigned scope;  /* ... 0: scope region, 1: ranges, else heap */
    bool writes;     /* ... telling writes from reads */
    unsigned end;    /* how it ends: enum soak_end */
    unsigned end_code;
    bool meet;          /* threads wait for each other every few steps */
    bool chld_blocked;  /* all threads block SIGCHLD */
    bool segv_on_stack; /* SA_ONSTACK, SA_NODEFER of the handlers for faults */
    bool segv_no_defer;
    bool alternate_stacks;
    bool small_stacks;    /* threads run on malloc'd stacks */
    bool fixed_threshold; /* large blocks are mappings of their own, always */
};

extern struct soak_settings soak;
extern __thread struct soak_thread *me;
extern bool soak_retry_eintr; /* --retry-eintr: a call that must not be interrupted may be */
extern char soak_folder[];    /* of this run; threads have sub-folders of their own */
extern atomic_ulong soak_shared_sum;

/* ---- soak.c */

uint64_t draw(void);
/* 0 ... n-1. */
uint64_t below(uint64_t n);
/* low ... high. */
uint64_t between(uint64_t low, uint64_t high);
/* One in n. */
bool one_in(unsigned n);
void mix(uint64_t value);
void mix_bytes(const void *memory, size_t bytes);
uint64_t hash(uint64_t value);
/* Bytes that a key says, and whether they are there still. */
void fill(void *memory, size_t bytes, uint64_t key);
bool filled(const void *memory, size_t bytes, uint64_t key);
/* A size for malloc: small ones often, some above the threshold of mmap. */
size_t some_size(void);
/* malloc that cannot fail. */
void *get(size_t bytes);

_Noreturn void soak_fail(const char *file, int line, const char *text, int64_t value, int64_t expected);
#define CHECK(condition) ((condition) ? (void)0 : soak_fail(__FILE__, __LINE__, #condition, 0, 0))
/* Whole numbers: both are told. */
#define CHECK_IS(value, expected)                                                                                      \
    do {                                                                                                               \
        int64_t value_ = (int64_t)(value), expected_ = (int64_t)(expected);                                            \
        if (value_ != expected_)                                                                                       \
            soak_fail(__FILE__, __LINE__, #value, value_, expected_);                                                  \
    } while (0)
/* A call that fails with this errno. */
#define CHECK_FAILS(call, error)                                                                                       \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK_IS(call, -1);                                                                                            \
        CHECK_IS(errno, error);                                                                                        \
    } while (0)
/* A call that no signal interrupts that is not ignored. */
#define UNINTERRUPTED(call)                                                                                            \
    __extension__({                                                                                                    \
        __typeof__(call) result_;                                                                                      \
        do {                                                                                                           \
            result_ = call;                                                                                            \
        } while (soak_retry_eintr && result_ == -1 && errno == EINTR);                                                 \
        result_;                                                                                                       \
    })

/* A few operations at random, of those that a child may do. */
void soak_steps_of_child(unsigned count);
/* A thread for a part of an operation: it begins with a random state of its own, and its digest goes into that of the
 * joining thread. */
struct soak_helper {
    pthread_t thread;
    struct soak_thread *state;
    void *(*run)(void *);
    void *argument;
    void *result;
};
void start_helper(struct soak_helper *helper, void *(*run)(void *), void *argument, const pthread_attr_t *attributes);
void *join_helper(struct soak_helper *helper);

/* ---- faults.c */

void soak_handle_faults(void);
/* Reads or writes a byte; 0, or the code of the fault (SEGV_MAPERR ...), whose address has been checked. */
int touch(volatile unsigned char *address, bool write);
/* Until end_mending(), faults of this thread go to mend(); how many there were. */
void begin_mending(bool (*mend)(void *address));
unsigned end_mending(void);

/* ---- signals.c */

void soak_handle_signals(void);
/* The n-th signal that only this thread uses; blocked in all threads between operations. */
int own_signal(unsigned n);
/* All signals that operations use. */
void soak_blocked(sigset_t *set);

/* ---- files.c */

/* Path of a name in this thread's folder, in one of four buffers of the thread's. */
const char *in_folder(const char *name);

extern const struct soak_group soak_heap, soak_maps, soak_files, soak_talk, soak_signals, soak_processes, soak_threads,
    soak_misc, soak_edges;
#define SOAK_GROUP(operations)                                                                                         \
    {                                                                                                                  \
        operations, sizeof(operations) / sizeof(operations)[0]                                                         \
    }

#endif
