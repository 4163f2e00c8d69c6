/* SPDX-License-Identifier: MIT */
/* x86-64, for arch.h. Beside this file only follow_x86_64.c and the dispatch engine (gate.c, frame.c, dispatch_calls.c,
 * dispatch_threads.c) name a register. */
#include <elf.h>
#include <stddef.h>
#include <sys/user.h>

/* What messages call it. */
#define VMTI_PROCESSOR "x86-64"
#define VMTI_LOADER "ld-linux-x86-64.so." /* glibc's, with a version behind */
#define VMTI_MULTIARCH "x86_64-linux-gnu" /* Debian's folder of its libraries */
enum { VMTI_ELF_MACHINE = EM_X86_64 };
/* Syscall User Dispatch (Linux 5.11): the dispatch engine can be. */
#define VMTI_HAS_DISPATCH 1

/* User addresses without 5-level paging hints end here (Documentation/arch/x86/x86_64/mm.rst). */
#define VMTI_ADDRESS_BITS 47

/* Length of the `syscall` instruction: set ip back by it to run a call again. */
enum { VMTI_SYSCALL_INSN = 2 };

/* Below the stack pointer, in use (System V ABI, AMD64). */
enum { VMTI_RED_ZONE = 128 };

/* Most bytes that the kernel may write below the stack pointer for a signal frame: the red zone, the frame, and an
 * xsave area with AMX (arch/x86/kernel/signal.c, get_sigframe). */
static inline size_t vmti_sigframe_bytes(void) { return VMTI_RED_ZONE + 1024 + 12 * 1024; }

/* Where the blocked signals are that the handler's return restores, from the stack pointer at the handler's first
 * instruction: after the return address, a struct ucontext (arch/x86/include/asm/sigframe.h, struct rt_sigframe). */
enum { VMTI_SIGFRAME_MASK = 8 + 296 };
/* Bytes of the frame that are below the stack pointer at rt_sigreturn: the handler's return took the address. */
enum { VMTI_SIGFRAME_TAKEN = 8 };

/*
 * libc's struct pthread, which begins at the thread pointer: 2304 bytes in glibc 2.31, 2368 in 2.36, to the end of a
 * page. Not a byte more: what lies before and behind may be the program's, in the same mapping.
 */
enum { VMTI_PTHREAD_BEFORE = 0, VMTI_PTHREAD_BEHIND = 2304 };

/* ------------------------------------------------------------------------------------------- system calls */

/* Which of the two numbers of a row in syscalls.def, and whether the calls are there that x86-64 alone has. */
#define VMTI_NR(x86, aarch64) x86
#define VMTI_HAS_X86_CALLS 1
/* clone(flags, stack, parent_tid, child_tid, tls): CONFIG_CLONE_BACKWARDS swaps the latter two. */
#define VMTI_CLONE_TLS_FIRST 0
enum { VMTI_CLONE_CHILD_TID = 3 };

/* AUDIT_ARCH_X86_64 (linux/audit.h), and the bit of the x32 ABI's numbers, which are other calls
 * (arch/x86/include/uapi/asm/unistd.h). */
#define VMTI_AUDIT_ARCH 0xc000003eu
#define VMTI_FOREIGN_NR 0x40000000u

/* Sizes of the kernel's types that depend on the processor; see syscalls.h. */
enum {
    VMTI_SIZEOF_stat = 144,
    VMTI_SIZEOF_epoll_event = 12,        /* packed */
    VMTI_SIZEOF_semid_ds = 104,          /* arch/x86/include/uapi/asm/sembuf.h, struct semid64_ds */
    VMTI_SEMID_NSEMS = 80,               /* where the number of semaphores is in it */
    VMTI_SIZEOF_shadow_stack_status = 0, /* of prctl(2): EINVAL, with nothing behind the pointer looked at */
};

/* ------------------------------------------------------------------------------------------- registers */

/* The calling thread's: its first word is its own address (System V ABI, ELF Handling for Thread-Local Storage). gcc
 * has __builtin_thread_pointer() for x86 from 11 on. */
