/* SPDX-License-Identifier: MIT */
/*
 * BY rules for ioctl and fcntl. Most newer requests say in their number which way how many bytes go; the tables here
 * are of those that do not, or that say it wrong, and of those whose structures point further. Runs in the catcher, as
 * walk.c does.
 */
#include "walk.h"

#include <asm/ioctls.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <string.h>

#include "window.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define NOTHING VMTI_HOW_NOTHING, 0
#define IN VMTI_HOW_IN
#define OUT VMTI_HOW_OUT
#define INOUT VMTI_HOW_INOUT
#define STRING VMTI_HOW_STRING

/* Bytes of structures; the kernel's, where libc has another of the same name. */
enum {
    TERMIOS = 36, /* include/uapi/asm-generic/termbits.h */
    TERMIO = 18,
    WINSIZE = 8,
    SERIAL = 72, /* struct serial_struct */
    RS485 = 32,
    SERIAL_COUNTS = 80, /* struct serial_icounter_struct */
    IFREQ = 40,
    IFREQ_DATA = 16, /* offset of ifr_data */
    IFCONF = 16,
    ARPREQ = 68,
    RTENTRY = 120,
    RTENTRY_DEV = 88, /* offset of rt_dev */
    DEVICE_NAME = 16, /* IFNAMSIZ */
    VLAN_ARGS = 56,
    IWREQ = 32,
    BLOCK_RANGE = 16,
    LOOP_INFO = 168,
    LOOP_INFO64 = 232,
    LOOP_CONFIG = 304,
    GEOMETRY = 16,
};

/* Requests without a number that tells, or whose headers are not everywhere. */
enum {
    REQ_HDIO_GETGEO = 0x0301,
    REQ_SG_IO = 0x2285,
    REQ_LOOP_FIRST = 0x4c00,
    REQ_NS_GET_OWNER_UID = 0xb704,
    REQ_TUN_SET_IFF = 0x400454ca,
    REQ_TUN_GET_IFF = 0x800454d2,
    REQ_TUN_ATTACH_FILTER = 0x401054d5,
    REQ_TUN_DETACH_FILTER = 0x401054d6,
    REQ_UFFDIO_COPY = 0xc028aa03,
    REQ_UFFDIO_ZEROPAGE = 0xc020aa04,
    REQ_UFFDIO_MOVE = 0xc028aa05,
    REQ_UFFDIO_WRITEPROTECT = 0xc018aa06,
    REQ_UFFDIO_CONTINUE = 0xc020aa07,
    REQ_UFFDIO_POISON = 0xc020aa08,
    REQ_FIEMAP = 0xc020660b,
    REQ_PAGEMAP_SCAN = 0xc0606610,
    REQ_PROCMAP_QUERY = 0xc0686611,
    REQ_RND_ADD_ENTROPY = 0x40085203,
    REQ_PERF_SET_FILTER = 0x40082406,
    REQ_PERF_QUERY_BPF = 0xc008240a,
    REQ_PERF_MODIFY_ATTRIBUTES = 0x4008240b,
};

