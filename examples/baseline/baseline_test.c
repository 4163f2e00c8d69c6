/* SPDX-License-Identifier: MIT */
/* A regression check without a number in it: the look-ups may touch what they touched when the baseline was
 * recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmt/cmocka.h>
#include <vmt/vmt.h>

/* An index of slots, one for each key, that lead to records: 256 KiB and 4 MiB. */
enum { SLOTS = 64 * 1024, RECORDS = 64 * 1024, LOOK_UPS = 1000 };

struct record {
    uint64_t key;
    char text[56];
};

static uint32_t *slots;
static struct record *records;

/* Keys are spread over the slots, as a hash function would. */
static uint32_t slot_of(uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 48) % SLOTS;
}

static int build(void **state)
{
    (void)state;
    slots = calloc(SLOTS, sizeof *slots);
    records = calloc(RECORDS, sizeof *records);
    for (uint32_t i = 0; slots && records && i < RECORDS; i++) {
        records[i].key = i;
        slots[slot_of(i)] = i;
    }
    return slots && records && !vmt_track(slots, SLOTS * sizeof *slots, "index") &&
           !vmt_track(records, RECORDS * sizeof *records, "records") ? 0 : -1;
}

static int destroy(void **state)
{
    (void)state;
    free(slots);
    free(records);
    return 0;
}

static uint64_t look_up(uint64_t key)
{
    return records[slots[slot_of(key)]].key;
}

static void look_ups_touch_what_they_did(void **state)
{
    (void)state;
    vmt_report *report;
    uint64_t sum = 0;
    assert_int_equal(vmt_begin(NULL), 0);
    vmt_mark("few keys");
    for (uint64_t i = 0; i < LOOK_UPS; i++)
        sum += look_up(i % 10);
    vmt_mark("many keys");
    for (uint64_t i = 0; i < LOOK_UPS; i++)
        sum += look_up(i * 7);
    assert_int_equal(vmt_end(&report), 0);
    assert_true(sum > 0);
    vmt_assert_baseline(report, "lookups");
    vmt_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(look_ups_touch_what_they_did, vmt_cmocka_teardown)};
    return cmocka_run_group_tests(tests, build, destroy);
}
