/* SPDX-License-Identifier: MIT */
/* The table of system calls as constant data, made from syscalls.def. Nothing here runs but two look-ups. */
#include "syscalls.h"

/*
 * First pass over the rows: which arguments are more than numbers, as a mask of bits, and how many there are. The list
 * that CALL gets starts with one element of its own, so that it is never empty.
 */
#define VAL(name) 0
#define IN(name, length) 1
#define IN_DONE(name, length, done) 1
#define OUT(name, length, done) 1
#define INOUT(name, length, done) 1
#define PATH(name) 1
#define STR(name, most) 1
#define STRV(name) 1
#define IOV_IN(name, i) 1
#define IOV_OUT(name, i) 1
#define MSG_IN(name) 1
#define MSG_OUT(name) 1
#define MMSG_IN(name, i) 1
#define MMSG_OUT(name, i) 1
#define SIGSET(name, i) 1
#define LENOF(name, i) 1
#define BY(name, rule) 1
#define WITH(name, i) 1
#define MASK(first, a, b, c, d, e, f, ...) ((a) | (b) << 1 | (c) << 2 | (d) << 3 | (e) << 4 | (f) << 5)
/* clang-format off */
#define CALL(x86, aarch64, call, follow, ...)                   \
    POINTERS_##call = MASK(0, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0), \
    ARGS_##call = sizeof((char[]){0, ##__VA_ARGS__}) - 1,
/* clang-format on */

enum {
#include "syscalls.def"
};

#undef VAL
#undef IN
#undef IN_DONE
#undef OUT
#undef INOUT
#undef PATH
#undef STR
#undef STRV
#undef IOV_IN
#undef IOV_OUT
#undef MSG_IN
#undef MSG_OUT
#undef MMSG_IN
#undef MMSG_OUT
#undef SIGSET
#undef LENOF
#undef BY
#undef WITH
#undef MASK
#undef CALL

/* Second pass: the table. The words for lengths and for what is done are pasted to LEN_ and DONE_. */
#define LEN_STRUCT(type) .len = VMTI_LEN_FIXED, .unit = VMTI_SIZEOF_##type
#define LEN_ARG(i) .len = VMTI_LEN_ARG, .arg = (i), .unit = 1
#define LEN_UINT(i) .len = VMTI_LEN_UINT, .arg = (i), .unit = 1
#define LEN_INT(i) .len = VMTI_LEN_INT, .arg = (i), .unit = 1
#define LEN_ARGX(i, type) .len = VMTI_LEN_ARG, .arg = (i), .unit = VMTI_SIZEOF_##type
#define LEN_UINTX(i, type) .len = VMTI_LEN_UINT, .arg = (i), .unit = VMTI_SIZEOF_##type
#define LEN_INTX(i, type) .len = VMTI_LEN_INT, .arg = (i), .unit = VMTI_SIZEOF_##type
#define LEN_ARG_UPTO(i, limit) LEN_ARG(i), .most = VMTI_##limit
#define LEN_UINT_UPTO(i, limit) LEN_UINT(i), .most = VMTI_##limit
#define LEN_INT_UPTO(i, limit) LEN_INT(i), .most = VMTI_##limit
#define LEN_COUNT(i) .len = VMTI_LEN_COUNT, .arg = (i)
#define LEN_FDSET(i) .len = VMTI_LEN_FDSET, .arg = (i)
#define LEN_NODES(i) .len = VMTI_LEN_NODES, .arg = (i)
#define LEN_PAGEVEC(i) .len = VMTI_LEN_PAGEVEC, .arg = (i)
#define LEN_SIGSIZE(i) .len = VMTI_LEN_SIGSIZE, .arg = (i)
#define LEN_LENPTR(i) .len = VMTI_LEN_PTR, .arg = (i)
#define LEN_LENPTR_UPTO(i, limit) LEN_LENPTR(i), .most = VMTI_##limit

#define DONE_ALL .done = VMTI_DONE_ALL
#define DONE_SOME .done = VMTI_DONE_SOME
#define DONE_RET .done = VMTI_DONE_RET, .done_unit = 1
#define DONE_RETX(type) .done = VMTI_DONE_RET, .done_unit = VMTI_SIZEOF_##type
#define DONE_LENPTR(i) .done = VMTI_DONE_PTR, .done_arg = (i)
#define DONE_HEAD .done = VMTI_DONE_HEAD
#define DONE_INTR .done = VMTI_DONE_INTR
#define DONE_ALWAYS .done = VMTI_DONE_ALWAYS

/* clang-format off */
#define ARGUMENT(text, which, ...) {.name = text, .kind = VMTI_ARG_##which, __VA_ARGS__}
#define VAL(name) ARGUMENT(#name, VALUE, )
#define IN(name, length) ARGUMENT(#name, IN, LEN_##length, .done = VMTI_DONE_RECORDED)
#define IN_DONE(name, length, done) ARGUMENT(#name, IN, LEN_##length, DONE_##done)
#define OUT(name, length, done) ARGUMENT(#name, OUT, LEN_##length, DONE_##done)
#define INOUT(name, length, done) ARGUMENT(#name, INOUT, LEN_##length, DONE_##done)
#define PATH(name) ARGUMENT(#name, STR, .most = VMTI_PATH_MAX)
#define STR(name, limit) ARGUMENT(#name, STR, .most = VMTI_##limit)
#define STRV(name) ARGUMENT(#name, STRV, )
#define IOV_IN(name, i) ARGUMENT(#name, IOV_IN, .arg = (i))
#define IOV_OUT(name, i) ARGUMENT(#name, IOV_OUT, .arg = (i))
#define MSG_IN(name) ARGUMENT(#name, MSG_IN, )
#define MSG_OUT(name) ARGUMENT(#name, MSG_OUT, )
#define MMSG_IN(name, i) ARGUMENT(#name, MMSG_IN, .arg = (i))
#define MMSG_OUT(name, i) ARGUMENT(#name, MMSG_OUT, .arg = (i))
#define SIGSET(name, i) ARGUMENT(#name, SIGSET, .arg = (i))
#define LENOF(name, i) ARGUMENT(#name, LENOF, .arg = (i))
#define BY(name, how) ARGUMENT(#name, BY, .rule = #how, .by = VMTI_RULE_##how)
#define WITH(name, i) ARGUMENT(#name, WITH, .arg = (i))
#define CALL(x86, aarch64, call, follow, ...) \
    [VMTI_NR(x86, aarch64)] = {            \
        .name = #call,                     \
        .effect = VMTI_EFFECT_##follow,    \
        .args = ARGS_##call,               \
        .pointers = POINTERS_##call,       \
        .arg = {__VA_ARGS__},              \
    },
/* clang-format on */

static const struct vmti_row rows[] = {
#include "syscalls.def"
};

const struct vmti_row *vmti_row(int64_t nr)
{
    if (nr < 0 || nr >= vmti_row_end() || rows[nr].name == NULL)
        return NULL;
    return &rows[nr];
}

int64_t vmti_row_end(void)
{
    return (int64_t)(sizeof(rows) / sizeof(rows[0]));
}
