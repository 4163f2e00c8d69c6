/* SPDX-License-Identifier: MIT */
/*
 * BY rules for the calls of subsystems with commands of their own: mounts, quotas, file handles, keys, perf, bpf,
 * ptrace. Structures are read as bytes and their fields taken by offset, so that no header newer than the kernel's
 * oldest is needed; the offsets are those of include/uapi/linux. Runs in the catcher, as walk.c does.
 */
#include "walk.h"

#include <string.h>

#include "os.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* ------------------------------------------------------------------------------------------- file systems */

/* statmount, listmount, listns: fs/namespace.c, copy_mnt_id_req. */
void vmti_walk_sized_head(struct vmti_walk *w, unsigned i)
{
    enum { SIZE_VER0 = 24 };
    vmti_walk_sized(w, w->call->args[i], 0, SIZE_VER0);
}

void vmti_walk_fsconfig(struct vmti_walk *w, unsigned i)
{
    enum { SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY, SET_FD, CREATE, RECONFIGURE, CREATE_EXCL };
    enum { STRING_MAX = 256, BINARY_MAX = 1 << 20 };
    uint32_t command = (uint32_t)w->call->args[1];
    uint64_t key = w->call->args[i], value = w->call->args[i + 1];
    int32_t aux = (int32_t)w->call->args[i + 2];
    if (command > CREATE_EXCL) {
        vmti_note_unknown(w, command);
        return;
    }
    if (command >= CREATE)
        return;
    vmti_walk_string(w, key, STRING_MAX);
    if (command == SET_STRING)
        vmti_walk_string(w, value, STRING_MAX);
    else if (command == SET_BINARY && aux > 0 && aux <= BINARY_MAX)
        vmti_walk_in(w, value, (uint64_t)aux);
    else if (command == SET_PATH || command == SET_PATH_EMPTY)
        vmti_walk_string(w, value, VMTI_PATH_MAX);
}

/* struct file_handle: how long it may be, its type, and the handle. fs/fhandle.c: with too little room the head
 * alone is written, with what it needs, and EOVERFLOW returned. */
enum { HANDLE_HEAD = 8, HANDLE_MAX = 128 };

void vmti_walk_name_to_handle_at(struct vmti_walk *w, unsigned i)
{
    enum { MNT_ID_UNIQUE = 1 }; /* AT_HANDLE_MNT_ID_UNIQUE */
    uint64_t handle = w->call->args[i], mount_id = w->call->args[i + 1];
    uint32_t bytes, flags = (uint32_t)w->call->args[i + 2];
    vmti_span_counts(vmti_walk_inout(w, handle, HANDLE_HEAD), VMTI_DONE_ALWAYS, 0);
    if (!vmti_walk_read(w, &bytes, handle, sizeof bytes) || bytes > HANDLE_MAX)
        return;
    vmti_span_counts_at(vmti_walk_out(w, handle + HANDLE_HEAD, bytes), handle, 4, 1);
    uint64_t id_bytes = flags & MNT_ID_UNIQUE ? sizeof(uint64_t) : sizeof(int);
    vmti_span_counts(vmti_walk_out(w, mount_id, id_bytes), VMTI_DONE_ALWAYS, 0);
}

void vmti_walk_open_by_handle_at(struct vmti_walk *w, unsigned i)
{
    uint32_t bytes;
    vmti_walk_in(w, w->call->args[i], HANDLE_HEAD);
    if (vmti_walk_read(w, &bytes, w->call->args[i], sizeof bytes) && bytes <= HANDLE_MAX)
        vmti_walk_in(w, w->call->args[i], HANDLE_HEAD + bytes);
}

static bool read_xattr_args(struct vmti_walk *w, unsigned i, uint64_t *value, uint64_t *size)
{
    enum { BYTES = 16, SIZE = 8 };
    unsigned char args[BYTES];
    uint64_t given = w->call->args[i + 1];
    if (given < BYTES || given > VMTI_STRUCT_MAX)
        return false;
    vmti_walk_in(w, w->call->args[i], given);
    if (!vmti_walk_read(w, args, w->call->args[i], BYTES))
        return false;
    *value = vmti_word_at(args, 0);
    *size = vmti_half_at(args, SIZE);
    if (*size > VMTI_XATTR_SIZE_MAX)
        *size = VMTI_XATTR_SIZE_MAX;
    return true;
}

void vmti_walk_setxattrat(struct vmti_walk *w, unsigned i)
{
    uint64_t value, size;
    if (read_xattr_args(w, i, &value, &size))
        vmti_walk_in(w, value, size);
}