/* clang-format off */
static const struct vmti_command requests[] = {
    /* terminals: drivers/tty/tty_io.c, tty_ioctl.c, n_tty.c, pty.c */
    {TCGETS, OUT, TERMIOS}, {TCSETS, IN, TERMIOS}, {TCSETSW, IN, TERMIOS}, {TCSETSF, IN, TERMIOS},
    {TCGETA, OUT, TERMIO}, {TCSETA, IN, TERMIO}, {TCSETAW, IN, TERMIO}, {TCSETAF, IN, TERMIO},
    {TCSBRK, NOTHING}, {TCSBRKP, NOTHING}, {TCXONC, NOTHING}, {TCFLSH, NOTHING},
    {TIOCEXCL, NOTHING}, {TIOCNXCL, NOTHING}, {TIOCSCTTY, NOTHING}, {TIOCNOTTY, NOTHING},
    {TIOCCONS, NOTHING}, {TIOCSBRK, NOTHING}, {TIOCCBRK, NOTHING}, {TIOCVHANGUP, NOTHING},
    {TIOCMIWAIT, NOTHING}, {TIOCGPTPEER, NOTHING}, {TIOCSIG, NOTHING},
    {TIOCGPGRP, OUT, 4}, {TIOCSPGRP, IN, 4}, {TIOCGSID, OUT, 4}, {TIOCOUTQ, OUT, 4}, {TIOCSTI, IN, 1},
    {TIOCGWINSZ, OUT, WINSIZE}, {TIOCSWINSZ, IN, WINSIZE},
    {TIOCMGET, OUT, 4}, {TIOCMBIS, IN, 4}, {TIOCMBIC, IN, 4}, {TIOCMSET, IN, 4},
    {TIOCGSOFTCAR, OUT, 4}, {TIOCSSOFTCAR, IN, 4}, {TIOCPKT, IN, 4}, {TIOCSETD, IN, 4}, {TIOCGETD, OUT, 4},
    {TIOCGSERIAL, OUT, SERIAL}, {TIOCSSERIAL, IN, SERIAL}, {TIOCGRS485, OUT, RS485}, {TIOCSRS485, INOUT, RS485},
    {TIOCGLCKTRMIOS, OUT, TERMIOS}, {TIOCSLCKTRMIOS, IN, TERMIOS}, {TIOCSERGETLSR, OUT, 4},
    {TIOCGICOUNT, OUT, SERIAL_COUNTS},

    /* consoles: drivers/tty/vt/vt_ioctl.c */
    {0x4b2f, NOTHING},  {0x4b30, NOTHING}, {0x4b31, OUT, 1}, {0x4b32, NOTHING},             /* KIOCSOUND ... KDSETLED */
    {0x4b33, OUT, 1}, {0x4b3a, NOTHING}, {0x4b3b, OUT, 4},                  /* KDGKBTYPE, KDSETMODE, KDGETMODE */
    {0x4b44, OUT, 4}, {0x4b45, NOTHING}, {0x4b46, INOUT, 4}, {0x4b47, IN, 4},            /* KDGKBMODE ... KDSKBENT */
    {0x4b62, OUT, 4}, {0x4b63, NOTHING}, {0x4b64, OUT, 1}, {0x4b65, NOTHING},           /* KDGKBMETA ... KDSKBLED */
    {0x5600, OUT, 4}, {0x5601, OUT, 8}, {0x5602, IN, 8}, {0x5603, OUT, 6},             /* VT_OPENQRY ... VT_GETSTATE */
    {0x5605, NOTHING}, {0x5606, NOTHING}, {0x5607, NOTHING}, {0x5608, NOTHING},     /* VT_RELDISP ... VT_DISALLOCATE */

    /* any file: fs/ioctl.c. The flags and versions are ints, whatever the number says. */
    {FIOCLEX, NOTHING}, {FIONCLEX, NOTHING}, {FIONBIO, IN, 4}, {FIOASYNC, IN, 4}, {FIOQSIZE, OUT, 8},
    {FIONREAD, OUT, 4},
    {FIBMAP, INOUT, 4}, {FIGETBSZ, OUT, 4}, {FIFREEZE, NOTHING}, {FITHAW, NOTHING}, {FICLONE, NOTHING},
    {FS_IOC_GETFLAGS, OUT, 4}, {FS_IOC_SETFLAGS, IN, 4}, {FS_IOC_GETVERSION, OUT, 4}, {FS_IOC_SETVERSION, IN, 4},

    /* block devices: block/ioctl.c, drivers/block/loop.c */
    {BLKROSET, IN, 4}, {BLKROGET, OUT, 4}, {BLKRRPART, NOTHING}, {BLKGETSIZE, OUT, 8}, {BLKFLSBUF, NOTHING},
    {BLKRASET, NOTHING}, {BLKRAGET, OUT, 8}, {BLKFRASET, NOTHING}, {BLKFRAGET, OUT, 8}, {BLKSECTSET, NOTHING},
    {BLKSECTGET, OUT, 2}, {BLKSSZGET, OUT, 4}, {BLKBSZGET, OUT, 4}, {BLKBSZSET, IN, 4},
    {BLKIOMIN, OUT, 4}, {BLKIOOPT, OUT, 4}, {BLKALIGNOFF, OUT, 4}, {BLKPBSZGET, OUT, 4}, {BLKDISCARDZEROES, OUT, 4},
    {BLKDISCARD, IN, BLOCK_RANGE}, {BLKSECDISCARD, IN, BLOCK_RANGE}, {BLKZEROOUT, IN, BLOCK_RANGE},
    {BLKROTATIONAL, OUT, 2}, {BLKTRACESTART, NOTHING}, {BLKTRACESTOP, NOTHING}, {BLKTRACETEARDOWN, NOTHING},
    {REQ_HDIO_GETGEO, OUT, GEOMETRY},
    {REQ_LOOP_FIRST + 0, NOTHING}, {REQ_LOOP_FIRST + 1, NOTHING}, {REQ_LOOP_FIRST + 2, IN, LOOP_INFO},
    {REQ_LOOP_FIRST + 3, OUT, LOOP_INFO}, {REQ_LOOP_FIRST + 4, IN, LOOP_INFO64}, {REQ_LOOP_FIRST + 5, OUT, LOOP_INFO64},
    {REQ_LOOP_FIRST + 6, NOTHING}, {REQ_LOOP_FIRST + 7, NOTHING}, {REQ_LOOP_FIRST + 8, NOTHING},
    {REQ_LOOP_FIRST + 9, NOTHING}, {REQ_LOOP_FIRST + 10, IN, LOOP_CONFIG},

    /* sockets: net/socket.c, net/core/dev_ioctl.c, net/ipv4; those with a struct ifreq are a range of numbers */
    {0x8901, IN, 4}, {0x8902, IN, 4}, {0x8903, OUT, 4}, {0x8904, OUT, 4}, /* FIOSETOWN ... SIOCGPGRP */
    {0x8905, OUT, 4}, {0x8906, OUT, 16}, {0x8907, OUT, 16},               /* SIOCATMARK, SIOCGSTAMP, SIOCGSTAMPNS */
    {SIOCOUTQNSD, OUT, 4}, {SIOCGSKNS, NOTHING},
    {SIOCGARP, INOUT, ARPREQ}, {SIOCSARP, IN, ARPREQ}, {SIOCDARP, IN, ARPREQ},
    {SIOCGIFVLAN, INOUT, VLAN_ARGS}, {SIOCSIFVLAN, INOUT, VLAN_ARGS},
    {SIOCBRADDBR, STRING, DEVICE_NAME}, {SIOCBRDELBR, STRING, DEVICE_NAME},

    /* numbers that say something wrong: a struct ifreq as an int (drivers/net/tun.c), a value as a pointer */
    {REQ_TUN_SET_IFF, INOUT, IFREQ}, {REQ_TUN_GET_IFF, OUT, IFREQ},
    {0x400454c8, NOTHING}, {0x400454c9, NOTHING}, {0x400454cb, NOTHING}, /* TUNSETNOCSUM, TUNSETDEBUG, TUNSETPERSIST */
    {0x400454cc, NOTHING}, {0x400454cd, NOTHING}, {0x400454ce, NOTHING}, /* TUNSETOWNER, TUNSETLINK, TUNSETGROUP */
    {0x400454d0, NOTHING},                                               /* TUNSETOFFLOAD */
    {REQ_NS_GET_OWNER_UID, OUT, 4},
    {REQ_PERF_SET_FILTER, STRING, VMTI_PATH_MAX},
    {0x40042408, NOTHING}, {0x40042409, NOTHING}, /* PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_PAUSE_OUTPUT */
    {0x40044590, NOTHING}, {0x40044591, NOTHING}, /* EVIOCGRAB, EVIOCREVOKE */
};
/* clang-format on */

