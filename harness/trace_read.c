/* SPDX-License-Identifier: MIT */
/* Trusts nothing that it reads: each length is compared with what is there before it is used. */
#define _GNU_SOURCE
#include "trace_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "trace_write.h" /* struct vmti_trace_block */

enum { BLOCK_HEADER = sizeof(struct vmti_trace_block_header) };

static const char DAMAGED[] = "it is damaged, or was written to by something else";

/* ------------------------------------------------------------------------------------------- ends */

VMT_PRINTF(2, 3) static void say(struct vmti_trace_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->reason, sizeof reader->reason, format, args);
    va_end(args);
}

/* Nothing more is read; reader->reason says why. */
static bool stop(struct vmti_trace_reader *reader)
{
    reader->ended = true;
    reader->complete = false;
    return false;
}

static int refuse(struct vmti_trace_reader *reader, int error)
{
    stop(reader);
    reader->error = error;
    return error;
}

/* ------------------------------------------------------------------------------------------- input */

/* As many of the bytes as the file has there, or negative errno. */
static ssize_t read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static bool stop_unreadable(struct vmti_trace_reader *reader, int error)
{
    reader->error = error;
    say(reader, "reading failed at byte %" PRIu64 ": %s", reader->offset, strerror(-error));
    return stop(reader);
}

/* ------------------------------------------------------------------------------------------- file header */

/* Checks a header of which `bytes` bytes are there, at least the fixed part. */
static int check_header(struct vmti_trace_reader *reader, const unsigned char *data, uint64_t bytes)
{
    struct vmti_trace_header *header = &reader->header;
    memcpy(header, data, sizeof *header);
    if (memcmp(header->magic, VMTI_TRACE_MAGIC, sizeof header->magic) != 0) {
        say(reader, "it is not a trace: it does not begin with \"%s\"", VMTI_TRACE_MAGIC);
        return refuse(reader, -EINVAL);
    }
    if (header->version != VMTI_TRACE_VERSION) {
        say(reader, "it is a trace of format version %u, and this is a reader of version %d", header->version,
            VMTI_TRACE_VERSION);
        return refuse(reader, -EINVAL);
    }
    uint64_t least = sizeof *header + (uint64_t)header->command_bytes + sizeof(uint64_t);
    if (header->header_bytes > VMTI_TRACE_HEADER_MAX || header->header_bytes < least || header->header_bytes % 8) {
        say(reader, "its header gives lengths that no trace has: %s", DAMAGED);
        return refuse(reader, -EINVAL);
    }
    if (header->header_bytes > bytes) {
        say(reader, "it ends inside its header, at byte %" PRIu64 " of %" PRIu32, bytes, header->header_bytes);
        return refuse(reader, -EINVAL);
    }
    return 0;
}

static int check_header_content(struct vmti_trace_reader *reader, const unsigned char *data)
{
    const struct vmti_trace_header *header = &reader->header;
    size_t checked = header->header_bytes - sizeof(uint64_t);
    uint64_t checksum;
    memcpy(&checksum, data + checked, sizeof checksum);
    if (XXH3_64bits(data, checked) != checksum) {
        say(reader, "its header has a wrong checksum: %s", DAMAGED);
        return refuse(reader, -EINVAL);
    }
    reader->command = (const char *)data + sizeof *header;
    bool ends = header->command_bytes == 0 || reader->command[header->command_bytes - 1] == '\0';
    bool page = header->page_size >= 4096 && (header->page_size & (header->page_size - 1)) == 0;
    bool sanitizer = vmti_trace_sanitizer(header) < VMTI_SANITIZERS;
    if (!ends || !page || !sanitizer || !header->time_unit_ns || !header->window || header->scope > VMT_SCOPE_RANGES ||
        !header->evict || header->evict > VMT_EVICT_MAX ||
        (header->flags & (VMTI_TRACE_HAS_CONTENT | VMTI_TRACE_HAS_WRITES)) == VMTI_TRACE_HAS_CONTENT) {
        say(reader, "its header holds values that no trace has: %s", DAMAGED);
        return refuse(reader, -EINVAL);
    }
    vmti_trace_read_rewind(reader);
    return 0;
}