void vmti_walk_getxattrat(struct vmti_walk *w, unsigned i)
{
    uint64_t value, size;
    if (read_xattr_args(w, i, &value, &size))
        vmti_span_counts(vmti_walk_out(w, value, size), VMTI_DONE_RET, 1);
}

/* fs/quota/quota.c. The command is above the type of quota; quotactl_fd has its arguments in another order. */
void vmti_walk_quotactl(struct vmti_walk *w, unsigned i)
{
    enum { TYPE_BITS = 8, DQBLK = 72, DQINFO = 24, DISK_QUOTA = 112, XSTAT = 80, XSTATV = 160 };
    /* clang-format off */
    static const struct vmti_command commands[] = {
        {0x800001, VMTI_HOW_NOTHING, 0},             /* Q_SYNC */
        {0x800002, VMTI_HOW_STRING, VMTI_PATH_MAX},  /* Q_QUOTAON */
        {0x800003, VMTI_HOW_NOTHING, 0},             /* Q_QUOTAOFF */
        {0x800004, VMTI_HOW_OUT, 4},                 /* Q_GETFMT */
        {0x800005, VMTI_HOW_OUT, DQINFO},            /* Q_GETINFO */
        {0x800006, VMTI_HOW_IN, DQINFO},             /* Q_SETINFO */
        {0x800007, VMTI_HOW_OUT, DQBLK},             /* Q_GETQUOTA */
        {0x800008, VMTI_HOW_IN, DQBLK},              /* Q_SETQUOTA */
        {0x800009, VMTI_HOW_OUT, DQBLK},             /* Q_GETNEXTQUOTA */
        {0x5801, VMTI_HOW_IN, 4},                    /* Q_XQUOTAON */
        {0x5802, VMTI_HOW_IN, 4},                    /* Q_XQUOTAOFF */
        {0x5803, VMTI_HOW_OUT, DISK_QUOTA},          /* Q_XGETQUOTA */
        {0x5804, VMTI_HOW_IN, DISK_QUOTA},           /* Q_XSETQLIM */
        {0x5805, VMTI_HOW_OUT, XSTAT},               /* Q_XGETQSTAT */
        {0x5806, VMTI_HOW_IN, 4},                    /* Q_XQUOTARM */
        {0x5807, VMTI_HOW_NOTHING, 0},               /* Q_XQUOTASYNC */
        {0x5808, VMTI_HOW_INOUT, XSTATV},            /* Q_XGETQSTATV */
        {0x5809, VMTI_HOW_OUT, DISK_QUOTA},          /* Q_XGETNEXTQUOTA */
    };
    /* clang-format on */
    uint32_t command = (uint32_t)w->call->args[w->call->nr == SYS_quotactl ? 0 : 1] >> TYPE_BITS;
    if (!vmti_walk_command(w, commands, ROWS(commands), command, w->call->args[i]))
        vmti_note_unknown(w, command);
}

/* ------------------------------------------------------------------------------------------- security, kexec */

void vmti_walk_landlock_add_rule(struct vmti_walk *w, unsigned i)
{
    /* clang-format off */
    static const struct vmti_command types[] = {
        {1, VMTI_HOW_IN, 12}, /* LANDLOCK_RULE_PATH_BENEATH */
        {2, VMTI_HOW_IN, 16}, /* LANDLOCK_RULE_NET_PORT */
    };
    /* clang-format on */
    uint32_t type = (uint32_t)w->call->args[1];
    if (!vmti_walk_command(w, types, ROWS(types), type, w->call->args[i]))
        vmti_note_unknown(w, type);
}

/* security/security.c, security_getselfattr: filled up to the size behind the next argument; to ask for one module, its
 * number is read there before. */
void vmti_walk_lsm_get_self_attr(struct vmti_walk *w, unsigned i)
{
    enum { SINGLE = 1, CONTEXT_HEAD = 32 };
    uint64_t ctx = w->call->args[i], size = w->call->args[i + 1];
    uint32_t bytes;
    if (w->call->args[i + 2] & SINGLE)
        vmti_walk_in(w, ctx, CONTEXT_HEAD);
    if (vmti_walk_read(w, &bytes, size, sizeof bytes))
        vmti_span_counts_at(vmti_walk_out(w, ctx, bytes), size, 4, 1);
}

void vmti_walk_kexec_load(struct vmti_walk *w, unsigned i)
{
    enum { SEGMENT = 32, SEGMENTS_MAX = 16, BUF = 0, BUF_BYTES = 8 };
    uint64_t count = w->call->args[1], segments = w->call->args[i];
    if (count > SEGMENTS_MAX)
        return;
    for (uint64_t k = 0; k < count; k++) {
        unsigned char segment[SEGMENT];
        if (!vmti_walk_read(w, segment, segments + k * SEGMENT, SEGMENT))
            return;
        vmti_walk_in(w, vmti_word_at(segment, BUF), vmti_word_at(segment, BUF_BYTES));
    }
}

