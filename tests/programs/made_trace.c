/* SPDX-License-Identifier: MIT */
/*
 * made_trace FILE KIND [TOUCHES [PAGES]]: writes a trace of a program that never ran, the same each time, with the
 * library's own writer. Its touches are those that a FIFO of 64 pages misses of the accesses that are made up here.
 *
 *   mixed    phases, labels, sites, two threads, system calls and writes (by default 20,000 touches of 3,000 pages)
 *   hostile  the same, with a command, labels, phases and a path that would break out of careless quoting
 *   plain    one thread, no phases or labels, no write tracking
 *   noise    the same, each page as likely at any time
 *   empty    no touches
 *   one      one touch
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "owners.h"
#include "thread.h"
#include "trace_format.h"
#include "trace_write.h"

enum { WINDOW = 64, AREAS = 4 };
static const uint64_t START_NS = 5000000000u, REALTIME_NS = 1700000000123456789u, FIRST_PAGE = 0x555555560u;
static const uint64_t MODULE = 0x400000u;

struct names {
    const char *command; /* of several arguments */
    size_t command_bytes;
    const char *path;
    const char *phases[3];
    const char *labels[2];
};

#define COMMAND(text) text, sizeof(text)

static const struct names honest = {
    COMMAND("./made\0--touches\0as said"), "/usr/lib/libmade.so.1", {"load", "look up", "rebuild"}, {"index", "log"}};

static const struct names hostile = {COMMAND("</script><img src=x onerror=alert(1)>\0--a=\"b';&\0\xff\xfe\x1b[31m"),
                                     "/tmp/<b>mod\"ule;x,y</b>.so",
                                     {"</script><script>bad()</script>", "a,b\"c\"\nd", "<!--<script>"},
                                     {"</script><img onerror=bad()>", "\xe2\x80\xa8=1+1;x y\\"}};

/* Areas of memory: their shares of the pages, in percent, and what they belong to. */
static const struct {
    unsigned share;
    uint64_t gap; /* pages before it */
    uint64_t site;
    int label; /* of names.labels; -1: none */
    bool owned;
} areas[AREAS] = {
    {55, 0, MODULE + 0x1234, -1, true},
    {30, 100000, MODULE + 0x5678, 0, true},
    {10, 3, MODULE + 0x5678, 1, true},
    {5, 7000000, 0, -1, false},
};

struct maker {
    struct vmti_region region;
    struct vmti_thread threads[2];
    struct vmti_trace_trailer trailer;
    uint64_t pages, first[AREAS], count[AREAS];
    uint64_t fifo[WINDOW], head, tail;
    unsigned char *state; /* of each page by ordinal: open, seen, written */
    uint64_t random, now_ns;
};

enum { OPEN = 1, SEEN = 2, WRITTEN = 4 };

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x >> 11;
}

/* ------------------------------------------------------------------------------------------- accesses */

static uint64_t area_of(const struct maker *m, uint64_t ordinal, uint64_t *page)
{
    uint64_t area = 0;
    while (area + 1 < AREAS && ordinal >= m->count[area])
        ordinal -= m->count[area++];
    *page = m->first[area] + ordinal;
    return area;
}

/* False: the page was open, so that nothing of it is in the trace. */
static bool access_page(struct maker *m, uint64_t ordinal, bool write, bool call, int thread)
{
    uint64_t page;
    area_of(m, ordinal, &page);
    unsigned char *state = &m->state[ordinal];
    bool touched = !(*state & OPEN);
    m->now_ns += 9000 + next_random(&m->random) % 8000;
    if (touched) {
        unsigned flags = call ? VMTI_REC_SYSCALL : 0;
        if (m->tail - m->head == WINDOW) {
            m->state[m->fifo[m->head++ % WINDOW]] &= ~OPEN;
            flags |= VMTI_REC_EVICT;
            m->trailer.evictions++;
        }
        flags |= call && write && m->region.track_writes ? VMTI_REC_WRITE : 0;
        m->fifo[m->tail++ % WINDOW] = ordinal;
        m->trailer.footprint += !(*state & SEEN);
        m->trailer.touches++;
        m->trailer.program_touches += !call;
        m->trailer.syscall_touches += call;
        *state |= OPEN | SEEN;
        vmti_trace_put_touch(&m->region, VMTI_REC_TOUCH, flags, page, &m->threads[thread], m->now_ns);
        if (flags & VMTI_REC_WRITE && !(*state & WRITTEN)) {
            m->trailer.pages_written++;
            *state |= WRITTEN;
        } else if (write && !call && m->region.track_writes) {
            m->trailer.upgrades++;
            m->trailer.pages_written += !(*state & WRITTEN);
            *state |= WRITTEN;
            vmti_trace_put_touch(&m->region, VMTI_REC_UPGRADE, VMTI_REC_WRITE, page, &m->threads[thread],
                                 m->now_ns + 6000);
        }
    }
    if (m->trailer.touches % 4096 == 0)
        vmti_trace_flush(&m->region);
    return touched;
}

