/* SPDX-License-Identifier: MIT */
/* Encoding of the trace. Async-signal-safe; the vmti_trace_put_* functions make no system call. */
#ifndef VMTI_TRACE_WRITE_H
#define VMTI_TRACE_WRITE_H

#include "types.h"

struct vmti_trace_trailer;

/* Sets up the trace of r; fd -1 keeps it in memory. command: NUL-ended arguments. 0 or negative errno. */
VMTI_HIDDEN int vmti_trace_start(struct vmti_region *r, int fd, const char *command, size_t command_bytes,
                                 uint64_t realtime_ns, uint64_t now_ns);

/* kind: VMTI_REC_TOUCH or VMTI_REC_UPGRADE; flags: VMTI_REC_WRITE, _SYSCALL, _EVICT. */
VMTI_HIDDEN void vmti_trace_put_touch(struct vmti_region *r, unsigned kind, unsigned flags, uint64_t page,
                                      struct vmti_thread *t, uint64_t now_ns);
VMTI_HIDDEN void vmti_trace_put_drop(struct vmti_region *r, uint64_t page, uint64_t count);

/* The phase with this number begins; 0: none. */
VMTI_HIDDEN void vmti_trace_put_mark(struct vmti_region *r, uint32_t phase, uint64_t now_ns);
VMTI_HIDDEN void vmti_trace_put_owner(struct vmti_region *r, uint32_t index);
VMTI_HIDDEN void vmti_trace_put_module(struct vmti_region *r, uint64_t start, uint64_t end, uint64_t offset,
                                       const char *path, size_t path_bytes);

/* Writes the full blocks to the file; nothing to do where the trace is in memory. Not on the fault path. */
VMTI_HIDDEN void vmti_trace_flush(struct vmti_region *r);

/* trace_file.c; the first two have nothing to do unless the file is in its care. */

/* Opens it for the next write. 0 or negative errno. */
VMTI_HIDDEN int vmti_trace_open_file(struct vmti_trace *trace);
VMTI_HIDDEN void vmti_trace_close_file(struct vmti_trace *trace);
/* write(2). */
VMTI_HIDDEN long vmti_trace_write_bytes(const struct vmti_trace *trace, const void *data, size_t bytes);
/* Its descriptor is in the program's table: from now on it is in that file's care. 0 or negative errno. */
VMTI_HIDDEN int vmti_trace_share_file(struct vmti_region *r);
/* Keeps it open from now on: the program is about to lose its name or the right to open it. */
VMTI_HIDDEN void vmti_trace_keep_open(struct vmti_trace *trace);
/* Moves the descriptor to a number from `least` on. */
VMTI_HIDDEN void vmti_trace_move_file(struct vmti_trace *trace, int least);
/* The trace is complete, or this process does not write it. */
VMTI_HIDDEN void vmti_trace_let_file_go(struct vmti_trace *trace);

/* Ends the trace's file for now, before what may end the process, and takes that back. Nothing is written in
 * between. */
VMTI_HIDDEN void vmti_trace_seal(struct vmti_region *r, const struct vmti_trace_trailer *trailer);
VMTI_HIDDEN void vmti_trace_unseal(struct vmti_region *r);

/* Ends the trace with a trailer. Returns the first error of the trace. */
VMTI_HIDDEN int vmti_trace_finish(struct vmti_region *r, const struct vmti_trace_trailer *trailer);

/* A block in memory. Its header is encoded into `data` when it is full; until then the fields say what it will be. */
struct vmti_trace_block {
    struct vmti_trace_block *next;
    uint32_t bytes; /* header included */
    uint32_t records;
    uint64_t first_touch; /* touches of the trace before this block */
    uint64_t touches;     /* in this block */
    uint64_t footprint;   /* of the trace, once it is full */
    uint64_t time;        /* base of the block's time deltas */
    _Alignas(8) unsigned char data[];
};

#endif