int vmti_trace_read_fd(struct vmti_trace_reader *reader, int fd)
{
    memset(reader, 0, sizeof *reader);
    reader->fd = fd;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int error = -errno;
        say(reader, "it cannot be read: %s", strerror(-error));
        return refuse(reader, error);
    }
    if (!S_ISREG(st.st_mode)) {
        say(reader, "it is not a regular file");
        return refuse(reader, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL);
    }
    unsigned char fixed[sizeof reader->header];
    ssize_t n = read_at(fd, fixed, sizeof fixed, 0);
    if (n < 0) {
        say(reader, "it cannot be read: %s", strerror((int)-n));
        return refuse(reader, (int)n);
    }
    if (n < (ssize_t)sizeof fixed) {
        if (n == 0)
            say(reader, "it is empty");
        else
            say(reader, "it has %zd bytes, which is too short for a trace", n);
        return refuse(reader, -EINVAL);
    }
    int error = check_header(reader, fixed, (uint64_t)st.st_size);
    if (error)
        return error;
    reader->header_copy = malloc(reader->header.header_bytes);
    reader->buffer = malloc(VMTI_TRACE_BLOCK_BYTES);
    if (!reader->header_copy || !reader->buffer) {
        say(reader, "no memory was left to read it");
        return refuse(reader, -ENOMEM);
    }
    n = read_at(fd, reader->header_copy, reader->header.header_bytes, 0);
    if (n < (ssize_t)reader->header.header_bytes) {
        say(reader, "its header cannot be read: %s", n < 0 ? strerror((int)-n) : "the file has become shorter");
        return refuse(reader, n < 0 ? (int)n : -EINVAL);
    }
    if (memcmp(reader->header_copy, fixed, sizeof fixed) != 0) { /* its lengths were checked in `fixed` */
        say(reader, "its header changes while it is read");
        return refuse(reader, -EINVAL);
    }
    return check_header_content(reader, reader->header_copy);
}

int vmti_trace_read_file(struct vmti_trace_reader *reader, const char *path)
{
    /* O_NONBLOCK: opening a FIFO that nobody writes to must not wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        int error = -errno;
        memset(reader, 0, sizeof *reader);
        reader->fd = -1;
        say(reader, "it cannot be opened: %s", strerror(-error));
        return refuse(reader, error);
    }
    int error = vmti_trace_read_fd(reader, fd);
    reader->owns_fd = true;
    return error;
}

int vmti_trace_read_memory(struct vmti_trace_reader *reader, const struct vmti_trace *trace)
{
    memset(reader, 0, sizeof *reader);
    reader->fd = -1;
    if (!trace->header || trace->header_bytes < sizeof reader->header) {
        say(reader, "it was not started");
        return refuse(reader, -EINVAL);
    }
    reader->first = trace->first_full;
    int error = check_header(reader, trace->header, trace->header_bytes);
    return error ? error : check_header_content(reader, trace->header);
}

void vmti_trace_read_rewind(struct vmti_trace_reader *reader)
{
    if (!reader->command) /* not open */
        return;
    reader->complete = reader->ended = reader->has_trailer = reader->in_block = false;
    reader->error = 0;
    reader->reason[0] = '\0';
    memset(&reader->trailer, 0, sizeof reader->trailer);
    reader->touches = reader->program_touches = reader->syscall_touches = 0;
    reader->evictions = reader->upgrades = reader->drops = 0;
    reader->offset = reader->header.header_bytes;
    reader->next = reader->first;
    reader->at = reader->limit = NULL;
    reader->block_records = 0;
    reader->last_time = 0;
    reader->touches_due = reader->footprint = 0;
}