/* A page that is one of few most of the time. */
static uint64_t skewed(struct maker *m, uint64_t pages)
{
    uint64_t draw = next_random(&m->random);
    return (draw >> 8) % ((draw >> 24) % pages + 1);
}

/* The i-th access of a phase. */
static void make_access(struct maker *m, unsigned phase, uint64_t i, bool threads)
{
    uint64_t draw = next_random(&m->random);
    int thread = threads && draw % 8 == 0;
    if (phase == 0) /* through all of it in order; each 16th page by a system call */
        access_page(m, i % m->pages, i % 3 != 0, i % 16 == 0, thread);
    else if (phase == 1 && draw % 16 < 13) /* at random: the index, then what it says */
        access_page(m, draw % 2 ? m->count[0] + skewed(m, m->count[1]) : skewed(m, m->count[0]), draw % 32 == 0, false,
                    thread);
    else if (phase == 1)
        access_page(m, m->count[0] + m->count[1] + i / 64 % m->count[2], true, draw % 4 == 0, thread);
    else /* backwards, every second page */
        access_page(m, m->pages - 1 - i * 2 % m->pages, true, false, 0);
}

/* ------------------------------------------------------------------------------------------- traces */

static int begin(struct maker *m, const char *path, const struct names *names, bool writes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    m->region.window = WINDOW;
    m->region.evict = 1;
    m->region.scope = VMT_SCOPE_HEAP;
    m->region.track_writes = writes;
    m->region.pid = 4711;
    m->random = 88172645463325252u;
    m->now_ns = START_NS;
    for (int i = 0; i < 2; i++) {
        m->threads[i].index = (uint32_t)i;
        m->threads[i].tid = 4711 + i;
    }
    return fd < 0 ? -1 : vmti_trace_start(&m->region, fd, names->command, names->command_bytes, REALTIME_NS, START_NS);
}

static void put_memory(struct maker *m, const struct names *names, bool labels)
{
    uint64_t page = FIRST_PAGE;
    atomic_store(&vmti_owner_count, 1); /* 0 is no owner */
    vmti_trace_put_module(&m->region, MODULE, MODULE + 0x100000, 0x1000, names->path, strlen(names->path));
    for (unsigned i = 0; i < AREAS; i++) {
        page += areas[i].gap;
        m->first[i] = page;
        m->count[i] = m->pages * areas[i].share / 100;
        page += m->count[i];
        if (!areas[i].owned)
            continue;
        int label = labels && areas[i].label >= 0 ? vmti_name_new(&vmti_labels, names->labels[areas[i].label]) : 0;
        vmti_trace_put_owner(&m->region, vmti_owner_new(m->first[i], (uint32_t)m->count[i], m->count[i] * 4096,
                                                        areas[i].site, (uint32_t)label, 0));
    }
    m->pages = m->count[0] + m->count[1] + m->count[2] + m->count[3];
}

static void make_noise(struct maker *m, uint64_t touches)
{
    put_memory(m, &honest, false);
    while (m->trailer.touches < touches)
        access_page(m, next_random(&m->random) % m->pages, false, false, 0);
}

static void make_mixed(struct maker *m, const struct names *names, uint64_t touches, bool plain)
{
    put_memory(m, names, !plain);
    for (unsigned phase = 0; phase < 3; phase++) {
        static const unsigned until[3] = {25, 75, 100}; /* percent of the touches */
        if (!plain)
            vmti_trace_put_mark(&m->region, (uint32_t)vmti_name_new(&vmti_phases, names->phases[phase]), m->now_ns);
        for (uint64_t i = 0; m->trailer.touches < touches * until[phase] / 100; i++)
            make_access(m, phase, i, !plain);
    }
}

int main(int argc, char **argv)
{
    static struct maker m;
    const char *kind = argc > 2 ? argv[2] : "";
    uint64_t touches = argc > 3 ? strtoull(argv[3], NULL, 10) : 20000;
    m.pages = argc > 4 ? strtoull(argv[4], NULL, 10) : 3000;
    m.state = calloc(m.pages, 1);
    const struct names *names = strcmp(kind, "hostile") == 0 ? &hostile : &honest;
    bool noise = strcmp(kind, "noise") == 0, plain = noise || strcmp(kind, "plain") == 0;
    if (argc < 3 || m.pages < 200 || !m.state || begin(&m, argv[1], names, !plain) < 0)
        return 2;
    if (strcmp(kind, "one") == 0) {
        put_memory(&m, names, true);
        access_page(&m, 5, false, false, 0);
    } else if (noise) {
        make_noise(&m, touches);
    } else if (strcmp(kind, "empty") != 0) {
        make_mixed(&m, names, touches, plain);
    }
    m.trailer.peak_open = m.tail - m.head;
    m.trailer.room = WINDOW;
    m.trailer.threads = 2 - plain;
    m.trailer.syscalls = m.trailer.syscalls_walked = m.trailer.syscall_touches;
    m.trailer.end = VMTI_END_REGION;
    m.trailer.end_time = (m.now_ns - START_NS) / VMTI_TRACE_TIME_UNIT + 10;
    return vmti_trace_finish(&m.region, &m.trailer) ? 2 : 0;
}
