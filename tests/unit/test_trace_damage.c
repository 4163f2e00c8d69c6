/* SPDX-License-Identifier: MIT */
/* Traces that are damaged, forged or not written to their end: no bytes can mislead or crash the reader. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "owners.h"
#include "random.h"
#include "trace_writer.h"

/* ------------------------------------------------------------------------------------------- damage */

struct bytes {
    unsigned char *data;
    size_t size;
};

static struct bytes contents(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct bytes file = {malloc((size_t)st.st_size), (size_t)st.st_size};
    assert_non_null(file.data);
    assert_int_equal(pread(fd, file.data, file.size, 0), st.st_size);
    return file;
}

/* A small trace with each kind of record, in several blocks. */
static struct bytes small_trace(void)
{
    uint32_t owner = vmti_owner_new(0x1000, 4, 16384, 0x400100, (uint32_t)vmti_name_new(&vmti_labels, "small"), 0);
    struct writer w;
    start_in_file(&w);
    vmti_trace_put_module(&w.region, 0x400000, 0x500000, 0, "/bin/small", 10);
    vmti_trace_put_owner(&w.region, owner);
    for (uint64_t i = 0; i < 40; i++) {
        touch(&w, 0x1000 + i % 7, i % 3 ? 0 : VMTI_REC_WRITE, (int)i % THREADS, i * 1000);
        if (i == 20)
            drop(&w, 0x1000, 3);
        if (i == 30)
            upgrade(&w, 0x1001, 0, i * 1000);
    }
    w.trailer.footprint = 7;
    w.trailer.pages_written = 7;
    finish(&w);
    struct bytes file = contents(w.fd);
    release(&w);
    assert_true(file.size < 1024);
    return file;
}

struct counts {
    bool opened, complete;
    uint64_t touches, program_touches, syscall_touches, footprint, pages_written, evictions, drops, upgrades;
};

/* All that a trace file makes its readers say. */
static struct counts read_all(int fd)
{
    struct counts counts = {0};
    struct vmti_trace_reader reader;
    struct vmti_trace_summary summary;
    int error = vmti_trace_read_fd(&reader, fd);
    assert_true((error == 0) == (reader.reason[0] == '\0'));
    if (error == 0) {
        assert_int_equal(vmti_trace_summarize(&reader, &summary), 0);
        assert_true(summary.complete == (summary.reason[0] == '\0'));
        counts = (struct counts){true,
                                 summary.complete,
                                 summary.touches,
                                 summary.program_touches,
                                 summary.syscall_touches,
                                 summary.footprint,
                                 summary.pages_written,
                                 summary.evictions,
                                 summary.drops,
                                 summary.upgrades};
        vmti_trace_summary_free(&summary);
        uint64_t peak;
        int result = vmti_trace_working_set(&reader, 5, &peak);
        assert_true(result == 0 || result == -EIO);
        assert_true(result == -EIO || peak <= 5);
    }
    vmti_trace_read_close(&reader);
    return counts;
}

static struct counts read_bytes(int fd, const void *data, size_t size)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, data, size, 0), (ssize_t)size);
    return read_all(fd);
}

static void assert_same_counts(const struct counts *a, const struct counts *b)
{
    assert_true(a->touches == b->touches && a->program_touches == b->program_touches);
    assert_true(a->syscall_touches == b->syscall_touches && a->footprint == b->footprint);
    assert_true(a->pages_written == b->pages_written && a->evictions == b->evictions);
    assert_true(a->drops == b->drops && a->upgrades == b->upgrades);
}

static void test_a_trace_cut_anywhere_is_not_complete(void **state)
{
    (void)state;
    struct bytes file = small_trace();
    int fd = new_file();
    struct counts whole = read_bytes(fd, file.data, file.size);
    assert_true(whole.complete);
    assert_int_equal(whole.touches, 40);
    uint64_t most = 0;
    for (size_t size = 0; size < file.size; size++) {
        struct counts counts = read_bytes(fd, file.data, size);
        assert_false(counts.complete);
        assert_true(counts.touches >= most && counts.touches <= whole.touches);
        most = counts.touches;
    }
    assert_int_equal(most, 40); /* without its trailer, all records are still there */
    unsigned char *longer = malloc(file.size + 1);
    assert_non_null(longer);
    memcpy(longer, file.data, file.size);
    longer[file.size] = 0;
    assert_false(read_bytes(fd, longer, file.size + 1).complete);
    free(longer);
    free(file.data);
    close(fd);
}