void vmti_trace_read_close(struct vmti_trace_reader *reader)
{
    if (reader->owns_fd)
        close(reader->fd);
    free(reader->header_copy);
    free(reader->buffer);
    reader->header_copy = NULL;
    reader->buffer = NULL;
    reader->command = NULL;
    reader->owns_fd = false;
    reader->fd = -1;
    reader->ended = true;
}

/* ------------------------------------------------------------------------------------------- blocks */

static bool stop_cut(struct vmti_trace_reader *reader)
{
    say(reader, "the trace ends inside the block at byte %" PRIu64 ": it was cut off, or the disk was full",
        reader->offset);
    return stop(reader);
}

static bool stop_damaged(struct vmti_trace_reader *reader, const char *what)
{
    say(reader, "%s in the block at byte %" PRIu64 ": %s", what, reader->block_offset, DAMAGED);
    return stop(reader);
}

/* Points *data to the next block, whole; its header is checked as far as its length. */
static bool fetch_block(struct vmti_trace_reader *reader, struct vmti_trace_block_header *header,
                        const unsigned char **data)
{
    uint64_t there;
    reader->block_offset = reader->offset;
    if (reader->buffer) {
        ssize_t n = read_at(reader->fd, reader->buffer, BLOCK_HEADER, reader->offset);
        if (n < 0)
            return stop_unreadable(reader, (int)n);
        there = (uint64_t)n;
        *data = reader->buffer;
    } else {
        there = reader->next ? reader->next->bytes : 0;
        *data = reader->next ? reader->next->data : NULL;
    }
    if (there == 0) {
        say(reader, "the trace has no end: the program, its catcher or the machine was stopped before the region was "
                    "over, or the trace could not be written");
        return stop(reader);
    }
    if (there < BLOCK_HEADER)
        return stop_cut(reader);
    memcpy(header, *data, BLOCK_HEADER);
    if (header->magic != VMTI_TRACE_BLOCK_MAGIC || header->payload_bytes > VMTI_TRACE_BLOCK_BYTES - BLOCK_HEADER)
        return stop_damaged(reader, "no block header");
    if (reader->buffer) {
        ssize_t n = read_at(reader->fd, reader->buffer + BLOCK_HEADER, header->payload_bytes,
                            reader->offset + BLOCK_HEADER);
        if (n < 0)
            return stop_unreadable(reader, (int)n);
        there += (uint64_t)n;
    } else {
        reader->next = reader->next->next;
    }
    if (there < BLOCK_HEADER + header->payload_bytes)
        return stop_cut(reader);
    reader->offset += BLOCK_HEADER + header->payload_bytes;
    return true;
}

static bool checksum_holds(const struct vmti_trace_block_header *header, const unsigned char *payload)
{
    struct vmti_trace_block_header zero = *header;
    zero.checksum = 0;
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &zero, sizeof zero);
    XXH3_64bits_update(&state, payload, header->payload_bytes);
    return XXH3_64bits_digest(&state) == header->checksum;
}

/* Is there anything after the trailer? */
static bool has_more(struct vmti_trace_reader *reader)
{
    if (!reader->buffer)
        return reader->next != NULL;
    unsigned char byte;
    return read_at(reader->fd, &byte, 1, reader->offset) == 1;
}

