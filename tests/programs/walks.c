/* SPDX-License-Identifier: MIT */
/*
 * walks NAME FILE: one walk through memory that was allocated before, to be watched by two observers. Built with
 * IN_REGION the walk is a region of libvmt, with VMT_SIZE pages; without, two stores to `mark` tell an observer from
 * outside where it begins and ends. FILE gets the facts that a comparison needs, one a line:
 *
 *   mark ADDRESS                            where the two stores go (without IN_REGION)
 *   allocation ADDRESS PAGES                each allocation, in order
 *   page ADDRESS ALLOCATION OFFSET TOUCHES  each page of the report, in order (with IN_REGION)
 *
 * The walk's result goes to standard output: both builds must print the same. A walk makes no system call and allocates
 * nothing, but for what libc does on its own account.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef IN_REGION
#include <vmt/vmt.h>
#endif

enum { PAGE = 4096 };

/* ------------------------------------------------------------------------------------------- allocations */

static FILE *facts;

/* So many that malloc takes them fresh from the system: they are zero, and are not cleared here, because the observer
 * from outside writes lines for each byte of that. */
static void *new_pages(size_t pages)
{
    void *p = aligned_alloc(PAGE, pages * PAGE);
    if (!p)
        exit(2);
    fprintf(facts, "allocation %" PRIxPTR " %zu\n", (uintptr_t)p, pages);
    return p;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 11;
}

/* ------------------------------------------------------------------------------------------- list */

struct node {
    struct node *next;
    uint64_t value;
};

static struct node *list;

/* A node a page, in no order, in two allocations by turns. */
static void prepare_list(void)
{
    enum { NODES = 150 }; /* and 77 have no common divisor */
    char *memory[2] = {new_pages(NODES), new_pages(NODES)};
    for (size_t i = 0; i < 2 * NODES; i++) {
        size_t page = i / 2 * 77 % NODES;
        struct node *node = (struct node *)(memory[i % 2] + page * PAGE + next_random() % (PAGE / 16) * 16);
        node->value = i;
        node->next = list;
        list = node;
    }
}

/* The first half alone; some are written. */
static uint64_t walk_list(void)
{
    uint64_t sum = 0;
    int left = 140;
    for (struct node *node = list; node && left; node = node->next, left--) {
        sum = sum * 31 + node->value;
        if (node->value % 5 == 0)
            node->value++;
    }
    return sum;
}

/* ------------------------------------------------------------------------------------------- hash table */

enum { BUCKETS = 64 * PAGE / 8, ENTRIES = 4000 };

struct entry {
    struct entry *next;
    uint64_t key, value[6];
};

static struct entry **buckets, *entries;
static size_t entries_used;

static void prepare_hash(void)
{
    buckets = new_pages(BUCKETS * sizeof *buckets / PAGE);
    entries = new_pages((ENTRIES * sizeof *entries + PAGE - 1) / PAGE);
}

static struct entry **find_bucket(uint64_t key)
{
    return &buckets[key * 0x9e3779b97f4a7c15u >> 40 & (BUCKETS - 1)];
}

static void insert(uint64_t key, uint64_t value)
{
    struct entry *entry = &entries[entries_used], **bucket = find_bucket(key);
    entries_used += 3; /* not all pages of the pool */
    entry->key = key;
    entry->value[key % 6] = value;
    entry->next = *bucket;
    *bucket = entry;
}

static uint64_t walk_hash(void)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 60; i++)
        insert(i * i, i);
    for (uint64_t key = 0; key < 100; key++)
        for (struct entry *entry = *find_bucket(key); entry; entry = entry->next)
            if (entry->key == key)
                sum += entry->value[key % 6];
    for (uint64_t i = 60; i < 700; i++)
        insert(i * i, i);
    return sum;
}

/* ------------------------------------------------------------------------------------------- sort */

enum { RECORDS = 3600 };

struct record {
    uint32_t key;
    char text[248]; /* not a divisor of a page */
};

static struct record *records;

static void prepare_sort(void)
{
    records = new_pages(RECORDS * sizeof *records / PAGE + 1);
    for (size_t i = 0; i < RECORDS; i++)
        records[i].key = (uint32_t)next_random();
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;
    return (x > y) - (x < y);
}

/* The middle third: the pages around it are left alone. */
static uint64_t walk_sort(void)
{
    struct record *first = records + RECORDS / 3;
    qsort(first, RECORDS / 3, sizeof *first, by_key);
    return first[10].key;
}

/* ------------------------------------------------------------------------------------------- matrix */

enum { SIDE = 36, STRIDE = PAGE / 8 + 24 }; /* a row is a page and a bit from the next */

static double *matrix[3];

static void prepare_matrix(void)
{
    for (int m = 0; m < 3; m++) {
        matrix[m] = new_pages((SIDE * STRIDE * sizeof(double) + PAGE - 1) / PAGE);
        for (size_t i = 0; i < SIDE * SIDE; i++)
            matrix[m][i / SIDE * STRIDE + i % SIDE] = (double)(next_random() % 100);
    }
}