/* A command that no table has. It matters only where the argument may be a pointer to a closed page. */
static void note_if_tracked(struct vmti_walk *w, uint32_t command, uint64_t arg)
{
    if (arg < (uint64_t)1 << VMTI_ADDRESS_BITS && vmti_any_tracked(arg, arg + 1))
        vmti_note_unknown(w, command);
}

/* ------------------------------------------------------------------------------------------- structures that point */

static void walk_fiemap(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 32, MAPPED = 20, COUNT = 24, EXTENT = 56 };
    uint32_t count;
    vmti_walk_inout(w, arg, BYTES);
    if (!vmti_walk_read(w, &count, arg + COUNT, sizeof count) || count > (UINT32_MAX - BYTES) / EXTENT)
        return; /* EINVAL: FIEMAP_MAX_EXTENTS */
    vmti_span_counts_at(vmti_walk_out(w, arg + BYTES, (uint64_t)count * EXTENT), arg + MAPPED, 4, EXTENT);
}

static void walk_dedupe(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 24, COUNT = 16, RANGE = 32 };
    uint16_t count;
    if (!vmti_walk_read(w, &count, arg + COUNT, sizeof count))
        return;
    uint64_t bytes = BYTES + (uint64_t)count * RANGE;
    if (bytes <= VMTI_STRUCT_MAX)
        vmti_walk_inout(w, arg, bytes);
}