/* The trailer ends the trace. Complete is a trace that says so itself, and whose records add up to what it says. */
static bool take_trailer(struct vmti_trace_reader *reader, const struct vmti_trace_block_header *header,
                         const unsigned char *payload)
{
    struct vmti_trace_trailer *trailer = &reader->trailer;
    if (header->payload_bytes != sizeof *trailer || header->records)
        return stop_damaged(reader, "a trailer of the wrong size");
    memcpy(trailer, payload, sizeof *trailer);
    if (trailer->end > VMTI_END_UNWRITTEN) {
        memset(trailer, 0, sizeof *trailer);
        return stop_damaged(reader, "a trailer with an unknown end");
    }
    uint64_t most_unchanged = reader->header.flags & VMTI_TRACE_HAS_CONTENT ? trailer->pages_written : 0;
    bool has_live = reader->header.flags & VMTI_TRACE_HAS_LIVE;
    uint64_t size = reader->header.page_size, live = trailer->live_bytes / size + (trailer->live_bytes % size != 0);
    bool live_is_possible = live <= (has_live ? trailer->footprint : 0) ||
                            (has_live && trailer->live_bytes == VMTI_TRACE_NO_LIVE_BYTES);
    if (trailer->pages_unchanged > most_unchanged || !live_is_possible) {
        memset(trailer, 0, sizeof *trailer);
        return stop_damaged(reader, "a trailer with counts that no trace has");
    }
    reader->has_trailer = true;
    if (has_more(reader)) {
        say(reader, "something follows the trailer at byte %" PRIu64 ": %s", reader->block_offset, DAMAGED);
        return stop(reader);
    }
    int64_t code = -(int64_t)trailer->end_code;
    const char *why = code > 0 && code < 4096 ? strerror((int)code) : "reason unknown";
    if (trailer->end == VMTI_END_UNWRITTEN) { /* its counts are the region's */
        say(reader, "it could not be written to its end (%s): records are missing", why);
        return stop(reader);
    }
    static const struct {
        const char *name;
        size_t read, told;
    } counts[] = {
#define COUNT(field, name) {name, offsetof(struct vmti_trace_reader, field), offsetof(struct vmti_trace_trailer, field)}
        COUNT(touches, "touches"),     COUNT(program_touches, "touches by the program"),
        COUNT(evictions, "evictions"), COUNT(syscall_touches, "touches by system calls"),
        COUNT(upgrades, "upgrades"),   COUNT(drops, "drops"),
#undef COUNT
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t read, told;
        memcpy(&read, (const char *)reader + counts[i].read, sizeof read);
        memcpy(&told, (const char *)trailer + counts[i].told, sizeof told);
        if (read != told) {
            say(reader, "the trailer counts %" PRIu64 " %s, but the records are %" PRIu64 ": %s", told, counts[i].name,
                read, DAMAGED);
            return stop(reader);
        }
    }
    if (trailer->end == VMTI_END_LOST) {
        say(reader, "the region was given up before its end (%s): what followed is not in the trace", why);
        return stop(reader);
    }
    reader->ended = true;
    reader->complete = true;
    return false;
}

/* Makes the next data block the current one. */
static bool load_block(struct vmti_trace_reader *reader)
{
    struct vmti_trace_block_header header;
    const unsigned char *data;
    if (!fetch_block(reader, &header, &data))
        return false;
    if (!checksum_holds(&header, data + BLOCK_HEADER))
        return stop_damaged(reader, "a wrong checksum");
    /* At most one page more for each touch. */
    bool goes_on = header.first_touch == reader->touches && header.time >= reader->last_time &&
                   header.touches <= header.records && header.footprint >= reader->footprint &&
                   header.footprint - reader->footprint <= header.touches;
    if (!goes_on)
        return stop_damaged(reader, "no continuation of what is before it");
    reader->touches_due = header.first_touch + header.touches;
    reader->footprint = header.footprint;
    if (header.type == VMTI_BLOCK_TRAILER)
        return take_trailer(reader, &header, data + BLOCK_HEADER);
    if (header.type != VMTI_BLOCK_DATA)
        return stop_damaged(reader, "an unknown type");
    reader->at = data + BLOCK_HEADER;
    reader->limit = reader->at + header.payload_bytes;
    reader->block_records = header.records;
    reader->last_page = 0;
    reader->last_thread = 0;
    reader->last_flags = 0;
    reader->last_time = header.time;
    reader->in_block = true;
    return true;
}