static inline uintptr_t vmti_thread_pointer(void)
{
    uintptr_t pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

typedef struct user_regs_struct vmti_regs;

/* The kernel's sets of registers that they come in (ptrace(2), PTRACE_GETREGSET). */
#define VMTI_REGSETS {{NT_PRSTATUS, 0, sizeof(vmti_regs)}}
/* PTRACE_POKEUSER writes one: vmti_arg_offset(). */
#define VMTI_POKES_ARGUMENTS 1
/* At a stop in a call they have its number and arguments, also when it has returned. */
#define VMTI_REGS_KEEP_CALL 1

static inline uint64_t vmti_regs_ip(const vmti_regs *r) { return r->rip; }
static inline uint64_t vmti_regs_sp(const vmti_regs *r) { return r->rsp; }
static inline uint64_t vmti_regs_tls(const vmti_regs *r) { return r->fs_base; }
static inline int64_t vmti_regs_result(const vmti_regs *r) { return (int64_t)r->rax; }
static inline int64_t vmti_regs_nr(const vmti_regs *r) { return (int64_t)r->orig_rax; }

/* Registers so that the thread, stopped just after a `syscall` instruction, runs call `nr` there next. */
static inline void vmti_regs_set_call(vmti_regs *r, uint64_t syscall_ip, long nr, uint64_t a, uint64_t b, uint64_t c,
                                      uint64_t d)
{
    r->rip = syscall_ip;
    r->rax = (uint64_t)nr;
    r->orig_rax = (uint64_t)-1; /* no restart logic for this one: arch/x86/kernel/signal.c */
    r->rdi = a;
    r->rsi = b;
    r->rdx = c;
    r->r10 = d;
    r->r8 = r->r9 = 0;
}

/* Registers so that the thread, stopped where it begins, runs at `ip` with the stack `sp` instead. */
static inline void vmti_regs_set_start(vmti_regs *r, uint64_t ip, uint64_t sp)
{
    r->rip = ip;
    r->rsp = sp;
    r->orig_rax = (uint64_t)-1; /* no restart logic */
}

/* Is the thread in a call, or at its end, whose instruction ends at `after`? */
static inline int vmti_regs_in_call(const vmti_regs *r, uint64_t after)
{
    (void)after;
    return (int64_t)r->orig_rax >= 0;
}

/* ... and has the call returned, as far as the registers know? The kernel sets one back that it restarts by itself,
 * here after the stops for signals (arch/x86/kernel/signal.c, arch_do_signal_or_restart). */
static inline int vmti_regs_returned(const vmti_regs *r, uint64_t after) { return vmti_regs_in_call(r, after); }

/* Runs the interrupted call of the thread, whose first argument was `first`, once more from its start. */
static inline void vmti_regs_rerun(vmti_regs *r, uint64_t first)
{
    (void)first;
    r->rip -= VMTI_SYSCALL_INSN;
    r->rax = r->orig_rax;
}

/* Undoes that: the call has returned `result`. */
static inline void vmti_regs_return(vmti_regs *r, int64_t result)
{
    r->rip += VMTI_SYSCALL_INSN;
    r->rax = (uint64_t)result;
}

/* A call that the thread is about to make is not made. */
static inline void vmti_regs_skip_call(vmti_regs *r) { r->orig_rax = (uint64_t)-1; }

static inline void vmti_regs_set_result(vmti_regs *r, int64_t result) { r->rax = (uint64_t)result; }

/* An address without what the processor does not look at. */
static inline uint64_t vmti_untag(uint64_t address) { return address; }

/* Offset of argument i (0..5) of a system call in `struct user`, for PTRACE_POKEUSER, and in vmti_regs. */
static inline unsigned long vmti_arg_offset(unsigned i)
{
    static const unsigned short offset[6] = {
        __builtin_offsetof(struct user_regs_struct, rdi), __builtin_offsetof(struct user_regs_struct, rsi),
        __builtin_offsetof(struct user_regs_struct, rdx), __builtin_offsetof(struct user_regs_struct, r10),
        __builtin_offsetof(struct user_regs_struct, r8),  __builtin_offsetof(struct user_regs_struct, r9),
    };
    return offset[i];
}

static inline uint64_t vmti_regs_arg(const vmti_regs *r, unsigned i)
{
    return *(const unsigned long long *)((const char *)r + vmti_arg_offset(i));
}

static inline void vmti_regs_set_arg(vmti_regs *r, unsigned i, uint64_t value)
{
    *(unsigned long long *)((char *)r + vmti_arg_offset(i)) = value;
}

/* Did the access that a signal frame is for write? (Bit 1 of the page fault's error code.) Needs <ucontext.h> with
 * _GNU_SOURCE before this header's use. */
#define vmti_fault_wrote(context) (((context)->uc_mcontext.gregs[REG_ERR] & 2) != 0)

/*
 * For a handler that has come just after a system call, which returned `result`: runs it again. `nr` is its number, or
 * negative if it is not known; then it is looked for in the instruction before, where compilers and libc put it. False:
 * it is not so, or the number is not there. The instruction leaves its own end in RCX. Its first argument is where it
 * was.
 */
#define vmti_context_rerun(context, result, nr, first)                                                                 \
    vmti_rerun_at((unsigned char *)(context)->uc_mcontext.gregs[REG_RIP], &(context)->uc_mcontext.gregs[REG_RIP],      \
                  &(context)->uc_mcontext.gregs[REG_RAX], (context)->uc_mcontext.gregs[REG_RCX], (result), (nr),       \
                  (first))

static inline int vmti_rerun_at(const unsigned char *ip, long long *rip, long long *rax, long long rcx,
                                long long result, long long nr, uint64_t first)
{
    (void)first;
    if (*rax != result || rcx != *rip || ip[-2] != 0x0f || ip[-1] != 0x05)
        return 0;
    if (nr < 0 && ip[-4] == 0x31 && ip[-3] == 0xc0) /* xor %eax, %eax */
        nr = 0;
    else if (nr < 0 && ip[-7] == 0xb8) /* mov $nr, %eax */
        nr = ip[-6] | ip[-5] << 8 | ip[-4] << 16;
    if (nr < 0)
        return 0;
    *rax = nr;
    *rip -= VMTI_SYSCALL_INSN;
    return 1;
}

/* ------------------------------------------------------------------------------------------- instructions */

#define VMTI_ASM_SYSCALL "syscall"
#define VMTI_ASM_SIGRETURN "mov $15, %rax\n    syscall"

/* A system call without libc: no errno (thread-local memory is shared with the program in the helper), no
 * cancellation point, no lazy binding. Returns the kernel's value: a negative errno on failure. */
static inline long vmti_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    long r;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

/*
 * clone(2) without libc, whose function may be a sanitizer's: the new task calls run(argument), which does not return,
 * at the end of a stack (aligned to 16 bytes). Its number, or a negative errno.
 */
static inline long vmti_arch_clone(uint64_t flags, void *stack_end, void *tls, int (*run)(void *), void *argument)
{
    long r;
    register uint64_t r10 __asm__("r10") = 0;
    register uint64_t r8 __asm__("r8") = (uint64_t)tls;
    register int (*r12)(void *) __asm__("r12") = run;
    register void *r13 __asm__("r13") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t" /* the outermost frame */
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(r)
                     : "a"(56L /* clone */), "D"(flags), "S"(stack_end), "d"(0UL), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory");
    return r;
}

/*
 * Does Valgrind run this process? Its CPU is of its own making: it gives an answer to these instructions, which change
 * nothing on another one (Valgrind manual, "The Client Request mechanism"; the request is RUNNING_ON_VALGRIND).
 */
static inline int vmti_on_valgrind(void)
{
    volatile uint64_t request[6] = {0x1001};
    uint64_t answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\txchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(&request[0])
                     : "cc", "memory", "rdi");
    return answer != 0;
}