/* ------------------------------------------------------------------------------------------- keys */

enum {
    KEY_JOIN_SESSION_KEYRING = 1,
    KEY_UPDATE = 2,
    KEY_DESCRIBE = 6,
    KEY_SEARCH = 10,
    KEY_READ = 11,
    KEY_INSTANTIATE = 12,
    KEY_GET_SECURITY = 17,
    KEY_INSTANTIATE_IOV = 20,
    KEY_DH_COMPUTE = 23,
    KEY_PKEY_QUERY = 24,
    KEY_PKEY_ENCRYPT = 25,
    KEY_PKEY_DECRYPT = 26,
    KEY_PKEY_SIGN = 27,
    KEY_PKEY_VERIFY = 28,
    KEY_RESTRICT_KEYRING = 29,
    KEY_CAPABILITIES = 31,
    KEY_LAST = 32,
};

/* A key's contents. The result may be more than there was room for; then nothing is written, and too much counted. */
static void walk_key_out(struct vmti_walk *w, uint64_t addr, uint64_t bytes)
{
    vmti_span_counts(vmti_walk_out(w, addr, bytes < INT32_MAX ? bytes : INT32_MAX), VMTI_DONE_RET, 1);
}

static void walk_key_in(struct vmti_walk *w, uint64_t addr, uint64_t bytes)
{
    if (bytes < VMTI_KEY_PAYLOAD_MAX)
        vmti_walk_in(w, addr, bytes);
}

static void walk_key_public(struct vmti_walk *w, const uint64_t *args, bool verify)
{
    enum { PARAMS = 40, IN_BYTES = 4, OUT_BYTES = 8 };
    unsigned char params[PARAMS];
    vmti_walk_string(w, args[2], VMTI_PATH_MAX);
    if (!vmti_walk_read(w, params, args[1], PARAMS))
        return;
    vmti_walk_in(w, args[3], vmti_half_at(params, IN_BYTES));
    if (verify)
        vmti_walk_in(w, args[4], vmti_half_at(params, OUT_BYTES));
    else
        walk_key_out(w, args[4], vmti_half_at(params, OUT_BYTES));
}

/* security/keys/keyctl.c */
void vmti_walk_keyctl(struct vmti_walk *w, unsigned i)
{
    enum { DH_PARAMS = 12, KDF_PARAMS = 56, PKEY_QUERY = 56 };
    const uint64_t *args = w->call->args;
    unsigned char kdf[KDF_PARAMS];
    uint32_t operation = (uint32_t)args[0];
    (void)i;
    switch (operation) {
    case KEY_JOIN_SESSION_KEYRING:
        vmti_walk_string(w, args[1], VMTI_PATH_MAX);
        break;
    case KEY_UPDATE:
    case KEY_INSTANTIATE:
        walk_key_in(w, args[2], args[3]);
        break;
    case KEY_DESCRIBE:
    case KEY_READ:
    case KEY_GET_SECURITY:
        walk_key_out(w, args[2], args[3]);
        break;
    case KEY_SEARCH:
    case KEY_RESTRICT_KEYRING:
        vmti_walk_string(w, args[2], VMTI_KEY_TYPE_MAX);
        vmti_walk_string(w, args[3], VMTI_PATH_MAX);
        break;
    case KEY_INSTANTIATE_IOV: {
        static const struct vmti_span whole = {.done = VMTI_DONE_ALL};
        vmti_walk_iov(w, args[2], (uint32_t)args[3], false, &whole);
        break;
    }
    case KEY_DH_COMPUTE:
        vmti_walk_in(w, args[1], DH_PARAMS);
        walk_key_out(w, args[2], args[3]);
        if (args[4] && vmti_walk_read(w, kdf, args[4], KDF_PARAMS)) {
            vmti_walk_string(w, vmti_word_at(kdf, 0), VMTI_PATH_MAX);
            vmti_walk_in(w, vmti_word_at(kdf, 8), vmti_half_at(kdf, 16));
        }
        break;
    case KEY_PKEY_QUERY:
        vmti_walk_string(w, args[3], VMTI_PATH_MAX);
        vmti_walk_out(w, args[4], PKEY_QUERY);
        break;
    case KEY_PKEY_ENCRYPT:
    case KEY_PKEY_DECRYPT:
    case KEY_PKEY_SIGN:
        walk_key_public(w, args, false);
        break;
    case KEY_PKEY_VERIFY:
        walk_key_public(w, args, true);
        break;
    case KEY_CAPABILITIES: /* filled with zeros up to the length given */
        vmti_walk_out(w, args[1], args[2]);
        break;
    default: /* the others take numbers */
        if (operation > KEY_LAST)
            vmti_note_unknown(w, operation);
        break;
    }
}