static void test_no_flipped_bit_goes_unnoticed(void **state)
{
    (void)state;
    struct bytes file = small_trace();
    int fd = new_file();
    for (size_t bit = 0; bit < file.size * 8; bit++) {
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(read_bytes(fd, file.data, file.size).complete);
        file.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(file.data);
    close(fd);
}

static void test_random_damage_never_yields_other_counts(void **state)
{
    (void)state;
    enum { MUTATIONS = 20000 };
    struct bytes file = small_trace();
    unsigned char *data = malloc(file.size * 2);
    assert_non_null(data);
    int fd = new_file();
    struct counts whole = read_bytes(fd, file.data, file.size);
    uint64_t seed = 20260101;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t size = file.size;
        memcpy(data, file.data, size);
        for (uint64_t n = 1 + next_random(&seed) % 4; n; n--) {
            uint64_t x = next_random(&seed);
            size_t at = (size_t)(x >> 8) % size, length = 1 + (size_t)(x >> 40) % 16;
            if (length > size - at)
                length = size - at;
            switch (x % 5) {
            case 0: /* other bytes */
                for (size_t j = at; j < at + length; j++)
                    data[j] = (unsigned char)next_random(&seed);
                break;
            case 1: /* the largest numbers */
                memset(data + at, 0xff, length);
                break;
            case 2: /* a piece is gone */
                memmove(data + at, data + at + length, size - at - length);
                size -= length;
                break;
            case 3: /* a piece is there twice */
                if (size + length > file.size * 2)
                    break;
                memmove(data + at + length, data + at, size - at);
                size += length;
                break;
            default: /* cut off */
                size = at ? at : 1;
            }
            if (size == 0)
                size = 1;
        }
        struct counts counts = read_bytes(fd, data, size);
        if (counts.complete)
            assert_same_counts(&counts, &whole);
    }
    free(data);
    free(file.data);
    close(fd);
}

static void test_a_missing_block_is_noticed(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    while (w.region.trace.bytes < 3 * VMTI_TRACE_BLOCK_BYTES)
        touch(&w, 3 * w.trailer.touches, 0, 0, 100 * w.trailer.touches);
    w.trailer.footprint = w.trailer.touches;
    finish(&w);
    assert_true(read_all(w.fd).complete);
    struct bytes file = contents(w.fd);
    struct vmti_trace_header header;
    struct vmti_trace_block_header first, second;
    memcpy(&header, file.data, sizeof header);
    memcpy(&first, file.data + header.header_bytes, sizeof first);
    size_t at = header.header_bytes + BLOCK_HEADER + first.payload_bytes;
    memcpy(&second, file.data + at, sizeof second);
    size_t bytes = BLOCK_HEADER + second.payload_bytes;
    memmove(file.data + at, file.data + at + bytes, file.size - at - bytes);
    struct counts counts = read_bytes(w.fd, file.data, file.size - bytes);
    assert_false(counts.complete);
    assert_int_equal(counts.touches, second.first_touch); /* those before it are kept */
    free(file.data);
    release(&w);
}

/* ------------------------------------------------------------------- forgeries: right checksums, wrong contents */

static uint32_t forged_flags; /* of the file's header */

static struct bytes forge(const struct vmti_trace_block_header *block, const void *payload, size_t payload_bytes)
{
    struct vmti_trace_header header = {.magic = VMTI_TRACE_MAGIC,
                                       .version = VMTI_TRACE_VERSION,
                                       .header_bytes = sizeof header + 8,
                                       .page_size = 4096,
                                       .flags = forged_flags,
                                       .window = WINDOW,
                                       .evict = EVICT,
                                       .time_unit_ns = VMTI_TRACE_TIME_UNIT};
    struct bytes file = {malloc(header.header_bytes + BLOCK_HEADER + payload_bytes),
                         header.header_bytes + BLOCK_HEADER + payload_bytes};
    assert_non_null(file.data);
    memcpy(file.data, &header, sizeof header);
    uint64_t checksum = XXH3_64bits(file.data, sizeof header);
    memcpy(file.data + sizeof header, &checksum, sizeof checksum);
    unsigned char *at = file.data + header.header_bytes;
    struct vmti_trace_block_header sealed = *block;
    sealed.checksum = 0;
    memcpy(at, &sealed, sizeof sealed);
    memcpy(at + BLOCK_HEADER, payload, payload_bytes);
    sealed.checksum = XXH3_64bits(at, BLOCK_HEADER + payload_bytes);
    memcpy(at, &sealed, sizeof sealed);
    return file;
}

