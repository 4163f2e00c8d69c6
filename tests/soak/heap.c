/* SPDX-License-Identifier: MIT */
/* Operations on malloc'd memory alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "../older_systems.h"
#include "soak.h"

/* ------------------------------------------------------------------------------------------- objects that are kept */

static void release(struct soak_slot *slot)
{
    CHECK(filled(slot->memory, slot->bytes, slot->key));
    free(slot->memory);
    *slot = (struct soak_slot){0};
}

static void *aligned(size_t *bytes)
{
    size_t alignment = (size_t)16 << below(10);
    void *p = NULL;
    switch (below(5)) {
    case 0:
        CHECK_IS(posix_memalign(&p, alignment, *bytes), 0);
        break;
    case 1:
        *bytes = (*bytes + alignment - 1) / alignment * alignment;
        p = aligned_alloc(alignment, *bytes);
        break;
    case 2:
        alignment = PAGE;
        p = valloc(*bytes);
        break;
    case 3:
        alignment = PAGE;
        p = pvalloc(*bytes);
        break;
    default:
        p = memalign(alignment, *bytes);
    }
    CHECK(p != NULL);
    CHECK_IS((uintptr_t)p % alignment, 0);
    return p;
}

static void change(struct soak_slot *slot)
{
    size_t bytes = some_size(), kept = bytes < slot->bytes ? bytes : slot->bytes;
    if (slot->memory && one_in(2)) {
        unsigned char *p = one_in(4) ? reallocarray(slot->memory, bytes ? bytes : 1, 1) : NULL;
        if (!p)
            p = realloc(slot->memory, bytes ? bytes : 1);
        CHECK(p && filled(p, kept / 8 * 8, slot->key));
        slot->memory = p;
    } else {
        if (slot->memory)
            release(slot);
        switch (below(4)) {
        case 0: {
            size_t n = between(1, 8);
            slot->memory = calloc(n, bytes);
            CHECK(slot->memory != NULL);
            bytes *= n;
            unsigned char any = 0;
            for (size_t i = 0; i < bytes; i += one_in(3) ? 1 : 64)
                any |= slot->memory[i];
            CHECK_IS(any, 0);
            break;
        }
        case 1:
            slot->memory = aligned(&bytes);
            break;
        default:
            slot->memory = malloc(bytes);
        }
        CHECK(slot->memory != NULL);
        CHECK(malloc_usable_size(slot->memory) >= bytes);
    }
    slot->bytes = bytes;
    slot->key = draw();
    fill(slot->memory, bytes, slot->key);
}

static void churn(void)
{
    for (uint64_t n = between(5, 40); n; n--) {
        struct soak_slot *slot = &me->slots[below(SOAK_SLOTS)];
        if (slot->memory && one_in(4)) {
            mix_bytes(slot->memory, slot->bytes);
            release(slot);
        } else
            change(slot);
        mix(slot->bytes);
    }
}

/* ------------------------------------------------------------------------------------------- arrays */