/* fs/proc/task_mmu.c */
static void walk_procmap_query(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 104, NAME_SIZE = 80, BUILD_ID_SIZE = 84, NAME = 88, BUILD_ID = 96 };
    unsigned char query[BYTES];
    uint64_t size;
    if (!vmti_walk_read(w, &size, arg, sizeof size) || size > VMTI_STRUCT_MAX)
        return;
    vmti_walk_inout(w, arg, size);
    if (size < BYTES || !vmti_walk_read(w, query, arg, BYTES))
        return;
    vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(query, NAME), vmti_half_at(query, NAME_SIZE)), arg + NAME_SIZE, 4,
                        1);
    vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(query, BUILD_ID), vmti_half_at(query, BUILD_ID_SIZE)),
                        arg + BUILD_ID_SIZE, 4, 1);
}

static void walk_pagemap_scan(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 96, VEC = 40, VEC_LEN = 48, PAGE_REGION = 24 };
    unsigned char scan[BYTES];
    uint64_t bytes;
    vmti_walk_inout(w, arg, BYTES);
    if (vmti_walk_read(w, scan, arg, BYTES) &&
        !__builtin_mul_overflow(vmti_word_at(scan, VEC_LEN), PAGE_REGION, &bytes))
        vmti_span_counts(vmti_walk_out(w, vmti_word_at(scan, VEC), bytes), VMTI_DONE_RET, PAGE_REGION);
}

static void walk_ifconf(struct vmti_walk *w, uint64_t arg)
{
    unsigned char conf[IFCONF];
    vmti_walk_inout(w, arg, IFCONF);
    if (!vmti_walk_read(w, conf, arg, IFCONF))
        return;
    int32_t len = (int32_t)vmti_half_at(conf, 0);
    if (len > 0)
        vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(conf, 8), (uint64_t)len), arg, 4, 1);
}

static void walk_route(struct vmti_walk *w, uint64_t arg)
{
    unsigned char route[RTENTRY];
    if (vmti_walk_read(w, route, arg, RTENTRY))
        vmti_walk_string(w, vmti_word_at(route, RTENTRY_DEV), DEVICE_NAME - 1);
}

/* What ifr_data points to is known for the simplest requests only. */
static void walk_ifreq(struct vmti_walk *w, uint32_t request, uint64_t arg)
{
    enum { HWTSTAMP = 12 };
    unsigned char ifreq[IFREQ];
    vmti_walk_inout(w, arg, IFREQ);
    if (!vmti_walk_read(w, ifreq, arg, IFREQ))
        return;
    uint64_t data = vmti_word_at(ifreq, IFREQ_DATA);
    if (request == SIOCSHWTSTAMP || request == SIOCGHWTSTAMP)
        vmti_walk_inout(w, data, HWTSTAMP);
    else if (request == SIOCETHTOOL || request == SIOCBONDINFOQUERY || request == SIOCBONDSLAVEINFOQUERY ||
             request >= SIOCDEVPRIVATE)
        note_if_tracked(w, request, data);
}

/* drivers/scsi/sg.c, struct sg_io_hdr */
static void walk_sg_io(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 88, CMD_LEN = 8, SENSE_LEN = 9, IOVEC_COUNT = 10, DATA_LEN = 12, DATA = 16, CMD = 24, SENSE = 32 };
    static const struct vmti_span whole = {.done = VMTI_DONE_ALL};
    unsigned char hdr[BYTES];
    vmti_walk_inout(w, arg, BYTES);
    if (!vmti_walk_read(w, hdr, arg, BYTES))
        return;
    uint16_t buffers;
    memcpy(&buffers, hdr + IOVEC_COUNT, sizeof buffers);
    vmti_walk_in(w, vmti_word_at(hdr, CMD), hdr[CMD_LEN]);
    vmti_walk_out(w, vmti_word_at(hdr, SENSE), hdr[SENSE_LEN]);
    if (buffers)
        vmti_walk_iov(w, vmti_word_at(hdr, DATA), buffers, true, &whole);
    else
        vmti_walk_inout(w, vmti_word_at(hdr, DATA), vmti_half_at(hdr, DATA_LEN));
}

