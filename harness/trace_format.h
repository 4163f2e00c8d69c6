/* SPDX-License-Identifier: MIT */
/*
 * The trace file, version 4. All numbers little-endian; a varint is LEB128 (7 bits a byte, low bits first, at most 10
 * bytes); zigzag maps a signed number n to (n << 1) ^ (n >> 63) before it becomes a varint.
 *
 *   file    = header block* ; the last block is a trailer if the region came to its end
 *   header  = struct vmti_trace_header, command line (arguments, each ended by NUL), zero bytes up to a multiple of 8,
 *             XXH3-64 of all header bytes before it
 *   block   = struct vmti_trace_block_header, payload
 *   payload of a data block    = record*
 *   payload of a trailer block = struct vmti_trace_trailer
 *
 * Each data block can be decoded alone: the bases of its deltas (last page, last thread, flags of the last touch) start
 * at 0, and its time at block.time. A block's checksum is XXH3-64 over its header with the field `checksum` zero,
 * followed by its payload. A trailer block has no records.
 * Times are in units of VMTI_TRACE_TIME_UNIT ns since the region's start; a page is an address divided by page_size.
 *
 * A record is a tag byte and fields. Tag: bits 0-2 the kind, bits 3-7 flags.
 *
 *   TOUCH    page opened by an access        [thread: varint, if THREAD_CHANGE] page: zigzag delta, time: varint delta
 *            flags: WRITE the access was a write (only with write tracking; else it is not known)
 *                   SYSCALL on behalf of a system call
 *                   EVICT   the header's `evict` oldest pages of the window were closed for it (a FIFO: a reader can
 *                           tell which)
 *                   THREAD_CHANGE another thread than the record before
 *   AGAIN    a TOUCH by the same thread and with the same flags as the TOUCH or AGAIN before it, at most
 *            VMTI_TRACE_SHORT_TIME after the record before: page: zigzag delta. Bits 1 and 2 of the tag are set, and
 *            bits 7-3 and 0 are the time's delta. Most touches are of this kind, and take 2 to 4 bytes
 *            (ARCHITECTURE.md).
 *   UPGRADE  first write of a page in the window that was opened for reading: fields and flags as TOUCH, but for
 *            flags: SAME_PAGE it is the page of the record before, and there is no field for it; no EVICT
 *                   SHORT that too, by the same thread, a write by the program; bits 3-6 are the time's delta, and
 *                   there are no fields
 *   DROP     pages left the window without eviction (unmapped, moved, discarded), each of them from the window:
 *            page: zigzag delta, count: varint (pages in a row, the delta base of the next record is the first)
 *   OWNER    an allocation or tracked range: before a touch of a page of it, and again if it has grown since; or, where
 *            pages were touched before their allocation had returned, at the trace's end:
 *            index: varint, first page: varint, pages: varint, bytes: varint, site: varint (address of the return
 *            from the allocating call; 0 unknown), stack: varint, if the flag HAS_STACK is set: number of a STACK
 *            before it; label length: varint, label bytes (at most VMTI_TRACE_LABEL_MAX).
 *            A page belongs to the last owner recorded for it; a record that repeats an index adds its new pages alone.
 *   THREAD   a thread, before its first touch: index: varint, tid: varint
 *   MARK     a MODULE with the flag WRITE: a phase begins, and the one before it ends: time: varint delta, name length:
 *            varint, name bytes (at most VMTI_TRACE_LABEL_MAX; none: what follows belongs to no phase)
 *   STACK    a MODULE with the flag SYSCALL: a call stack, of the header's HAS_STACKS: number: varint, frames: varint,
 *            from 1 to VMTI_TRACE_STACK_MAX, for each a return address: zigzag delta from the one before, or 0. The
 *            first is an OWNER's site, each next one that of its caller; cut after the most.
 *   MODULE   an executable mapping: start: varint, end: varint, file offset: varint, path length: varint, path bytes
 */
#ifndef VMTI_TRACE_FORMAT_H
#define VMTI_TRACE_FORMAT_H

#include <stdint.h>

#define VMTI_TRACE_MAGIC "VMTRACE"
enum { VMTI_TRACE_VERSION = 4 };
enum { VMTI_TRACE_TIME_UNIT = 1024 }; /* ns */
enum { VMTI_TRACE_SHORT_TIME = 63, VMTI_TRACE_SHORT_UPGRADE = 15 }; /* units */
enum { VMTI_TRACE_BLOCK_BYTES = 64 * 1024 }; /* most bytes of a block, its header included */
enum { VMTI_TRACE_HEADER_MAX = 16 * 1024 * 1024 }; /* most bytes of the file header: execve takes less than half */
enum { VMTI_TRACE_LABEL_MAX = 63 };
enum { VMTI_TRACE_STACK_MAX = 32 }; /* frames */
enum { VMTI_TRACE_PATH_MAX = 4096 }; /* of a module; a longer path is cut */
#define VMTI_TRACE_BLOCK_MAGIC 0x4b4c4256u /* "VBLK" */

struct vmti_trace_header {
    char magic[8]; /* VMTI_TRACE_MAGIC */
    uint16_t version;
    uint16_t scope; /* enum vmt_scope */
    uint32_t header_bytes; /* checksum included; a multiple of 8 */
    uint32_t page_size;
    uint32_t flags; /* VMTI_TRACE_HAS_* */
    uint64_t window;
    uint64_t start_realtime_ns; /* since 1970 */
    uint32_t pid;
    uint16_t engine; /* enum vmt_engine */
    uint16_t evict;  /* pages that left a full window at once, at most VMT_EVICT_MAX */
    uint32_t time_unit_ns;
    uint32_t command_bytes;
};

