/* SPDX-License-Identifier: MIT */
/* aarch64, little-endian, for arch.h. Beside this file only follow_aarch64.c names a register. */
#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/user.h>

#define VMTI_PROCESSOR "aarch64"
#define VMTI_LOADER "ld-linux-aarch64.so."
#define VMTI_MULTIARCH "aarch64-linux-gnu"
enum { VMTI_ELF_MACHINE = EM_AARCH64 };
/* Linux has no Syscall User Dispatch here: it comes with the generic entry code (arch/Kconfig, GENERIC_ENTRY). */
#define VMTI_HAS_DISPATCH 0

/* User addresses without a hint for 52 bits end here (Documentation/arch/arm64/memory.rst). */
#define VMTI_ADDRESS_BITS 48

/* Length of the `svc` instruction. */
enum { VMTI_SYSCALL_INSN = 4 };

/* The procedure call standard has none. */
enum { VMTI_RED_ZONE = 0 };

/* It depends on the vector registers that this machine has: the kernel tells the most (arch/arm64/kernel/signal.c,
 * minsigstksz_setup; since Linux 4.18). */
static inline size_t vmti_sigframe_bytes(void)
{
    enum { MINSIGSTKSZ_KEY = 51, WITHOUT_VECTORS = 5120 }; /* AT_MINSIGSTKSZ; MINSIGSTKSZ (asm/signal.h) */
    unsigned long bytes = getauxval(MINSIGSTKSZ_KEY);
    return bytes ? bytes : WITHOUT_VECTORS;
}

/* At the stack pointer are a siginfo and a struct ucontext (arch/arm64/kernel/signal.c, struct rt_sigframe), both at
 * the handler's first instruction and at rt_sigreturn. */
enum { VMTI_SIGFRAME_MASK = 128 + 40 };
enum { VMTI_SIGFRAME_TAKEN = 0 };

/* struct pthread of glibc, 1856 bytes in 2.36, ends at the thread pointer, and two words follow (TLS_DTV_AT_TP). */
enum { VMTI_PTHREAD_BEFORE = 1856, VMTI_PTHREAD_BEHIND = 16 };

/* ------------------------------------------------------------------------------------------- system calls */

#define VMTI_NR(x86, aarch64) aarch64
#define VMTI_HAS_X86_CALLS 0
#define VMTI_CLONE_TLS_FIRST 1
enum { VMTI_CLONE_CHILD_TID = 4 };

/* Those that the engines name, with numbers that no call has. */
enum {
    SYS_poll = -2,
    SYS_select = -3,
    SYS_epoll_wait = -4,
    SYS_vfork = -5,
};

#define VMTI_AUDIT_ARCH 0xc00000b7u /* AUDIT_ARCH_AARCH64 */
#define VMTI_FOREIGN_NR 0u

enum {
    VMTI_SIZEOF_stat = 128,
    VMTI_SIZEOF_epoll_event = 16,
    VMTI_SIZEOF_semid_ds = 88, /* include/uapi/asm-generic/sembuf.h, struct semid64_ds */
    VMTI_SEMID_NSEMS = 64,
    VMTI_SIZEOF_shadow_stack_status = 8, /* arch/arm64/mm/gcs.c, arch_get_shadow_stack_status */
};

/* ------------------------------------------------------------------------------------------- registers */

/* The calling thread's. */
static inline uintptr_t vmti_thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}

typedef struct {
    struct user_regs_struct user;
    int32_t nr;   /* of the call that the thread is in; -1: none */
    uint64_t tls; /* TPIDR_EL0 */
} vmti_regs;

#define VMTI_REGSETS                                                                                                   \
    {{NT_PRSTATUS, offsetof(vmti_regs, user), sizeof(struct user_regs_struct)},                                        \
     {NT_ARM_SYSTEM_CALL, offsetof(vmti_regs, nr), sizeof(int32_t)},                                                   \
     {NT_ARM_TLS, offsetof(vmti_regs, tls), sizeof(uint64_t)}}
#define VMTI_POKES_ARGUMENTS 0
/* x0 holds the result from the end of a call on, and a stop that is not its entry or exit does not know any more which
 * call it was (arch/arm64/kernel/signal.c, do_signal: forget_syscall). */
#define VMTI_REGS_KEEP_CALL 0

static inline uint64_t vmti_regs_ip(const vmti_regs *r) { return r->user.pc; }
static inline uint64_t vmti_regs_sp(const vmti_regs *r) { return r->user.sp; }
static inline uint64_t vmti_regs_tls(const vmti_regs *r) { return r->tls; }
static inline int64_t vmti_regs_result(const vmti_regs *r) { return (int64_t)r->user.regs[0]; }

static inline uint64_t vmti_regs_arg(const vmti_regs *r, unsigned i) { return r->user.regs[i]; }

static inline void vmti_regs_set_arg(vmti_regs *r, unsigned i, uint64_t value) { r->user.regs[i] = value; }

static inline void vmti_regs_set_call(vmti_regs *r, uint64_t syscall_ip, long nr, uint64_t a, uint64_t b, uint64_t c,
                                      uint64_t d)
{
    r->user.pc = syscall_ip;
    r->user.regs[8] = (uint64_t)nr;
    r->nr = -1; /* no restart logic for this one */
    r->user.regs[0] = a;
    r->user.regs[1] = b;
    r->user.regs[2] = c;
    r->user.regs[3] = d;
    r->user.regs[4] = r->user.regs[5] = 0;
}