static uint64_t forged_touches = 1; /* that the next block says to have */

/* What the reader says of a file with one data block that holds a good touch and then these bytes. */
static void assert_refused(int fd, const void *record, size_t bytes, const char *what)
{
    unsigned char payload[256] = {VMTI_REC_TOUCH, 20, 0};
    assert_true(bytes <= sizeof payload - 3);
    memcpy(payload + 3, record, bytes);
    struct vmti_trace_block_header block = {
        .magic = VMTI_TRACE_BLOCK_MAGIC, .payload_bytes = (uint32_t)(3 + bytes), .records = 2,
        .touches = forged_touches};
    struct bytes file = forge(&block, payload, 3 + bytes);
    struct counts counts = read_bytes(fd, file.data, file.size);
    assert_true(counts.opened);
    assert_false(counts.complete);
    assert_int_equal(counts.touches, 1); /* what is before it is kept */
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_fd(&reader, fd), 0);
    while (vmti_trace_read_next(&reader, &event))
        ;
    if (!strstr(reader.reason, what))
        fail_msg("\"%s\" does not say \"%s\"", reader.reason, what);
    vmti_trace_read_close(&reader);
    free(file.data);
}

#define HUGE_VARINT "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 2^64 - 1 */

static void test_forged_records_are_refused(void **state)
{
    (void)state;
    int fd = new_file();
#define REFUSED(record) assert_refused(fd, record, sizeof record - 1, "a malformed record")
    REFUSED("\x06");                                                     /* AGAIN without a page */
    REFUSED("\xff\xff");                                                 /* ... with half of one */
    REFUSED("\x29");                                                     /* UPGRADE of the same page without a time */
    REFUSED("\x80\x00\x00");                                             /* TOUCH with a flag of UPGRADE's */
    REFUSED("\x02\x00" HUGE_VARINT);                                     /* DROP of 2^64 - 1 pages */
    REFUSED("\x02\x00\xff\xff\xff\xff\xff\xff\xff\x7f");                 /* ... of pages beyond the last address */
    REFUSED("\x03\x01\x01" HUGE_VARINT "\x00\x00\x00");                  /* OWNER of 2^64 - 1 pages */
    REFUSED("\x03\x01" HUGE_VARINT "\x01\x00\x00\x00");                  /* ... at page 2^64 - 1 */
    REFUSED("\x03\x01\x01\x01\x01\x01" HUGE_VARINT "x");                 /* ... with a label of 2^64 - 1 bytes */
    REFUSED("\x03\x01\x01\x01\x01\x01\x40" "0123456789012345678901234567890123456789012345678901234567890123");
    REFUSED("\x03\x01\x01\x01\x01\x01\x05" "1234");                      /* ... longer than the block */
    REFUSED("\x05\x01\x02\x00" HUGE_VARINT "x");                         /* MODULE with a path of 2^64 - 1 bytes */
    REFUSED("\x05\x02\x01\x00\x01x");                                    /* ... that ends before it starts */
    REFUSED("\x05\x00" HUGE_VARINT "\x01\x00");                          /* ... beyond the largest offset */
    REFUSED("\x04" HUGE_VARINT "\x01");                                  /* THREAD 2^64 - 1 */
    REFUSED("\x40" HUGE_VARINT "\x00\x00");                              /* TOUCH by thread 2^64 - 1 */
    REFUSED("\x00" HUGE_VARINT "\x00");                                  /* ... of a page beyond the last address */
    REFUSED("\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03");         /* a varint of 65 bits */
    REFUSED("\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00");     /* a varint of 11 bytes */
    REFUSED("\x00\x00\xff");                                             /* a varint that the block cuts */
    REFUSED("\x06");                                                     /* no such kind */
    REFUSED("\x80\x00\x00");                                             /* no such flag */
    REFUSED("\x0a\x00\x01");                                             /* a flag that a DROP has not */
    REFUSED("\x15\x01\x01\x02");                                         /* STACK in a trace without */
    REFUSED("\x0b\x01\x01\x01\x01\x01\x01\x00");                         /* ... an OWNER with one */
    forged_flags = VMTI_TRACE_HAS_STACKS;
    REFUSED("\x15\x00\x01\x02");                                         /* STACK of number 0 */
    REFUSED("\x15\x01\x00");                                             /* ... of no frames */
    REFUSED("\x15\x01\x21" "012345678901234567890123456789012");         /* ... of 33 */
    REFUSED("\x15\x01\x02\x02");                                         /* ... with fewer than it says */
    REFUSED("\x15" HUGE_VARINT "\x01\x02");                              /* ... of number 2^64 - 1 */
    REFUSED("\x0b\x01\x01\x01\x01\x01\x00\x00");                         /* OWNER with stack 0 */
    REFUSED("\x1b\x01\x01\x01\x01\x01\x01\x00");                         /* ... with a flag that it has not */
    forged_flags = 0;
#undef REFUSED
    assert_refused(fd, "\x04\x00\x01\x04\x01\x02", 6, "more records"); /* two THREADs, where there is one record */
    assert_refused(fd, "", 0, "fewer records");
    assert_refused(fd, "\x04\x00\x01", 3, "has no end"); /* good, or the next would say nothing */
    forged_touches = 2;
    assert_refused(fd, "\x04\x00\x01", 3, "another number of touches");
    forged_touches = 1;
    close(fd);
}

