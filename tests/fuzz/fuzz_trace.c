/* SPDX-License-Identifier: MIT */
/*
 * The reader of traces, its summary, insight and working sets on any bytes. First byte 0: the rest is the file. Else
 * the rest is a file whose lengths, numbers of records and touches, and checksums are put right before it is read, so
 * that what libFuzzer changes in it is reached: by an odd one what is no record is left out as well.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fuzz.h"
#include "insight.h"
#include "trace_read.h"
#include "trace_write.h"

enum { PAYLOAD_MOST = VMTI_TRACE_BLOCK_BYTES - sizeof(struct vmti_trace_block_header) };

static void put(int fd, const void *data, size_t bytes)
{
    if (write(fd, data, bytes) != (ssize_t)bytes)
        abort();
}

/* ------------------------------------------------------------------------------------------- putting a file right */

struct header {
    struct vmti_trace_header fixed;
    uint64_t rest[];
};

/* The header with the command that there is room for, or NULL. */
static struct header *make_header(const uint8_t *data, size_t bytes)
{
    struct vmti_trace_header fixed;
    if (bytes < sizeof fixed)
        return NULL;
    memcpy(&fixed, data, sizeof fixed);
    size_t there = bytes - sizeof fixed;
    fixed.command_bytes = fixed.command_bytes < there ? fixed.command_bytes : (uint32_t)there;
    size_t words = (fixed.command_bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    fixed.header_bytes = (uint32_t)(sizeof fixed + (words + 1) * sizeof(uint64_t));
    memcpy(fixed.magic, VMTI_TRACE_MAGIC, sizeof fixed.magic);
    fixed.version = VMTI_TRACE_VERSION;
    struct header *header = calloc(1, fixed.header_bytes);
    if (!header)
        abort();
    header->fixed = fixed;
    memcpy(header->rest, data + sizeof fixed, fixed.command_bytes);
    header->rest[words] = XXH3_64bits(header, fixed.header_bytes - sizeof(uint64_t));
    return header;
}

static void add_checksum(struct vmti_trace_block_header *block, const uint8_t *payload)
{
    XXH3_state_t state;
    block->checksum = 0;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, block, sizeof *block);
    XXH3_64bits_update(&state, payload, block->payload_bytes);
    block->checksum = XXH3_64bits_digest(&state);
}

/* Reads the records of one block as a trace of its own. Returns how many there are; the reader says what they are. */
static uint32_t read_records(const struct header *header, const struct vmti_trace_block_header *block,
                             const uint8_t *payload, struct vmti_trace_reader *reader, size_t *good_bytes)
{
    struct vmti_trace_block_header alone = *block;
    struct vmti_trace_block *memory = malloc(sizeof *memory + sizeof alone + alone.payload_bytes);
    if (!memory)
        abort();
    alone.first_touch = alone.footprint = 0;
    alone.records = UINT32_MAX; /* the reader stops at the end of the payload */
    add_checksum(&alone, payload);
    *memory = (struct vmti_trace_block){.bytes = (uint32_t)sizeof alone + alone.payload_bytes};
    memcpy(memory->data, &alone, sizeof alone);
    memcpy(memory->data + sizeof alone, payload, alone.payload_bytes);
    struct vmti_trace trace = {
        .header = (void *)(uintptr_t)header, .header_bytes = header->fixed.header_bytes, .first_full = memory};
    struct vmti_event event;
    uint32_t records = 0;
    *good_bytes = 0;
    if (!vmti_trace_read_memory(reader, &trace))
        while (vmti_trace_read_next(reader, &event)) {
            *good_bytes = (size_t)(reader->at - (memory->data + sizeof alone));
            records++;
        }
    vmti_trace_read_close(reader);
    free(memory);
    return records;
}

/* What the records of the blocks before come to. */
struct sums {
    uint64_t touches, program_touches, syscall_touches, evictions, upgrades, drops, footprint, time;
};