/* ------------------------------------------------------------------------------------------- perf, bpf */

/* kernel/events/core.c, perf_copy_attr. After E2BIG the size that the kernel knows is in the structure. */
void vmti_walk_perf_event_open(struct vmti_walk *w, unsigned i)
{
    enum { SIZE = 4, SIZE_VER0 = 64 };
    uint64_t attr = w->call->args[i];
    if (attr && !vmti_walk_sized(w, attr, SIZE, SIZE_VER0))
        vmti_span_counts(vmti_walk_out(w, attr + SIZE, sizeof(uint32_t)), VMTI_DONE_ALWAYS, 0);
}

enum {
    BPF_CMD_MAP_CREATE = 0,
    BPF_CMD_MAP_LOOKUP = 1,
    BPF_CMD_MAP_UPDATE = 2,
    BPF_CMD_MAP_DELETE = 3,
    BPF_CMD_MAP_NEXT_KEY = 4,
    BPF_CMD_PROG_LOAD = 5,
    BPF_CMD_OBJ_PIN = 6,
    BPF_CMD_OBJ_GET = 7,
    BPF_CMD_TEST_RUN = 10,
    BPF_CMD_PROG_NEXT_ID = 11,
    BPF_CMD_MAP_NEXT_ID = 12,
    BPF_CMD_OBJ_INFO = 15,
    BPF_CMD_PROG_QUERY = 16,
    BPF_CMD_TRACEPOINT_OPEN = 17,
    BPF_CMD_BTF_LOAD = 18,
    BPF_CMD_TASK_FD_QUERY = 20,
    BPF_CMD_MAP_LOOKUP_DELETE = 21,
    BPF_CMD_BTF_NEXT_ID = 23,
    BPF_CMD_LOOKUP_BATCH = 24,
    BPF_CMD_LOOKUP_DELETE_BATCH = 25,
    BPF_CMD_UPDATE_BATCH = 26,
    BPF_CMD_DELETE_BATCH = 27,
    BPF_CMD_LINK_CREATE = 28,
    BPF_CMD_LINK_NEXT_ID = 31,
    BPF_CMD_STREAM_READ = 37,
    BPF_CMD_LAST = 37,
    BPF_ATTR_BYTES = 168,
};

/* Processors that a value of a per-CPU map has a part for: the last number in a list of ranges, and one more. */
static uint64_t possible_cpus(void)
{
    char text[64] = "";
    long file = vmti_os_open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return 1;
    long bytes = vmti_os_read((int)file, text, sizeof text);
    vmti_os_close((int)file);
    uint64_t number = 0;
    for (long k = 0; k < bytes; k++)
        number = text[k] >= '0' && text[k] <= '9' ? number * 10 + (unsigned)(text[k] - '0')
                 : text[k] == '\n'                ? number
                                                  : 0;
    return number + 1;
}

/* How long keys and values are is a property of the map: kernel/bpf/syscall.c, bpf_map_show_fdinfo. */
enum {
    MAP_HASH = 1,
    MAP_PERCPU_HASH = 5,
    MAP_PERCPU_ARRAY = 6,
    MAP_LRU_HASH = 9,
    MAP_LRU_PERCPU_HASH = 10,
    MAP_HASH_OF_MAPS = 13,
    MAP_PERCPU_CGROUP_STORAGE = 21,
};

struct map {
    uint64_t type, key, value; /* bytes of a key and a value */
};

static bool read_map(struct vmti_walk *w, int fd, struct map *map)
{
    if (!vmti_walk_fdinfo(w, fd, "map_type", &map->type) || !vmti_walk_fdinfo(w, fd, "key_size", &map->key) ||
        !vmti_walk_fdinfo(w, fd, "value_size", &map->value))
        return false;
    if (map->type == MAP_PERCPU_HASH || map->type == MAP_PERCPU_ARRAY || map->type == MAP_LRU_PERCPU_HASH ||
        map->type == MAP_PERCPU_CGROUP_STORAGE)
        map->value = (map->value + 7) / 8 * 8 * possible_cpus();
    return true;
}