static void test_times_beyond_64_bits_are_refused(void **state)
{
    (void)state;
    unsigned char payload[] = "\x00\x14" HUGE_VARINT "\x00\x00\x01"; /* the second touch is one unit later */
    struct vmti_trace_block_header block = {
        .magic = VMTI_TRACE_BLOCK_MAGIC, .payload_bytes = sizeof payload - 1, .records = 2};
    struct bytes file = forge(&block, payload, sizeof payload - 1);
    int fd = new_file();
    struct counts counts = read_bytes(fd, file.data, file.size);
    assert_int_equal(counts.touches, 1);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    assert_int_equal(vmti_trace_read_fd(&reader, fd), 0);
    assert_true(vmti_trace_read_next(&reader, &event));
    assert_true(event.time_ns == UINT64_MAX); /* units that do not fit into nanoseconds: the most there is */
    assert_false(vmti_trace_read_next(&reader, &event));
    vmti_trace_read_close(&reader);
    free(file.data);
    close(fd);
}

static void test_forged_block_headers_are_refused(void **state)
{
    (void)state;
    unsigned char payload[sizeof(struct vmti_trace_trailer)] = {0};
    const struct vmti_trace_block_header good = {.magic = VMTI_TRACE_BLOCK_MAGIC,
                                                 .payload_bytes = sizeof payload,
                                                 .type = VMTI_BLOCK_TRAILER};
    struct vmti_trace_block_header forged[11];
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        forged[i] = good;
    forged[0].magic++;
    forged[1].payload_bytes = UINT32_MAX;
    forged[2].payload_bytes = UINT32_MAX - BLOCK_HEADER + 1;
    forged[3].payload_bytes = VMTI_TRACE_BLOCK_BYTES - BLOCK_HEADER; /* allowed, but the file has fewer */
    forged[4].payload_bytes--;
    forged[5].type = 2;
    forged[6].records = 1;
    forged[7].first_touch = UINT64_MAX;
    forged[8].type = VMTI_BLOCK_DATA; /* its zeros are not 0 records */
    forged[9].footprint = 1; /* of no touches */
    forged[10].touches = 1; /* in no records */
    int fd = new_file();
    struct bytes file = forge(&good, payload, sizeof payload);
    assert_true(read_bytes(fd, file.data, file.size).complete); /* else the others would say nothing */
    free(file.data);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        file = forge(&forged[i], payload, forged[i].payload_bytes < sizeof payload ? forged[i].payload_bytes
                                                                                    : sizeof payload);
        struct counts counts = read_bytes(fd, file.data, file.size);
        assert_true(counts.opened);
        assert_false(counts.complete);
        free(file.data);
    }
    struct vmti_trace_trailer trailers[4] = {{.end = VMTI_END_UNWRITTEN + 1},
                                            {.pages_written = 1, .pages_unchanged = 1},
                                            {.footprint = 1, .live_bytes = 1},
                                            {.live_bytes = VMTI_TRACE_NO_LIVE_BYTES}};
    /* An end that there is not, and what was not measured. */
    for (size_t i = 0; i < sizeof trailers / sizeof *trailers; i++) {
        file = forge(&good, &trailers[i], sizeof trailers[i]);
        assert_false(read_bytes(fd, file.data, file.size).complete);
        free(file.data);
    }
    close(fd);
}