static void put_data(int fd, const struct header *header, struct vmti_trace_block_header block, const uint8_t *payload,
                     struct sums *sums, bool cut)
{
    struct vmti_trace_reader reader;
    size_t good;
    block.time = block.time > sums->time ? block.time : sums->time;
    block.touches = 0;
    block.records = read_records(header, &block, payload, &reader, &good);
    if (cut)
        block.payload_bytes = (uint32_t)good;
    else
        block.records += good < block.payload_bytes;
    block.first_touch = sums->touches;
    block.touches = reader.touches;
    uint64_t more = block.footprint - sums->footprint;
    block.footprint = sums->footprint + (more < block.touches ? more : block.touches);
    add_checksum(&block, payload);
    put(fd, &block, sizeof block);
    put(fd, payload, block.payload_bytes);
    *sums = (struct sums){
        .touches = sums->touches + reader.touches,
        .program_touches = sums->program_touches + reader.program_touches,
        .syscall_touches = sums->syscall_touches + reader.syscall_touches,
        .evictions = sums->evictions + reader.evictions,
        .upgrades = sums->upgrades + reader.upgrades,
        .drops = sums->drops + reader.drops,
        .footprint = block.footprint,
        .time = reader.last_time > block.time ? reader.last_time : block.time,
    };
}

static void put_trailer(int fd, struct vmti_trace_block_header block, const uint8_t *payload, size_t bytes,
                        const struct sums *sums)
{
    struct vmti_trace_trailer trailer = {0};
    memcpy(&trailer, payload, bytes < sizeof trailer ? bytes : sizeof trailer);
    trailer.touches = sums->touches;
    trailer.program_touches = sums->program_touches;
    trailer.syscall_touches = sums->syscall_touches;
    trailer.evictions = sums->evictions;
    trailer.upgrades = sums->upgrades;
    trailer.drops = sums->drops;
    block.payload_bytes = sizeof trailer;
    block.records = 0;
    block.first_touch = sums->touches;
    block.touches = 0;
    block.footprint = sums->footprint;
    block.time = sums->time;
    add_checksum(&block, (const uint8_t *)&trailer);
    put(fd, &block, sizeof block);
    put(fd, &trailer, sizeof trailer);
}

static const uint8_t *find_block(const uint8_t *data, size_t bytes)
{
    static const uint32_t magic = VMTI_TRACE_BLOCK_MAGIC;
    const uint8_t *found = memmem(data, bytes, &magic, sizeof magic);
    return found ? found : data + bytes;
}

/* A block goes from its magic number to the next one. */
static void put_right(int fd, const uint8_t *data, size_t bytes, bool cut)
{
    const uint8_t *end = data + bytes, *at = find_block(data, bytes);
    struct header *header = make_header(data, (size_t)(at - data));
    struct sums sums = {0};
    if (!header)
        return;
    put(fd, header, header->fixed.header_bytes);
    while (at < end) {
        const uint8_t *next = find_block(at + 1, (size_t)(end - at - 1)), *payload;
        struct vmti_trace_block_header block;
        if ((size_t)(next - at) < sizeof block) {
            put(fd, at, (size_t)(next - at));
            at = next;
            continue;
        }
        memcpy(&block, at, sizeof block);
        payload = at + sizeof block;
        block.payload_bytes = (uint32_t)(next - payload < PAYLOAD_MOST ? next - payload : PAYLOAD_MOST);
        if (block.type == VMTI_BLOCK_TRAILER)
            put_trailer(fd, block, payload, block.payload_bytes, &sums);
        else
            put_data(fd, header, block, payload, &sums, cut);
        at = next;
    }
    free(header);
}

/* ------------------------------------------------------------------------------------------- reading it */

/* True: it is a whole trace, by its own word. */
static bool read_all(struct vmti_trace_reader *reader)
{
    struct vmti_event event;
    uint64_t touches = 0, peak = 0;
    double average;
    while (vmti_trace_read_next(reader, &event))
        touches += event.kind == VMTI_REC_TOUCH;
    if (touches != reader->touches || (reader->complete && reader->reason[0]))
        abort();
    struct vmti_trace_summary summary;
    if (!vmti_trace_summarize(reader, &summary) && (summary.touches != touches || summary.footprint > touches))
        abort();
    bool complete = summary.complete;
    vmti_trace_summary_free(&summary);
    struct vmti_insight insight;
    vmti_insight_read(reader, (1u << VMTI_GROUPINGS) - 1, &insight);
    vmti_insight_free(&insight);
    vmti_trace_working_sets(reader, 7, &peak, &average);
    if (peak > 7 || average > (double)peak)
        abort();
    return complete;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    int fd = memfd_create("trace", 0);
    if (fd < 0)
        abort();
    if (*data)
        put_right(fd, data + 1, bytes - 1, *data & 1);
    else
        put(fd, data + 1, bytes - 1);
    struct vmti_trace_reader reader;
    fuzz_accepted(!vmti_trace_read_fd(&reader, fd) && read_all(&reader));
    vmti_trace_read_close(&reader);
    close(fd);
    return 0;
}