static void walk_bpf_element(struct vmti_walk *w, uint32_t command, const unsigned char *attr)
{
    enum { MAP = 0, KEY = 8, VALUE = 16 };
    struct map map;
    if (!read_map(w, (int)vmti_half_at(attr, MAP), &map))
        return; /* EBADF, EINVAL */
    vmti_walk_in(w, vmti_word_at(attr, KEY), map.key);
    if (command == BPF_CMD_MAP_UPDATE)
        vmti_walk_in(w, vmti_word_at(attr, VALUE), map.value);
    else if (command == BPF_CMD_MAP_NEXT_KEY)
        vmti_walk_out(w, vmti_word_at(attr, VALUE), map.key);
    else if (command != BPF_CMD_MAP_DELETE)
        vmti_walk_out(w, vmti_word_at(attr, VALUE), map.value);
}

/* ENOENT is told of the last elements, which are written as ever: kernel/bpf/syscall.c, generic_map_lookup_batch, and
 * kernel/bpf/hashtab.c, __htab_map_lookup_and_delete_batch. */
static void count_elements(struct vmti_span *span, uint64_t count_at, uint64_t bytes)
{
    vmti_span_counts_at(span, count_at, 4, (uint32_t)bytes);
    vmti_span_counts(span, VMTI_DONE_PTR_OR_END, (uint32_t)bytes);
}

static void walk_bpf_batch(struct vmti_walk *w, uint32_t command, const unsigned char *attr, uint64_t addr)
{
    enum { IN_BATCH = 0, OUT_BATCH = 8, KEYS = 16, VALUES = 24, COUNT = 32, MAP = 36, BUCKET = 4 };
    uint64_t count = vmti_half_at(attr, COUNT);
    struct map map;
    if (!read_map(w, (int)vmti_half_at(attr, MAP), &map))
        return;
    if (command == BPF_CMD_UPDATE_BATCH || command == BPF_CMD_DELETE_BATCH) {
        vmti_walk_in(w, vmti_word_at(attr, KEYS), map.key * count);
        if (command == BPF_CMD_UPDATE_BATCH)
            vmti_walk_in(w, vmti_word_at(attr, VALUES), map.value * count);
        return;
    }
    bool hash = map.type == MAP_HASH || map.type == MAP_PERCPU_HASH || map.type == MAP_LRU_HASH ||
                map.type == MAP_LRU_PERCPU_HASH || map.type == MAP_HASH_OF_MAPS;
    uint64_t cursor = hash ? BUCKET : map.key; /* where the next batch begins */
    vmti_walk_in(w, vmti_word_at(attr, IN_BATCH), cursor);
    vmti_span_counts(vmti_walk_out(w, vmti_word_at(attr, OUT_BATCH), cursor), VMTI_DONE_ALWAYS, 0);
    count_elements(vmti_walk_out(w, vmti_word_at(attr, KEYS), map.key * count), addr + COUNT, map.key);
    count_elements(vmti_walk_out(w, vmti_word_at(attr, VALUES), map.value * count), addr + COUNT, map.value);
}

/* The verifier's log. How long it became is told at `true_size` by kernels that know the field, also when they
 * refuse. */
static void walk_bpf_log(struct vmti_walk *w, uint64_t log, uint32_t bytes, uint64_t true_size, bool told)
{
    struct vmti_span *span = vmti_walk_out(w, log, bytes);
    if (told)
        vmti_span_counts_at(span, true_size, 4, 1);
    vmti_span_counts(span, told ? VMTI_DONE_PTR_ALWAYS : VMTI_DONE_ALWAYS, 1);
}