static void walk_blkpg(struct vmti_walk *w, uint64_t arg)
{
    enum { BYTES = 24, DATA = 16, PARTITION = 152 };
    unsigned char blkpg[BYTES];
    if (vmti_walk_read(w, blkpg, arg, BYTES))
        vmti_walk_in(w, vmti_word_at(blkpg, DATA), PARTITION);
}

/*
 * What fills or moves pages takes a range only if one mapping has all of it (mm/userfaultfd.c: find_dst_vma,
 * move_pages), and pages that were opened one by one are many. Open for the call they are one again: mprotect merges
 * neighbours.
 */
static void walk_uffdio(struct vmti_walk *w, uint32_t request, uint64_t arg)
{
    enum { READ_BYTES = 24, SRC = 8 };
    unsigned char range[READ_BYTES];
    bool with_source = request == REQ_UFFDIO_COPY || request == REQ_UFFDIO_MOVE;
    vmti_span_counts(vmti_walk_inout(w, arg, _IOC_SIZE(request)), VMTI_DONE_ALWAYS, 0);
    if (!vmti_walk_read(w, range, arg, READ_BYTES))
        return;
    uint64_t length = vmti_word_at(range, with_source ? 16 : 8);
    struct vmti_span *filled = vmti_walk_out(w, vmti_word_at(range, 0), length);
    if (!with_source && request != REQ_UFFDIO_ZEROPAGE)
        vmti_span_counts(filled, VMTI_DONE_RECORDED, 0); /* nothing: no byte of it is read or written */
    if (request == REQ_UFFDIO_COPY)
        vmti_walk_in(w, vmti_word_at(range, SRC), length);
    else if (request == REQ_UFFDIO_MOVE)
        vmti_span_counts(vmti_walk_out(w, vmti_word_at(range, SRC), length), VMTI_DONE_RECORDED, 0);
}

static void walk_add_entropy(struct vmti_walk *w, uint64_t arg)
{
    int32_t head[2]; /* bits of entropy, bytes that follow */
    if (vmti_walk_read(w, head, arg, sizeof head) && head[1] > 0)
        vmti_walk_in(w, arg + sizeof head, (uint64_t)head[1]);
}

static void walk_perf_query_bpf(struct vmti_walk *w, uint64_t arg)
{
    enum { HEAD = 8, COUNT = 4 };
    uint32_t ids;
    vmti_walk_inout(w, arg, HEAD);
    if (vmti_walk_read(w, &ids, arg, sizeof ids))
        vmti_span_counts_at(vmti_walk_out(w, arg + HEAD, (uint64_t)ids * 4), arg + COUNT, 4, 4);
}

static bool walk_structure(struct vmti_walk *w, uint32_t request, uint64_t arg)
{
    enum { PERF_ATTR_SIZE = 4, PERF_ATTR_SIZE_VER0 = 64 };
    switch (request) {
    case REQ_FIEMAP:
        walk_fiemap(w, arg);
        return true;
    case FIDEDUPERANGE:
        walk_dedupe(w, arg);
        return true;
    case REQ_PROCMAP_QUERY:
        walk_procmap_query(w, arg);
        return true;
    case REQ_PAGEMAP_SCAN:
        walk_pagemap_scan(w, arg);
        return true;
    case SIOCGIFCONF:
        walk_ifconf(w, arg);
        return true;
    case SIOCADDRT:
    case SIOCDELRT:
        walk_route(w, arg);
        return true;
    case REQ_SG_IO:
        walk_sg_io(w, arg);
        return true;
    case BLKPG:
        walk_blkpg(w, arg);
        return true;
    case REQ_UFFDIO_COPY:
    case REQ_UFFDIO_ZEROPAGE:
    case REQ_UFFDIO_MOVE:
    case REQ_UFFDIO_WRITEPROTECT:
    case REQ_UFFDIO_CONTINUE:
    case REQ_UFFDIO_POISON:
        walk_uffdio(w, request, arg);
        return true;
    case REQ_RND_ADD_ENTROPY:
        walk_add_entropy(w, arg);
        return true;
    case REQ_PERF_QUERY_BPF:
        walk_perf_query_bpf(w, arg);
        return true;
    case REQ_PERF_MODIFY_ATTRIBUTES:
        vmti_walk_sized(w, arg, PERF_ATTR_SIZE, PERF_ATTR_SIZE_VER0);
        return true;
    case REQ_TUN_ATTACH_FILTER:
    case REQ_TUN_DETACH_FILTER:
        vmti_walk_fprog(w, arg);
        return true;
    default:
        return false;
    }
}