/* The upper left quarters are multiplied; then one column is added up from the bottom. */
static uint64_t walk_matrix(void)
{
    double sum = 0;
    for (size_t i = 0; i < SIDE / 2; i++)
        for (size_t j = 0; j < SIDE / 2; j++) {
            double cell = 0;
            for (size_t k = 0; k < SIDE / 2; k++)
                cell += matrix[0][i * STRIDE + k] * matrix[1][k * STRIDE + j];
            matrix[2][i * STRIDE + j] = cell;
        }
    for (size_t i = SIDE; i-- > 0;)
        sum += matrix[2][i * STRIDE + 3];
    return (uint64_t)sum;
}

/* ------------------------------------------------------------------------------------------- strings */

static char *from, *to;

static void prepare_strings(void)
{
    enum { STRING_PAGES = 80 };
    from = new_pages(STRING_PAGES);
    to = new_pages(STRING_PAGES);
    for (size_t i = 0; i < STRING_PAGES * PAGE / 8; i++)
        memcpy(from + i * 8, "abcdefgh", 8);
    for (size_t page = 1; page < STRING_PAGES; page++)
        from[page * PAGE + 200] = '\0';
}

/* Copies that lie astride of page boundaries at one end, at the other, at both, and just not. */
static uint64_t walk_strings(void)
{
    strcpy(to + 2 * PAGE - 7, from + 3 * PAGE - 100);
    strcpy(to + 5 * PAGE, from + 6 * PAGE + 190);
    strcat(to + 5 * PAGE, from + 8 * PAGE - 30);
    memcpy(to + 11 * PAGE - 1, from + 10 * PAGE, 3);
    memcpy(to + 13 * PAGE, from + 14 * PAGE - 1, 2 * PAGE);
    memcpy(to + 20 * PAGE - 16, from + 20 * PAGE - 16, 16);
    memcpy(to + 22 * PAGE - 17, from + 23 * PAGE - 15, 32);
    memmove(to + 30 * PAGE + 9, to + 30 * PAGE, 3 * PAGE);
    memmove(from + 40 * PAGE, from + 40 * PAGE + 33, 2 * PAGE + 77);
    memset(to + 50 * PAGE - 1, 'z', 2);
    memset(to + 53 * PAGE, 'y', PAGE);
    strncpy(to + 57 * PAGE - 20, from + 58 * PAGE + 100, 300);
    for (size_t i = 0; i < 20; i++)
        memcpy(to + (60 + i) * PAGE - i, from + (60 - i) * PAGE + 7 * i - 60, 60);
    uint64_t unaligned = 0;
    memcpy(&unaligned, from + 64 * PAGE - 3, sizeof unaligned); /* one load */
    return strlen(from + 70 * PAGE - 64) + strlen(to + 5 * PAGE) + unaligned % 1000;
}

/* ------------------------------------------------------------------------------------------- the walk and its marks */

static const struct walk {
    const char *name;
    void (*prepare)(void);
    uint64_t (*walk)(void);
} walks[] = {
    {"list", prepare_list, walk_list},       {"hash", prepare_hash, walk_hash},
    {"sort", prepare_sort, walk_sort},       {"matrix", prepare_matrix, walk_matrix},
    {"strings", prepare_strings, walk_strings},
};

#ifdef IN_REGION
static uint64_t watched(const struct walk *walk)
{
    vmt_report *report;
    if (vmt_begin(NULL)) {
        fprintf(stderr, "vmt_begin: %s\n", vmt_error_text());
        exit(2);
    }
    uint64_t result = walk->walk();
    if (vmt_end(&report)) {
        fprintf(stderr, "vmt_end: %s\n", vmt_error_text());
        exit(2);
    }
    for (uint64_t i = 0; i < vmt_report_footprint(report); i++) {
        vmt_page_info page;
        if (vmt_report_page(report, i, &page))
            exit(2);
        fprintf(facts, "page %" PRIxPTR " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", page.address, page.allocation,
                page.offset, page.touches);
    }
    vmt_report_free(report);
    return result;
}
#else
static volatile uint64_t mark;

static uint64_t watched(const struct walk *walk)
{
    fprintf(facts, "mark %" PRIxPTR "\n", (uintptr_t)&mark);
    mark = 1;
    uint64_t result = walk->walk();
    mark = 2;
    return result;
}
#endif

int main(int argc, char **argv)
{
    if (argc != 3 || !(facts = fopen(argv[2], "w")))
        return 2;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        if (strcmp(argv[1], walks[i].name) == 0) {
            walks[i].prepare();
            printf("%" PRIu64 "\n", watched(&walks[i]));
            return fclose(facts) || ferror(stdout) ? 2 : 0;
        }
    return 2;
}