static void walk_bpf_load(struct vmti_walk *w, const unsigned char *attr, uint64_t addr, uint64_t size)
{
    enum { COUNT = 4, CODE = 8, LICENSE = 16, LOG_LEVEL = 24, LOG_BYTES = 28, LOG = 32, TRUE_SIZE = 140 };
    enum { FUNC_BYTES = 76, FUNCS = 80, FUNC_COUNT = 88, LINE_BYTES = 92, LINES = 96, LINE_COUNT = 104 };
    enum { RELOC_COUNT = 116, FDS = 120, RELOCS = 128, RELOC_BYTES = 136, FD_COUNT = 148, SIGNATURE = 152 };
    enum { SIGNATURE_BYTES = 160, INSTRUCTION = 8, INSTRUCTIONS_MAX = 1000000, LICENSE_MAX = 128, MAPS_MAX = 64 };
    uint32_t fds = vmti_half_at(attr, FD_COUNT);
    if (vmti_half_at(attr, COUNT) <= INSTRUCTIONS_MAX)
        vmti_walk_in(w, vmti_word_at(attr, CODE), (uint64_t)vmti_half_at(attr, COUNT) * INSTRUCTION);
    vmti_walk_string(w, vmti_word_at(attr, LICENSE), LICENSE_MAX);
    if (vmti_half_at(attr, LOG_LEVEL))
        walk_bpf_log(w, vmti_word_at(attr, LOG), vmti_half_at(attr, LOG_BYTES), addr + TRUE_SIZE,
                     size >= TRUE_SIZE + 4);
    vmti_walk_in(w, vmti_word_at(attr, FUNCS),
                 (uint64_t)vmti_half_at(attr, FUNC_BYTES) * vmti_half_at(attr, FUNC_COUNT));
    vmti_walk_in(w, vmti_word_at(attr, LINES),
                 (uint64_t)vmti_half_at(attr, LINE_BYTES) * vmti_half_at(attr, LINE_COUNT));
    vmti_walk_in(w, vmti_word_at(attr, RELOCS),
                 (uint64_t)vmti_half_at(attr, RELOC_BYTES) * vmti_half_at(attr, RELOC_COUNT));
    /* Without a count the instructions name the entries; there are no more than a program may use maps. */
    vmti_walk_in(w, vmti_word_at(attr, FDS), (uint64_t)(fds ? fds : MAPS_MAX) * sizeof(int));
    vmti_walk_in(w, vmti_word_at(attr, SIGNATURE), vmti_half_at(attr, SIGNATURE_BYTES));
}

static void walk_bpf_link(struct vmti_walk *w, const unsigned char *attr)
{
    enum { TYPE = 8, ITER = 28, KPROBE_MULTI = 42, UPROBE_MULTI = 48, KPROBE_SESSION = 56, UPROBE_SESSION = 57 };
    enum { FIRST = 16, ITER_BYTES = 24, KPROBES = 20, UPROBES = 48, COUNT_MAX = 1 << 20, SYMBOL_MAX = 512 };
    uint32_t type = vmti_half_at(attr, TYPE);
    if (type == ITER) {
        if (vmti_half_at(attr, ITER_BYTES) <= VMTI_STRUCT_MAX)
            vmti_walk_in(w, vmti_word_at(attr, FIRST), vmti_half_at(attr, ITER_BYTES));
    } else if (type == KPROBE_MULTI || type == KPROBE_SESSION) { /* names, addresses, cookies */
        uint64_t count = vmti_half_at(attr, KPROBES), names = vmti_word_at(attr, 24), name;
        if (count > COUNT_MAX)
            return;
        for (uint64_t k = 0; names && k < count; k++)
            if (vmti_walk_read(w, &name, names + k * sizeof name, sizeof name))
                vmti_walk_string(w, name, SYMBOL_MAX);
        vmti_walk_in(w, vmti_word_at(attr, 32), count * 8);
        vmti_walk_in(w, vmti_word_at(attr, 40), count * 8);
    } else if (type == UPROBE_MULTI || type == UPROBE_SESSION) { /* path, offsets, counters, cookies */
        uint64_t count = vmti_half_at(attr, UPROBES);
        if (count > COUNT_MAX)
            return;
        vmti_walk_string(w, vmti_word_at(attr, FIRST), VMTI_PATH_MAX);
        vmti_walk_in(w, vmti_word_at(attr, 24), count * 8);
        vmti_walk_in(w, vmti_word_at(attr, 32), count * 8);
        vmti_walk_in(w, vmti_word_at(attr, 40), count * 8);
    }
}

static void walk_bpf_query(struct vmti_walk *w, const unsigned char *attr, uint64_t addr)
{
    enum { COUNT = 24 };
    static const uint8_t arrays[] = {16, 32, 40, 48}; /* program numbers, their flags, link numbers, their flags */
    for (size_t k = 0; k < ROWS(arrays); k++) {
        uint64_t bytes = (uint64_t)vmti_half_at(attr, COUNT) * 4;
        vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(attr, arrays[k]), bytes), addr + COUNT, 4, 4);
    }
}

/* Two inputs, and two outputs whose lengths are beside theirs. */
static void walk_bpf_test_run(struct vmti_walk *w, const unsigned char *attr, uint64_t addr)
{
    static const uint8_t sizes[] = {8, 40}, buffers[] = {16, 48};
    for (size_t k = 0; k < ROWS(sizes); k++) {
        vmti_walk_in(w, vmti_word_at(attr, buffers[k]), vmti_half_at(attr, sizes[k]));
        vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(attr, buffers[k] + 8u), vmti_half_at(attr, sizes[k] + 4u)),
                            addr + sizes[k] + 4, 4, 1);
    }
}