/* ------------------------------------------------------------------------------------------- the rules */

void vmti_walk_ioctl(struct vmti_walk *w, unsigned i)
{
    enum { WIRELESS_FIRST = 0x8b00, WIRELESS_LAST = 0x8bff, PRIVATE_LAST = SIOCDEVPRIVATE + 15 };
    uint32_t request = (uint32_t)w->call->args[1];
    uint64_t arg = w->call->args[i];
    if (!arg || vmti_walk_command(w, requests, ROWS(requests), request, arg) || walk_structure(w, request, arg))
        return;
    if (request >= SIOCGIFNAME && request <= PRIVATE_LAST) {
        walk_ifreq(w, request, arg);
        return;
    }
    if (request >= WIRELESS_FIRST && request <= WIRELESS_LAST) {
        vmti_walk_inout(w, arg, IWREQ); /* for some of them an address and a length */
        note_if_tracked(w, request, arg);
        return;
    }
    uint64_t bytes = _IOC_SIZE(request);
    switch (_IOC_DIR(request)) {
    case _IOC_READ:
        vmti_walk_out(w, arg, bytes);
        break;
    case _IOC_WRITE: /* some drivers write where the number says read */
        vmti_walk_in_writable(w, arg, bytes);
        break;
    case _IOC_READ | _IOC_WRITE:
        vmti_walk_inout(w, arg, bytes);
        break;
    default:
        note_if_tracked(w, request, arg);
        break;
    }
}

void vmti_walk_fcntl(struct vmti_walk *w, unsigned i)
{
    enum { FLOCK = 32, OWNER_EX = 8, UIDS = 8, HINT = 8, DELEGATION = 8 };
    /* include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h */
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {5, INOUT, FLOCK}, {6, IN, FLOCK}, {7, IN, FLOCK},       /* F_GETLK, F_SETLK, F_SETLKW */
        {36, INOUT, FLOCK}, {37, IN, FLOCK}, {38, IN, FLOCK},    /* F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW */
        {15, IN, OWNER_EX}, {16, OUT, OWNER_EX}, {17, OUT, UIDS}, /* F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS */
        {1035, OUT, HINT}, {1036, IN, HINT},                     /* F_GET_RW_HINT, F_SET_RW_HINT */
        {1037, OUT, HINT}, {1038, IN, HINT},                     /* F_GET_FILE_RW_HINT, F_SET_FILE_RW_HINT */
        {1039, INOUT, DELEGATION}, {1040, IN, DELEGATION},       /* F_GETDELEG, F_SETDELEG */
        /* No argument, but libc passes on what is in the register: F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE,
         * F_GETPIPE_SZ, F_GET_SEALS */
        {1, VMTI_HOW_NOTHING, 0}, {3, VMTI_HOW_NOTHING, 0}, {9, VMTI_HOW_NOTHING, 0}, {11, VMTI_HOW_NOTHING, 0},
        {1025, VMTI_HOW_NOTHING, 0}, {1032, VMTI_HOW_NOTHING, 0}, {1034, VMTI_HOW_NOTHING, 0},
    };
    /* clang-format on */
    uint32_t command = (uint32_t)w->call->args[1];
    if (!vmti_walk_command(w, commands, ROWS(commands), command, w->call->args[i]))
        note_if_tracked(w, command, w->call->args[i]); /* the others take a number, or nothing */
}