static void walk(void)
{
    size_t bytes = one_in(3) ? between(16, 200) * 1024 : between(1, 40) * 1024;
    uint32_t *array = one_in(2) ? get(bytes) : calloc(1, bytes);
    size_t n = bytes / sizeof *array;
    CHECK(array != NULL);
    for (size_t i = 0; i < n; i++)
        array[i] = (uint32_t)(i * 2654435761u);
    uint64_t sum = 0;
    switch (below(4)) {
    case 0:
        for (size_t i = 0; i < n; i++)
            sum += array[i] * (i + 1);
        break;
    case 1: {
        size_t at = 0, rounds = n < 3000 ? n : 3000;
        for (size_t i = 0; i < rounds; i++) {
            at = (at * 1103515245 + 12345) % n;
            sum = sum * 33 + array[at]++;
        }
        break;
    }
    case 2: {
        size_t stride = between(1, 3000);
        for (size_t round = 0; round < 3; round++)
            for (size_t i = round; i < n; i += stride)
                sum += array[i] ^= (uint32_t)round;
        break;
    }
    default:
        for (size_t i = n; i-- > 0;)
            sum = sum * 7 + array[i];
        memmove(array, array + n / 3, (n - n / 3) * sizeof *array);
        sum += array[n / 2];
        memset(array + n / 4, 5, n / 4 * sizeof *array);
    }
    mix(sum);
    mix_bytes(array, n * sizeof *array);
    free(array);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort(void)
{
    size_t n = between(10, 3000); /* qsort takes memory from malloc for the larger ones */
    uint64_t *array = get(n * sizeof *array);
    for (size_t i = 0; i < n; i++)
        array[i] = draw();
    uint64_t wanted = array[below(n)];
    qsort(array, n, sizeof *array, compare);
    for (size_t i = 1; i < n; i++)
        CHECK(array[i - 1] <= array[i]);
    uint64_t *found = bsearch(&wanted, array, n, sizeof *array, compare);
    CHECK(found && *found == wanted);
    mix((uint64_t)(found - array));
    mix_bytes(array, n * sizeof *array);
    free(array);
}

static void tree(void)
{
    void *root = NULL;
    size_t n = between(10, 300);
    uint64_t **all = get(n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        all[i] = get(sizeof **all + below(200));
        *all[i] = draw() % 1000003;
        uint64_t **node = tsearch(all[i], &root, compare);
        CHECK(node != NULL);
        mix(**node);
    }
    for (size_t i = 0; i < n; i++) {
        if (tfind(all[i], &root, compare))
            CHECK(tdelete(all[i], &root, compare) != NULL);
        else
            mix(i);
    }
    CHECK(root == NULL);
    for (size_t i = 0; i < n; i++)
        free(all[i]);
    free(all);
}

struct node {
    struct node *next;
    uint64_t value;
    unsigned char room[];
};

static void list(void)
{
    struct node *head = NULL;
    for (uint64_t i = between(10, 300); i; i--) {
        struct node *node = get(sizeof *node + below(one_in(10) ? 5000 : 100));
        node->next = head;
        node->value = draw();
        head = node;
    }
    struct node *reversed = NULL;
    while (head) {
        struct node *next = head->next;
        mix(head->value);
        head->next = reversed;
        reversed = head;
        head = next;
    }
    while (reversed) {
        struct node *next = reversed->next;
        mix(reversed->value);
        free(reversed);
        reversed = next;
    }
}

/* ------------------------------------------------------------------------------------------- between threads */

static struct soak_slot shared[64];
static pthread_mutex_t shared_locks[64] = {[0 ... 63] = PTHREAD_MUTEX_INITIALIZER};

/* An object that another thread may take and free. */
static void give(void)
{
    for (uint64_t n = between(3, 20); n; n--) {
        size_t bytes = some_size();
        struct soak_slot mine = {.memory = get(bytes), .bytes = bytes, .key = draw()};
        fill(mine.memory, bytes, mine.key);
        size_t i = below(64);
        CHECK_IS(pthread_mutex_lock(&shared_locks[i]), 0);
        struct soak_slot theirs = shared[i];
        shared[i] = mine;
        CHECK_IS(pthread_mutex_unlock(&shared_locks[i]), 0);
        if (theirs.memory)
            release(&theirs);
        mix(bytes);
    }
}

static void *allocate_a_lot(void *argument)
{
    (void)argument;
    void *all[40] = {0};
    for (int i = 0; i < 200; i++) {
        size_t at = below(40), bytes = some_size() % 30000;
        free(all[at]);
        all[at] = get(bytes);
        fill(all[at], bytes, i);
        mix_bytes(all[at], bytes);
    }
    for (size_t i = 0; i < 40; i++)
        free(all[i]);
    return NULL;
}

/* Arenas of threads that come and go. */
static void arenas(void)
{
    struct soak_helper helpers[3];
    size_t n = between(1, 3);
    for (size_t i = 0; i < n; i++)
        start_helper(&helpers[i], allocate_a_lot, NULL, NULL);
    allocate_a_lot(NULL);
    for (size_t i = 0; i < n; i++)
        join_helper(&helpers[i]);
}

/* ------------------------------------------------------------------------------------------- libc on top of malloc */

static void strings(void)
{
    char *text = NULL, *copy;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    CHECK(f != NULL);
    for (uint64_t n = between(10, 300); n; n--)
        fprintf(f, "%llu %g %s\n", (unsigned long long)draw(), (double)below(1000) / 8, "word");
    CHECK_IS(fclose(f), 0);
    mix_bytes(text, bytes);
    f = fmemopen(text, bytes, "r");
    CHECK(f != NULL);
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    while ((got = getline(&line, &room, f)) > 0)
        mix((uint64_t)got + strtoull(line, NULL, 10));
    CHECK_IS(fclose(f), 0);
    free(line);
    CHECK(asprintf(&copy, "%.*s", 1000, text) >= 0);
    mix_bytes(copy, strlen(copy));
    free(copy);
    copy = strndup(text, below(bytes));
    mix(strlen(copy));
    wchar_t *wide = get(sizeof *wide * (bytes + 1));
    mix(mbstowcs(wide, text, bytes + 1));
    mix(wcslen(wide));
    free(wide);
    free(copy);
    free(text);
}

static void refused(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 1;
    errno = 0;
    CHECK(malloc(huge) == NULL);
    CHECK_IS(errno, ENOMEM);
    errno = 0;
    CHECK(calloc(huge, 4) == NULL);
    CHECK_IS(errno, ENOMEM);
    unsigned char *p = get(5000);
    fill(p, 5000, 7);
    errno = 0;
    CHECK(realloc(p, huge) == NULL);
    CHECK_IS(errno, ENOMEM);
    errno = 0;
    CHECK(reallocarray(p, huge, 4) == NULL);
    CHECK_IS(errno, ENOMEM);
    CHECK(filled(p, 5000, 7));
    void *q = p;
    CHECK_IS(posix_memalign(&q, 24, 100), EINVAL);
    CHECK(q == p);
    errno = 0;
    free(p);
    CHECK_IS(errno, 0);
    free(NULL);
}

static void trim(void)
{
    void *all[30];
    for (size_t i = 0; i < 30; i++)
        fill(all[i] = get(6000), 6000, i);
    for (size_t i = 0; i < 30; i++)
        free(all[i]);
    malloc_trim(below(2) * 100000);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.arena + info.hblkhd > 0);
}

/* Grows above the threshold of mmap and back, step by step. */
static void regrow(void)
{
    size_t bytes = between(50, 130) * 1024;
    unsigned char *p = get(bytes);
    fill(p, bytes, 3);
    for (int i = 0; i < 6; i++) {
        size_t now = one_in(3) ? bytes / 2 : bytes + bytes / 2;
        now = now > 400000 ? 100000 : now;
        p = realloc(p, now);
        CHECK(p && filled(p, (now < bytes ? now : bytes) / 8 * 8, 3));
        fill(p, now, 3);
        bytes = now;
        mix(bytes);
    }
    free(p);
}

static const struct soak_operation operations[] = {
    {"heap.churn", 60, 0, churn},  {"heap.walk", 25, 0, walk},       {"heap.sort", 8, 0, sort},
    {"heap.tree", 8, 0, tree},     {"heap.list", 10, 0, list},       {"heap.give", 20, 0, give},
    {"heap.arenas", 6, 0, arenas}, {"heap.strings", 10, 0, strings}, {"heap.refused", 4, 0, refused},
    {"heap.trim", 4, 0, trim},     {"heap.regrow", 10, 0, regrow},
};
const struct soak_group soak_heap = SOAK_GROUP(operations);