void vmti_walk_bpf(struct vmti_walk *w, unsigned i)
{
    enum { MAP_HASH = 80, MAP_HASH_BYTES = 88, NAME_MAX_BYTES = 128 };
    unsigned char attr[BPF_ATTR_BYTES];
    uint32_t command = (uint32_t)w->call->args[0];
    uint64_t addr = w->call->args[i], size = (uint32_t)w->call->args[i + 1];
    if (size > VMTI_STRUCT_MAX)
        return;
    memset(attr, 0, sizeof attr);
    vmti_walk_in(w, addr, size);
    if (!vmti_walk_read(w, attr, addr, size < sizeof attr ? size : sizeof attr))
        return;
    switch (command) {
    case BPF_CMD_MAP_CREATE:
        vmti_walk_in(w, vmti_word_at(attr, MAP_HASH), vmti_half_at(attr, MAP_HASH_BYTES));
        break;
    case BPF_CMD_MAP_LOOKUP:
    case BPF_CMD_MAP_UPDATE:
    case BPF_CMD_MAP_DELETE:
    case BPF_CMD_MAP_NEXT_KEY:
    case BPF_CMD_MAP_LOOKUP_DELETE:
        walk_bpf_element(w, command, attr);
        break;
    case BPF_CMD_PROG_LOAD:
        walk_bpf_load(w, attr, addr, size);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_OBJ_PIN:
    case BPF_CMD_OBJ_GET:
        vmti_walk_string(w, vmti_word_at(attr, 0), VMTI_PATH_MAX);
        break;
    case BPF_CMD_TEST_RUN:
        walk_bpf_test_run(w, attr, addr);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_PROG_NEXT_ID:
    case BPF_CMD_MAP_NEXT_ID:
    case BPF_CMD_BTF_NEXT_ID:
    case BPF_CMD_LINK_NEXT_ID:
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_OBJ_INFO: /* what the information points to depends on the object, and is not known here */
        vmti_span_counts_at(vmti_walk_inout(w, vmti_word_at(attr, 8), vmti_half_at(attr, 4)), addr + 4, 4, 1);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_PROG_QUERY:
        walk_bpf_query(w, attr, addr);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_TRACEPOINT_OPEN:
        vmti_walk_string(w, vmti_word_at(attr, 0), NAME_MAX_BYTES);
        break;
    case BPF_CMD_BTF_LOAD:
        vmti_walk_in(w, vmti_word_at(attr, 0), vmti_half_at(attr, 16));
        if (vmti_half_at(attr, 24))
            walk_bpf_log(w, vmti_word_at(attr, 8), vmti_half_at(attr, 20), addr + 28, size >= 32);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_TASK_FD_QUERY:
        vmti_span_counts_at(vmti_walk_out(w, vmti_word_at(attr, 16), vmti_half_at(attr, 12)), addr + 12, 4, 1);
        vmti_walk_out(w, addr, size);
        break;
    case BPF_CMD_LOOKUP_BATCH:
    case BPF_CMD_LOOKUP_DELETE_BATCH:
    case BPF_CMD_UPDATE_BATCH:
    case BPF_CMD_DELETE_BATCH:
        walk_bpf_batch(w, command, attr, addr);
        vmti_span_counts(vmti_walk_out(w, addr, size), VMTI_DONE_ALWAYS, 0);
        break;
    case BPF_CMD_LINK_CREATE:
        walk_bpf_link(w, attr);
        break;
    case BPF_CMD_STREAM_READ:
        vmti_span_counts(vmti_walk_out(w, vmti_word_at(attr, 0), vmti_half_at(attr, 8)), VMTI_DONE_RET, 1);
        break;
    default: /* the others have descriptors and numbers only */
        if (command > BPF_CMD_LAST)
            vmti_note_unknown(w, command);
        break;
    }
}

/* ------------------------------------------------------------------------------------------- ptrace */