/* ------------------------------------------------------------------------------------------- records */

static bool get_varint(struct vmti_trace_reader *reader, uint64_t *value)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->limit; shift += 7) {
        unsigned char byte = *reader->at++;
        if (shift == 63 && byte > 1) /* more than 64 bits */
            return false;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = n;
            return true;
        }
    }
    return false;
}

static bool get_varint32(struct vmti_trace_reader *reader, uint32_t *value)
{
    uint64_t n;
    if (!get_varint(reader, &n) || n > UINT32_MAX)
        return false;
    *value = (uint32_t)n;
    return true;
}

static bool get_text(struct vmti_trace_reader *reader, struct vmti_event *event, size_t most)
{
    uint64_t n;
    if (!get_varint(reader, &n) || n > most || n > (size_t)(reader->limit - reader->at))
        return false;
    event->text = (const char *)reader->at;
    event->text_bytes = (size_t)n;
    reader->at += n;
    return true;
}

/* Does the whole range have addresses? */
static bool is_range(const struct vmti_trace_reader *reader, uint64_t page, uint64_t pages)
{
    uint64_t last = UINT64_MAX / reader->header.page_size;
    return page <= last && pages <= last - page + 1;
}

/* A page as its distance from the one before. */
static bool get_page(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    uint64_t n;
    if (!get_varint(reader, &n))
        return false;
    event->page = reader->last_page + (n >> 1 ^ (0 - (n & 1)));
    reader->last_page = event->page;
    return is_range(reader, event->page, 1);
}

/* The event comes so long after the one before. */
static bool pass_time(struct vmti_trace_reader *reader, struct vmti_event *event, uint64_t delta)
{
    if (delta > UINT64_MAX - reader->last_time)
        return false;
    reader->last_time += delta;
    uint64_t unit = reader->header.time_unit_ns;
    event->time_ns = reader->last_time > UINT64_MAX / unit ? UINT64_MAX : reader->last_time * unit;
    return true;
}

static bool get_touch(struct vmti_trace_reader *reader, struct vmti_event *event, unsigned tag)
{
    uint64_t delta;
    if ((tag & VMTI_REC_AGAIN) == VMTI_REC_AGAIN) {
        event->kind = VMTI_REC_TOUCH;
        delta = tag >> 3 << 1 | (tag & 1);
        tag = reader->last_flags;
        if (!get_page(reader, event))
            return false;
    } else if (tag & VMTI_REC_SHORT) { /* an upgrade */
        event->page = reader->last_page;
        delta = tag >> 3 & VMTI_TRACE_SHORT_UPGRADE;
        tag = VMTI_REC_WRITE;
    } else {
        if (tag & VMTI_REC_THREAD_CHANGE && !get_varint32(reader, &reader->last_thread))
            return false;
        if (event->kind == VMTI_REC_UPGRADE && tag & VMTI_REC_SAME_PAGE)
            event->page = reader->last_page;
        else if (!get_page(reader, event))
            return false;
        if (!get_varint(reader, &delta))
            return false;
    }
    if (!pass_time(reader, event, delta))
        return false;
    event->thread = reader->last_thread;
    event->write = tag & VMTI_REC_WRITE;
    event->syscall = tag & VMTI_REC_SYSCALL;
    if (event->kind == VMTI_REC_UPGRADE) {
        reader->upgrades++;
    } else {
        reader->last_flags = tag & (VMTI_REC_WRITE | VMTI_REC_SYSCALL | VMTI_REC_EVICT);
        event->evicts = tag & VMTI_REC_EVICT ? reader->header.evict : 0;
        reader->evictions += event->evicts;
        reader->touches++;
        if (event->syscall)
            reader->syscall_touches++;
        else
            reader->program_touches++;
    }
    event->touch = reader->touches;
    return true;
}