static void test_forged_file_headers_are_refused(void **state)
{
    (void)state;
    struct vmti_trace_block_header block = {.magic = VMTI_TRACE_BLOCK_MAGIC};
    struct bytes file = forge(&block, "", 0);
    struct vmti_trace_header good;
    memcpy(&good, file.data, sizeof good);
    struct vmti_trace_header forged[16];
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        forged[i] = good;
    forged[0].magic[7] = '2';
    forged[1].version = VMTI_TRACE_VERSION + 1;
    forged[2].header_bytes = UINT32_MAX & ~7u;
    forged[3].header_bytes = 0;
    forged[4].header_bytes += 4;
    forged[5].command_bytes = UINT32_MAX;
    forged[6].command_bytes = 1;
    forged[7].page_size = 0;
    forged[8].page_size = 4097;
    forged[9].time_unit_ns = 0;
    forged[10].scope = 3;
    forged[11].window = 0;
    forged[12].evict = 0;
    forged[13].evict = VMT_EVICT_MAX + 1;
    forged[14].flags = VMTI_TRACE_HAS_CONTENT; /* without write tracking */
    forged[15].flags = VMTI_SANITIZERS << VMTI_TRACE_SANITIZER_SHIFT;
    int fd = new_file();
    assert_true(read_bytes(fd, file.data, file.size).opened);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        memcpy(file.data, &forged[i], sizeof good);
        uint64_t checksum = XXH3_64bits(file.data, sizeof good);
        memcpy(file.data + sizeof good, &checksum, sizeof checksum);
        assert_false(read_bytes(fd, file.data, file.size).opened);
    }
    free(file.data);
    close(fd);
}

static void test_random_payloads_with_right_checksums_are_survived(void **state)
{
    (void)state;
    enum { PAYLOADS = 20000, LONGEST = 200 };
    uint64_t seed = 314159;
    int fd = new_file();
    for (int i = 0; i < PAYLOADS; i++) {
        unsigned char payload[LONGEST];
        size_t bytes = next_random(&seed) % LONGEST;
        for (size_t j = 0; j < bytes; j++) {
            uint64_t x = next_random(&seed) >> 16;
            /* Small numbers and record tags more often than chance has them. */
            payload[j] = (unsigned char)(x & 1 ? x >> 8 : x & 2 ? (x >> 8) % 8 : (x >> 8) % 2 ? 0xff : 1);
        }
        struct vmti_trace_block_header block = {.magic = VMTI_TRACE_BLOCK_MAGIC,
                                                .payload_bytes = (uint32_t)bytes,
                                                .records = (uint32_t)(next_random(&seed) % 60)};
        struct bytes file = forge(&block, payload, bytes);
        assert_false(read_bytes(fd, file.data, file.size).complete); /* it has no trailer */
        free(file.data);
    }
    close(fd);
}

/* ------------------------------------------------------------------------------------------- files that are none */

static void test_what_is_no_trace_is_refused_in_words(void **state)
{
    (void)state;
    char directory[] = "/tmp/vmt-test-trace-XXXXXX", path[PATH_MAX];
    assert_non_null(mkdtemp(directory));
    struct vmti_trace_reader reader;
    struct vmti_event event;

    snprintf(path, sizeof path, "%s/nothing", directory);
    assert_int_equal(vmti_trace_read_file(&reader, path), -ENOENT);
    assert_non_null(strstr(reader.reason, strerror(ENOENT)));
    assert_false(vmti_trace_read_next(&reader, &event));
    vmti_trace_read_close(&reader);

    assert_int_equal(vmti_trace_read_file(&reader, directory), -EISDIR);
    vmti_trace_read_close(&reader);

    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL); /* and does not wait for a writer */
    assert_non_null(strstr(reader.reason, "regular"));
    vmti_trace_read_close(&reader);
    unlink(path);

    snprintf(path, sizeof path, "%s/file", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL);
    assert_non_null(strstr(reader.reason, "empty"));
    vmti_trace_read_close(&reader);

    static const char text[] = "This is a text, and long enough for a header; it is not one, though. Really not.";
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    assert_int_equal(vmti_trace_read_file(&reader, path), -EINVAL);
    assert_non_null(strstr(reader.reason, "not a trace"));
    vmti_trace_read_close(&reader);
    close(fd);
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

/* ------------------------------------------------------------------------------------------- failures of writing */