/* By the program, of a process of its own: kernel/ptrace.c, arch/x86/kernel/ptrace.c. */
void vmti_walk_ptrace(struct vmti_walk *w, unsigned i)
{
    enum { REGS = 216, FP_REGS = 512, USER_DESC = 16, DISPATCH = 32, SYSCALL_INFO = 88, METADATA = 16 };
    /* clang-format off */
    static const struct vmti_command data_only[] = {
        {1, VMTI_HOW_OUT, 8},          {2, VMTI_HOW_OUT, 8},        {3, VMTI_HOW_OUT, 8}, /* PEEKTEXT, _DATA, _USER */
        {12, VMTI_HOW_OUT, REGS},      {13, VMTI_HOW_IN, REGS},                           /* GETREGS, SETREGS */
        {14, VMTI_HOW_OUT, FP_REGS},   {15, VMTI_HOW_IN, FP_REGS},                        /* GETFPREGS, SETFPREGS */
        {25, VMTI_HOW_OUT, USER_DESC}, {26, VMTI_HOW_IN, USER_DESC},                      /* GET_, SET_THREAD_AREA */
        {0x4201, VMTI_HOW_OUT, 8},                                                        /* GETEVENTMSG */
        {0x4202, VMTI_HOW_OUT, VMTI_SIZEOF_siginfo},                                      /* GETSIGINFO */
        {0x4203, VMTI_HOW_IN, VMTI_SIZEOF_siginfo_kernel},                                /* SETSIGINFO */
    };
    /* clang-format on */
    enum { ARCH_PRCTL = 30, GETREGSET = 0x4204, SETREGSET, PEEKSIGINFO = 0x4209, GETSIGMASK, SETSIGMASK };
    enum { SECCOMP_GET_FILTER = 0x420c, SECCOMP_GET_METADATA, GET_SYSCALL_INFO, GET_RSEQ, SET_DISPATCH, GET_DISPATCH };
    enum { SET_SYSCALL_INFO = 0x4212, GET_FS = 0x1003, GET_GS = 0x1004, INSTRUCTION = 8, INSTRUCTIONS_MAX = 4096 };
    uint32_t request = (uint32_t)w->call->args[0];
    uint64_t addr = w->call->args[i], data = w->call->args[i + 1];
    unsigned char s[16];
    struct vmti_span *span;
    if (vmti_walk_command(w, data_only, ROWS(data_only), request, data))
        return;
    switch (request) {
    case ARCH_PRCTL: /* what is asked for is in data, where it goes in addr */
        if (data == GET_FS || data == GET_GS)
            vmti_walk_out(w, addr, sizeof(uint64_t));
        break;
    case GETREGSET:
    case SETREGSET: /* one struct iovec; its length is what was there, after */
        vmti_walk_inout(w, data, VMTI_SIZEOF_iovec);
        if (!vmti_walk_read(w, s, data, VMTI_SIZEOF_iovec))
            break;
        if (request == SETREGSET) {
            vmti_walk_in(w, vmti_word_at(s, 0), vmti_word_at(s, 8));
        } else {
            span = vmti_walk_out(w, vmti_word_at(s, 0), vmti_word_at(s, 8));
            vmti_span_counts_at(span, data + 8, 8, 1);
        }
        break;
    case PEEKSIGINFO:
        if (vmti_walk_read(w, s, addr, sizeof s) && (int32_t)vmti_half_at(s, 12) > 0) {
            span = vmti_walk_out(w, data, (uint64_t)vmti_half_at(s, 12) * VMTI_SIZEOF_siginfo);
            vmti_span_counts(span, VMTI_DONE_RET, VMTI_SIZEOF_siginfo);
        }
        break;
    case GETSIGMASK:
        if (addr == VMTI_SIZEOF_sigset)
            vmti_walk_out(w, data, VMTI_SIZEOF_sigset);
        break;
    case SETSIGMASK:
        if (addr == VMTI_SIZEOF_sigset)
            vmti_walk_in(w, data, VMTI_SIZEOF_sigset);
        break;
    case SECCOMP_GET_FILTER: /* the result is the number of instructions; addr is which filter */
        vmti_span_counts(vmti_walk_out(w, data, (uint64_t)INSTRUCTIONS_MAX * INSTRUCTION), VMTI_DONE_RET, INSTRUCTION);
        break;
    case SECCOMP_GET_METADATA:
        vmti_walk_inout(w, data, addr < METADATA ? addr : METADATA);
        break;
    case GET_SYSCALL_INFO:
    case GET_RSEQ: /* the result may be more than there was room for */
        vmti_span_counts(vmti_walk_out(w, data, addr < SYSCALL_INFO ? addr : SYSCALL_INFO), VMTI_DONE_RET, 1);
        break;
    case SET_SYSCALL_INFO:
        if (addr >= SYSCALL_INFO)
            vmti_walk_in(w, data, SYSCALL_INFO);
        break;
    case GET_DISPATCH:
        if (addr == DISPATCH)
            vmti_walk_out(w, data, DISPATCH);
        break;
    case SET_DISPATCH:
        if (addr == DISPATCH)
            vmti_walk_in(w, data, DISPATCH);
        break;
    default: /* the others take numbers, or the other process's addresses */
        if (request > SET_SYSCALL_INFO)
            vmti_note_unknown(w, request);
        break;
    }
}
