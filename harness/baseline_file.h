/* SPDX-License-Identifier: MIT */
/*
 * The text of a baseline. One metric a line, in sections, made to be read, diffed and merged:
 *
 *     vmt-baseline 1
 *     # a comment
 *
 *     [allocator=glibc libc=glibc page=4096 window=64 evict=1 scope=heap writes=0 threads=all]
 *     footprint = 40 +-1 +-2%
 *     label "index" pages = 12
 *     touches = any                    # not compared
 *
 * Lines end with LF. The first says the version. Blank lines, and what follows a # outside of quotes, are comments. A
 * section begins with its key in brackets: all of these words in this order, joined by single spaces. A metric is
 *
 *     name = value [+-N] [+-P%]
 *
 * name      words of a-z, 0-9, - and %, and quoted names (printable ASCII; \", \\ and \xNN stand for themselves), with
 *           single spaces between; once in a section
 * value     a whole number below 2^64 (of the fingerprint 0x and hexadecimal digits); ? to be recorded; any: not
 *           compared
 * +-N, +-P% may differ by: the larger of N and P percent of the value, rounded down. P from 0 to 1000, at most two
 *           decimals. Neither: by nothing. Not for the fingerprint.
 *
 * All of this is pure: bytes in, bytes out. Memory is bounded by the length: at most 40 bytes for each byte of the
 * file.
 */
#ifndef VMTI_BASELINE_FILE_H
#define VMTI_BASELINE_FILE_H

#include "metrics.h"

enum {
    VMTI_BASELINE_VERSION = 1,
    VMTI_BASELINE_BYTES_MAX = 1024 * 1024, /* of a file */
    VMTI_BASELINE_LINE_MAX = 1024,         /* bytes of a line, without its newline */
    VMTI_BASELINE_ERROR_BYTES = 256,
};

enum vmti_baseline_kind {
    VMTI_BASELINE_NUMBER,
    VMTI_BASELINE_UNRECORDED, /* ? */
    VMTI_BASELINE_ANY,
};

/* A section's first line, or a metric. Places are counted in bytes from the start of the file. */
struct vmti_baseline_line {
    uint32_t number;                        /* of the line, from 1 */
    uint32_t start, end;                    /* of the line, its newline included */
    uint32_t name, name_bytes;              /* of the metric; or the key of the section */
    uint32_t value_at, value_bytes;         /* as they are written, */
    uint32_t tolerance_at, tolerance_bytes; /* ... blanks between the two tolerances included */
    bool section;
    uint8_t kind;     /* enum vmti_baseline_kind */
    uint32_t percent; /* in hundredths of a percent */
    uint64_t value, absolute;
};

struct vmti_baseline {
    const char *bytes; /* the caller's */
    size_t length;
    struct vmti_baseline_line *lines;
    size_t count, capacity;
    unsigned error_line;                   /* 0: none */
    char error[VMTI_BASELINE_ERROR_BYTES]; /* what was found, and what was expected */
};

/* 0; -EINVAL with line and sentence; or -ENOMEM. Reads nothing but these bytes, which must stay. Free it in all
 * cases. */
VMTI_HIDDEN int vmti_baseline_parse(const char *bytes, size_t length, struct vmti_baseline *baseline);

VMTI_HIDDEN void vmti_baseline_free(struct vmti_baseline *baseline);

/* The section with this key: its first line, of which *count metrics follow. NULL: there is none. */
VMTI_HIDDEN const struct vmti_baseline_line *vmti_baseline_section(const struct vmti_baseline *baseline,
                                                                   const char *key, size_t *count);

/* What holds, from *low to *high. Saturates at 0 and at 2^64 - 1. */
VMTI_HIDDEN void vmti_baseline_limits(const struct vmti_baseline_line *metric, uint64_t *low, uint64_t *high);

struct vmti_baseline_change {
    const struct vmti_baseline_line *line; /* whose value changes; NULL: a new line */
    const char *name;                      /* of the new line */
    uint64_t value;
};

/*
 * The file with these values in the section with this key, all else byte for byte as it is: *text, to be freed, and
 * *bytes. New lines and a new section come where they sort, with a tolerance of +-1 +-2%. A baseline of length 0
 * becomes a whole file. 0, -ENOMEM, or -EFBIG: more than VMTI_BASELINE_BYTES_MAX.
 */
VMTI_HIDDEN int vmti_baseline_change(const struct vmti_baseline *baseline, const char *key,
                                     const struct vmti_baseline_change *changes, size_t count, char **text,
                                     size_t *bytes);

#endif