enum {
    VMTI_TRACE_HAS_WRITES = 1 << 0,        /* write tracking was on */
    VMTI_TRACE_HAS_WHOLE_PROGRAM = 1 << 1, /* made by `vmtrace run` */
    VMTI_TRACE_HAS_ONE_THREAD = 1 << 2,    /* only the touches of the thread that began the region are in it */
    VMTI_TRACE_HAS_CONTENT = 1 << 3,       /* contents were compared; with HAS_WRITES alone */
    VMTI_TRACE_HAS_LIVE = 1 << 4,          /* live heap bytes were counted */
    VMTI_TRACE_HAS_STACKS = 1 << 5,        /* call stacks of allocations were captured */
};

/* Those that have an allocator of their own. A trace tells which it was, for one that is linked statically is no
 * module. */
enum vmti_sanitizer {
    VMTI_NO_SANITIZER = 0,
    VMTI_ADDRESS_SANITIZER,
    VMTI_HWADDRESS_SANITIZER,
    VMTI_THREAD_SANITIZER,
    VMTI_MEMORY_SANITIZER,
    VMTI_LEAK_SANITIZER,
    VMTI_SANITIZERS
};
enum { VMTI_TRACE_SANITIZER_SHIFT = 8, VMTI_TRACE_SANITIZER_BITS = 15 }; /* its place in the flags */

static inline enum vmti_sanitizer vmti_trace_sanitizer(const struct vmti_trace_header *header)
{
    return (enum vmti_sanitizer)(header->flags >> VMTI_TRACE_SANITIZER_SHIFT & VMTI_TRACE_SANITIZER_BITS);
}

enum { VMTI_BLOCK_DATA = 0, VMTI_BLOCK_TRAILER = 1 };

struct vmti_trace_block_header {
    uint32_t magic;
    uint32_t payload_bytes;
    uint32_t type;
    uint32_t records;
    uint64_t first_touch; /* number of touches before this block */
    uint64_t touches;     /* in this block */
    uint64_t footprint;   /* distinct pages touched up to its end: headers alone tell how far a program has come */
    uint64_t time;        /* in time units: base of the block's time deltas */
    uint64_t checksum;
};

enum { VMTI_REC_TOUCH = 0, VMTI_REC_UPGRADE, VMTI_REC_DROP, VMTI_REC_OWNER, VMTI_REC_THREAD, VMTI_REC_MODULE };
enum { VMTI_REC_MARK = VMTI_REC_MODULE | 1 << 3, VMTI_REC_STACK = VMTI_REC_MODULE | 1 << 4 };
enum { VMTI_REC_KIND = 7, VMTI_REC_AGAIN = 6 }; /* AGAIN: the two bits that it has set */
enum {
    VMTI_REC_WRITE = 1 << 3,
    VMTI_REC_HAS_STACK = 1 << 3, /* of an OWNER */
    VMTI_REC_SYSCALL = 1 << 4,
    VMTI_REC_EVICT = 1 << 5,
    VMTI_REC_SAME_PAGE = 1 << 5, /* of an UPGRADE, which evicts nothing */
    VMTI_REC_THREAD_CHANGE = 1 << 6,
    VMTI_REC_SHORT = 1 << 7,     /* of an UPGRADE */
};

/* How a region ended. */
enum vmti_trace_end {
    VMTI_END_REGION = 0,  /* vmt_end */
    VMTI_END_EXIT = 1,    /* the program exited; end_code is its exit status */
    VMTI_END_SIGNAL = 2,  /* the program was killed; end_code is the signal */
    VMTI_END_EXEC = 3,    /* the program replaced itself by execve */
    VMTI_END_LOST = 4,    /* the region became invalid; end_code is the negative errno */
    VMTI_END_UNWRITTEN = 5, /* records could not be written, and are missing; end_code is the negative errno */
};

struct vmti_trace_trailer {
    uint32_t end; /* enum vmti_trace_end */
    int32_t end_code;
    uint64_t end_time; /* time units */
    uint64_t touches, program_touches, syscall_touches;
    uint64_t footprint, pages_written, evictions, upgrades, drops;
    uint64_t pages_unchanged; /* of those written: held at the end what they had held before; 0 without HAS_CONTENT */
    uint64_t live_bytes; /* sum over the pages touched: most bytes at once in live blocks; 0 without HAS_LIVE; or ... */
    uint64_t peak_open, threads;
    uint64_t syscalls, syscalls_walked, unknown_calls, over_window;
    uint64_t room;                   /* the window at the end: larger than the header's if the threads needed it */
    int64_t first_unknown;           /* if unknown_calls: the number of the first of them, and the command that */
    uint64_t first_unknown_command;  /* its row does not know; 0 if there is no row */
    uint64_t left_open;              /* pages that were open from a submission to io_uring on */
    uint64_t refused_calls;          /* of io_uring_setup, with IORING_SETUP_SQPOLL */
};

/* vmti_trace_trailer.live_bytes: it was asked for, but some blocks could not be counted. */
#define VMTI_TRACE_NO_LIVE_BYTES UINT64_MAX

_Static_assert(sizeof(struct vmti_trace_header) == 56, "part of the format");
_Static_assert(sizeof(struct vmti_trace_block_header) == 56, "part of the format");
_Static_assert(sizeof(struct vmti_trace_trailer) == 184, "part of the format");

#endif