static inline void vmti_regs_set_start(vmti_regs *r, uint64_t ip, uint64_t sp)
{
    r->user.pc = ip;
    r->user.sp = sp;
    r->nr = -1;
}

/* One that is restarted has been set back before the stop (do_signal). */
static inline int vmti_regs_in_call(const vmti_regs *r, uint64_t after)
{
    return r->user.pc == after || r->user.pc == after - VMTI_SYSCALL_INSN;
}

static inline int vmti_regs_returned(const vmti_regs *r, uint64_t after) { return r->user.pc == after; }

static inline void vmti_regs_rerun(vmti_regs *r, uint64_t first)
{
    r->user.pc -= VMTI_SYSCALL_INSN;
    r->user.regs[0] = first;
    r->nr = -1;
}

static inline void vmti_regs_return(vmti_regs *r, int64_t result)
{
    r->user.pc += VMTI_SYSCALL_INSN;
    r->user.regs[0] = (uint64_t)result;
}

static inline void vmti_regs_skip_call(vmti_regs *r) { r->nr = -1; }

static inline void vmti_regs_set_result(vmti_regs *r, int64_t result) { r->user.regs[0] = (uint64_t)result; }

/* The top byte is the program's to use (Documentation/arch/arm64/tagged-pointers.rst). */
static inline uint64_t vmti_untag(uint64_t address) { return (uint64_t)((int64_t)(address << 8) >> 8); }

/* ------------------------------------------------------------------------------------------- signal frames */

/* The record with this magic in a signal frame, in one or two areas (asm/sigcontext.h: each begins with it and its
 * size). NULL: there is none. */
static inline const unsigned char *vmti_frame_record(const unsigned char *at, uint32_t magic)
{
    enum { EXTRA = 0x45585401 }; /* the rest is where its next word says */
    uint32_t head[2];
    for (memcpy(head, at, sizeof head); head[0]; memcpy(head, at, sizeof head)) {
        if (head[0] == magic)
            return at;
        if (head[0] == EXTRA)
            memcpy(&at, at + sizeof head, sizeof at);
        else
            at += head[1];
    }
    return NULL;
}

/* ESR_EL1: a data abort has in bit 6 whether it was a write (ISS.WnR). */
static inline int vmti_esr_wrote(const unsigned char *records)
{
    enum { ESR = 0x45535201, CLASS_SHIFT = 26, DATA_ABORT_EL0 = 0x24, WROTE = 1 << 6 };
    const unsigned char *record = vmti_frame_record(records, ESR);
    uint64_t esr = 0;
    if (record)
        memcpy(&esr, record + 2 * sizeof(uint32_t), sizeof esr);
    return esr >> CLASS_SHIFT == DATA_ABORT_EL0 && (esr & WROTE);
}

#define vmti_fault_wrote(context) vmti_esr_wrote((context)->uc_mcontext.__reserved)

/* The kernel keeps the number in x8, but not the first argument: `first` is it, where `nr` is known. */
#define vmti_context_rerun(context, result, nr, first)                                                                 \
    vmti_rerun_at(&(context)->uc_mcontext.pc, (context)->uc_mcontext.regs, (result), (nr), (first))

static inline int vmti_rerun_at(unsigned long long *pc, unsigned long long *regs, long long result, long long nr,
                                uint64_t first)
{
    enum { SVC_0 = 0xd4000001 };
    uint32_t instruction;
    memcpy(&instruction, (const char *)(uintptr_t)*pc - VMTI_SYSCALL_INSN, sizeof instruction);
    if (nr < 0 || (long long)regs[0] != result || instruction != (uint32_t)SVC_0 || (long long)regs[8] != nr)
        return 0;
    regs[0] = first;
    *pc -= VMTI_SYSCALL_INSN;
    return 1;
}

/* ------------------------------------------------------------------------------------------- instructions */

#define VMTI_ASM_SYSCALL "svc #0"
#define VMTI_ASM_SIGRETURN "mov x8, #139\n    svc #0"

static inline long vmti_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t x0 __asm__("x0") = a;
    register uint64_t x1 __asm__("x1") = b;
    register uint64_t x2 __asm__("x2") = c;
    register uint64_t x3 __asm__("x3") = d;
    register uint64_t x4 __asm__("x4") = e;
    register uint64_t x5 __asm__("x5") = f;
    register long x8 __asm__("x8") = nr;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8) : "memory", "cc");
    return (long)x0;
}

static inline long vmti_arch_clone(uint64_t flags, void *stack_end, void *tls, int (*run)(void *), void *argument)
{
    register uint64_t x0 __asm__("x0") = flags;
    register void *x1 __asm__("x1") = stack_end;
    register uint64_t x2 __asm__("x2") = 0;
    register void *x3 __asm__("x3") = tls;
    register uint64_t x4 __asm__("x4") = 0;
    register long x8 __asm__("x8") = 220; /* clone */
    register int (*x9)(void *) __asm__("x9") = run;
    register void *x10 __asm__("x10") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t" /* the outermost frame */
                     "mov x30, xzr\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8), "r"(x9), "r"(x10)
                     : "memory", "cc");
    return (long)x0;
}

/* See arch_x86_64.h; these are the instructions for this processor (valgrind.h). */
static inline int vmti_on_valgrind(void)
{
    volatile uint64_t request[6] = {0x1001};
    register uint64_t answer __asm__("x3") = 0;
    register volatile uint64_t *at __asm__("x4") = request;
    __asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\tror x12, x12, #51\n\tror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(answer)
                     : "r"(at)
                     : "cc", "memory", "x12");
    return answer != 0;
}