static void test_a_failed_header_is_the_result_of_start(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    struct vmti_region region = {.window = WINDOW, .evict = EVICT};
    assert_int_equal(vmti_trace_start(&region, full, COMMAND, sizeof COMMAND, 0, 0), -ENOSPC);
    struct vmti_thread thread = {.tid = 1};
    struct vmti_trace_trailer trailer = {0};
    vmti_trace_put_touch(&region, VMTI_REC_TOUCH, 0, 1, &thread, 0); /* harmless */
    assert_int_equal(vmti_trace_finish(&region, &trailer), -ENOSPC);
    vmti_arena_free(&region.arena);
    close(full);
}

static void test_nothing_is_written_after_an_error(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    while (w.region.trace.bytes < VMTI_TRACE_BLOCK_BYTES)
        touch(&w, w.trailer.touches, 0, 0, 0);
    vmti_trace_flush(&w.region);
    struct stat before, after;
    assert_int_equal(fstat(w.fd, &before), 0);
    assert_int_equal(fcntl(w.fd, F_ADD_SEALS, F_SEAL_GROW), 0); /* a write beyond the end fails with EPERM now */
    for (int i = 0; i < 100000; i++) {
        touch(&w, w.trailer.touches, 0, 0, 0);
        if (i % 1000 == 0)
            vmti_trace_flush(&w.region);
    }
    assert_int_equal(w.region.trace.error, -EPERM);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), -EPERM);
    assert_int_equal(fstat(w.fd, &after), 0);
    assert_true(after.st_size == before.st_size);
    struct counts counts = read_all(w.fd);
    assert_true(counts.opened);
    assert_false(counts.complete);
    assert_true(counts.touches > 10000); /* the first blocks are there */
    release(&w);
}

static void test_not_even_a_trailer_is_written_after_an_error(void **state)
{
    (void)state;
    struct writer w;
    start_in_file(&w);
    for (int i = 0; i < 2000; i++)
        touch(&w, w.trailer.touches, 0, 0, 0);
    /* Room for a trailer, but not for the block before it: its write fails with EPERM. */
    off_t end = lseek(w.fd, 0, SEEK_CUR);
    assert_int_equal(ftruncate(w.fd, end + 500), 0);
    assert_int_equal(fcntl(w.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), -EPERM);
    assert_true(lseek(w.fd, 0, SEEK_CUR) == end);
    release(&w);
}

static void test_nothing_follows_the_trailer(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    touch(&w, 1, 0, 0, 0);
    finish(&w);
    vmti_trace_put_touch(&w.region, VMTI_REC_TOUCH, 0, 2, &w.threads[0], START_NS);
    vmti_trace_put_drop(&w.region, 2, 1);
    assert_int_equal(vmti_trace_finish(&w.region, &w.trailer), 0);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    open_reader(&w, &reader);
    while (vmti_trace_read_next(&reader, &event))
        ;
    assert_true(reader.complete);
    assert_int_equal(reader.touches, 1);
    vmti_trace_read_close(&reader);
    release(&w);
}

static void test_an_unfinished_trace_in_memory_is_not_complete(void **state)
{
    (void)state;
    struct writer w;
    start_in_memory(&w);
    while (w.region.trace.bytes == 0)
        touch(&w, w.trailer.touches, 0, 0, 0);
    struct vmti_trace_reader reader;
    struct vmti_event event;
    open_reader(&w, &reader);
    while (vmti_trace_read_next(&reader, &event))
        ;
    assert_false(reader.complete);
    assert_false(reader.has_trailer);
    assert_true(reader.touches > 0);
    vmti_trace_read_close(&reader);
    release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trace_cut_anywhere_is_not_complete),
        cmocka_unit_test(test_no_flipped_bit_goes_unnoticed),
        cmocka_unit_test(test_random_damage_never_yields_other_counts),
        cmocka_unit_test(test_a_missing_block_is_noticed),
        cmocka_unit_test(test_forged_records_are_refused),
        cmocka_unit_test(test_times_beyond_64_bits_are_refused),
        cmocka_unit_test(test_forged_block_headers_are_refused),
        cmocka_unit_test(test_forged_file_headers_are_refused),
        cmocka_unit_test(test_random_payloads_with_right_checksums_are_survived),
        cmocka_unit_test(test_what_is_no_trace_is_refused_in_words),
        cmocka_unit_test(test_a_failed_header_is_the_result_of_start),
        cmocka_unit_test(test_nothing_is_written_after_an_error),
        cmocka_unit_test(test_not_even_a_trailer_is_written_after_an_error),
        cmocka_unit_test(test_nothing_follows_the_trailer),
        cmocka_unit_test(test_an_unfinished_trace_in_memory_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