static bool get_drop(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    if (!get_page(reader, event) || !get_varint(reader, &event->pages) ||
        !is_range(reader, event->page, event->pages) || event->pages > UINT64_MAX - reader->drops)
        return false;
    reader->drops += event->pages;
    return true;
}

static bool get_owner(struct vmti_trace_reader *reader, struct vmti_event *event, bool has_stack)
{
    return get_varint32(reader, &event->owner) && get_varint(reader, &event->page) &&
           get_varint(reader, &event->pages) && is_range(reader, event->page, event->pages) &&
           get_varint(reader, &event->bytes) && get_varint(reader, &event->site) &&
           (!has_stack || (get_varint32(reader, &event->stack) && event->stack)) &&
           get_text(reader, event, VMTI_TRACE_LABEL_MAX);
}

static bool get_stack(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    uint64_t address = 0, delta;
    event->kind = VMTI_REC_STACK;
    event->frames = reader->frames;
    if (!get_varint32(reader, &event->stack) || !event->stack || !get_varint32(reader, &event->frame_count) ||
        !event->frame_count || event->frame_count > VMTI_TRACE_STACK_MAX)
        return false;
    for (uint32_t i = 0; i < event->frame_count; i++) {
        if (!get_varint(reader, &delta))
            return false;
        reader->frames[i] = address += delta >> 1 ^ (0 - (delta & 1));
    }
    return true;
}

static bool get_module(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    return get_varint(reader, &event->start) && get_varint(reader, &event->end) &&
           get_varint(reader, &event->offset) && get_text(reader, event, VMTI_TRACE_PATH_MAX) &&
           event->start <= event->end && event->offset <= UINT64_MAX - (event->end - event->start);
}

static bool get_mark(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    uint64_t delta;
    event->kind = VMTI_REC_MARK;
    return get_varint(reader, &delta) && pass_time(reader, event, delta) &&
           get_text(reader, event, VMTI_TRACE_LABEL_MAX);
}

static bool get_record(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    unsigned tag = *reader->at++;
    unsigned flags = tag & ~(unsigned)VMTI_REC_KIND;
    bool stacks = reader->header.flags & VMTI_TRACE_HAS_STACKS;
    memset(event, 0, sizeof *event);
    event->kind = tag & VMTI_REC_KIND;
    switch (event->kind) {
    case VMTI_REC_TOUCH:
        return !(flags & VMTI_REC_SHORT) && get_touch(reader, event, tag);
    case VMTI_REC_UPGRADE:
        return get_touch(reader, event, tag);
    case VMTI_REC_DROP:
        return !flags && get_drop(reader, event);
    case VMTI_REC_OWNER:
        return !(flags & (stacks ? ~(unsigned)VMTI_REC_HAS_STACK : ~0u)) &&
               get_owner(reader, event, flags & VMTI_REC_HAS_STACK);
    case VMTI_REC_THREAD:
        return !flags && get_varint32(reader, &event->thread) && get_varint32(reader, &event->tid);
    case VMTI_REC_MODULE:
        if (tag == VMTI_REC_MARK)
            return get_mark(reader, event);
        if (tag == VMTI_REC_STACK)
            return stacks && get_stack(reader, event);
        return !flags && get_module(reader, event);
    default:
        return get_touch(reader, event, tag);
    }
}

bool vmti_trace_read_next(struct vmti_trace_reader *reader, struct vmti_event *event)
{
    while (!reader->ended) {
        if (reader->in_block && reader->at < reader->limit) {
            if (reader->block_records-- == 0)
                return stop_damaged(reader, "more records than it says");
            if (!get_record(reader, event))
                return stop_damaged(reader, "a malformed record");
            return true;
        }
        if (reader->in_block && reader->block_records)
            return stop_damaged(reader, "fewer records than it says");
        if (reader->in_block && reader->touches != reader->touches_due)
            return stop_damaged(reader, "another number of touches than it says");
        reader->in_block = false;
        if (!load_block(reader))
            return false;
    }
    return false;
}
