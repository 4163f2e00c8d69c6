/* SPDX-License-Identifier: MIT */
/*
 * The reader of traces, its summary and its insight on any bytes. An even first byte: the rest is the file. An odd one: the rest
 * is header fields, and blocks of records, which are given a file's form with right checksums, so that the records are reached.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "insight.h"
#include "trace_read.h"

struct bytes {
    const uint8_t *at;
    size_t left;
};

static unsigned take(struct bytes *from)
{
    if (!from->left)
        return 0;
    from->left--;
    return *from->at++;
}

static void put(int fd, const void *data, size_t bytes)
{
    if (write(fd, data, bytes) != (ssize_t)bytes)
        abort();
}

static void put_block(int fd, struct vmti_trace_block_header header, const void *payload, size_t bytes)
{
    header.magic = VMTI_TRACE_BLOCK_MAGIC;
    header.payload_bytes = (uint32_t)bytes;
    header.checksum = 0;
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &header, sizeof header);
    XXH3_64bits_update(&state, payload, bytes);
    header.checksum = XXH3_64bits_digest(&state);
    put(fd, &header, sizeof header);
    put(fd, payload, bytes);
}

static void build(int fd, struct bytes from)
{
    struct {
        struct vmti_trace_header fixed;
        uint64_t checksum;
    } header = {.fixed = {
                    .magic = VMTI_TRACE_MAGIC,
                    .version = VMTI_TRACE_VERSION,
                    .header_bytes = sizeof header,
                    .page_size = 4096,
                    .window = 1 + take(&from),
                    .evict = (uint16_t)(1 + take(&from) % VMT_EVICT_MAX),
                    .flags = take(&from),
                    .scope = (uint16_t)(take(&from) % 3),
                    .time_unit_ns = VMTI_TRACE_TIME_UNIT,
                }};
    header.checksum = XXH3_64bits(&header.fixed, sizeof header.fixed);
    put(fd, &header, sizeof header);
    struct vmti_trace_block_header block = {.type = VMTI_BLOCK_DATA};
    while (from.left > 2) {
        block.records = take(&from);
        block.first_touch = take(&from);
        block.touches = take(&from);
        block.footprint += take(&from) % (block.touches + 1);
        size_t bytes = take(&from);
        bytes = bytes < from.left ? bytes : from.left;
        put_block(fd, block, from.at, bytes);
        from.at += bytes;
        from.left -= bytes;
    }
    struct vmti_trace_trailer trailer = {.touches = take(&from)};
    block = (struct vmti_trace_block_header){.type = VMTI_BLOCK_TRAILER};
    put_block(fd, block, &trailer, sizeof trailer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    int fd = memfd_create("trace", 0);
    if (fd < 0)
        abort();
    if (*data & 1)
        build(fd, (struct bytes){data + 1, bytes - 1});
    else
        put(fd, data + 1, bytes - 1);
    struct vmti_trace_reader reader;
    if (!vmti_trace_read_fd(&reader, fd)) {
        struct vmti_event event;
        uint64_t touches = 0;
        while (vmti_trace_read_next(&reader, &event))
            touches += event.kind == VMTI_REC_TOUCH;
        if (touches != reader.touches || (reader.complete && reader.reason[0]))
            abort();
        struct vmti_trace_summary summary;
        vmti_trace_read_rewind(&reader);
        if (!vmti_trace_summarize(&reader, &summary) && (summary.touches != touches || summary.footprint > touches))
            abort();
        vmti_trace_summary_free(&summary);
        struct vmti_insight insight;
        vmti_trace_read_rewind(&reader);
        vmti_insight_read(&reader, (1u << VMTI_GROUPINGS) - 1, &insight);
        vmti_insight_free(&insight);
        uint64_t peak = 0;
        vmti_trace_read_rewind(&reader);
        vmti_trace_working_set(&reader, 7, &peak);
        if (peak > 7)
            abort();
    }
    vmti_trace_read_close(&reader);
    close(fd);
    return 0;
}
