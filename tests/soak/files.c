/* SPDX-License-Identifier: MIT */
/* Files in the folder of this run, read and written from malloc'd memory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "children.h"
#include "soak.h"

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void soak_remove_folder(void)
{
    nftw(soak_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_folder(const char *name)
{
    static __thread char *paths[4];
    static __thread unsigned turn;
    char **path = &paths[turn++ % 4];
    if (!*path)
        *path = get(400); /* never freed */
    snprintf(*path, 400, "%s/%u/%s", soak_folder, me->index, name);
    return *path;
}

static int make(const char *name)
{
    int fd = open(in_folder(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void drop(const char *name, int fd)
{
    CHECK_IS(close(fd), 0);
    CHECK_IS(unlink(in_folder(name)), 0);
}

/* A model of a file's bytes. */
static void contents(void)
{
    enum { ROOM = 40000 };
    int fd = make("contents");
    unsigned char *model = calloc(1, ROOM), *buffer = get(ROOM);
    size_t length = 0;
    for (uint64_t n = between(3, 20); n; n--) {
        size_t at = below(20000), bytes = between(1, one_in(3) ? 19000 : 500);
        switch (below(7)) {
        case 0:
        case 1:
            fill(buffer, bytes, draw());
            if (one_in(2)) {
                CHECK_IS(pwrite(fd, buffer, bytes, (off_t)at), bytes);
            } else {
                CHECK_IS(lseek(fd, (off_t)at, SEEK_SET), at);
                CHECK_IS(write(fd, buffer, bytes), bytes);
            }
            memcpy(model + at, buffer, bytes);
            length = at + bytes > length ? at + bytes : length;
            break;
        case 2: {
            struct iovec *parts = get(3 * sizeof *parts);
            fill(buffer, bytes, draw());
            parts[0] = (struct iovec){buffer, bytes / 3};
            parts[1] = (struct iovec){buffer + bytes / 3, 0};
            parts[2] = (struct iovec){buffer + bytes / 3, bytes - bytes / 3};
            CHECK_IS(one_in(2) ? pwritev(fd, parts, 3, (off_t)at) : pwritev2(fd, parts, 3, (off_t)at, 0), bytes);
            memcpy(model + at, buffer, bytes);
            length = at + bytes > length ? at + bytes : length;
            free(parts);
            break;
        }
        case 3: {
            size_t now = below(30000);
            CHECK_IS(ftruncate(fd, (off_t)now), 0);
            if (now < length)
                memset(model + now, 0, length - now);
            length = now;
            break;
        }
        case 4: {
            struct iovec *parts = get(2 * sizeof *parts);
            size_t left = at < length ? length - at : 0, expected = left < bytes ? left : bytes;
            memset(buffer, 0xee, ROOM);
            parts[0] = (struct iovec){buffer, bytes / 2};
            parts[1] = (struct iovec){buffer + bytes / 2, bytes - bytes / 2};
            CHECK_IS(one_in(2) ? preadv(fd, parts, 2, (off_t)at) : preadv2(fd, parts, 2, (off_t)at, 0), expected);
            CHECK_IS(memcmp(buffer, model + at, expected), 0);
            CHECK(expected == ROOM || buffer[expected] == 0xee);
            free(parts);
            break;
        }
        default: {
            size_t left = at < length ? length - at : 0, expected = left < bytes ? left : bytes;
            memset(buffer, 0xee, ROOM);
            CHECK_IS(pread(fd, buffer, bytes, (off_t)at), expected);
            CHECK_IS(memcmp(buffer, model + at, expected), 0);
            CHECK_IS(buffer[expected], 0xee);
        }
        }
        struct stat *info = get(sizeof *info);
        CHECK_IS(fstat(fd, info), 0);
        CHECK_IS(info->st_size, length);
        free(info);
    }
    mix_bytes(model, length);
    drop("contents", fd);
    free(model);
    free(buffer);
}

static void mapped(void)
{
    int fd = make("mapped");
    size_t pages = between(1, 10);
    CHECK_IS(ftruncate(fd, (off_t)(pages * PAGE)), 0);
    unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *copy = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && copy != MAP_FAILED);
    fill(p, pages * PAGE, 1);
    CHECK(filled(copy, pages * PAGE, 1));
    unsigned char *buffer = get(pages * PAGE);
    CHECK_IS(pread(fd, buffer, pages * PAGE, 0), pages * PAGE);
    CHECK(filled(buffer, pages * PAGE, 1));
    fill(copy, pages * PAGE, 2);
    CHECK_IS(pread(fd, copy, PAGE, 0), PAGE);
    CHECK(filled(copy, PAGE, 1));
    CHECK(filled(p, pages * PAGE, 1));
    fill(buffer, pages * PAGE, 3);
    CHECK_IS(pwrite(fd, buffer, pages * PAGE, 0), pages * PAGE);
    CHECK(filled(p, pages * PAGE, 3));
    free(buffer);
    CHECK_IS(munmap(p, pages * PAGE), 0);
    CHECK_IS(munmap(copy, pages * PAGE), 0);
    drop("mapped", fd);
}

static void copied(void)
{
    int from = make("from"), to = make("to"), fds[2];
    size_t bytes = between(1000, 60000), moved = 0;
    unsigned char *buffer = get(bytes);
    fill(buffer, bytes, 5);
    CHECK_IS(write(from, buffer, bytes), bytes);
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    switch (below(4)) {
    case 0: {
        off_t *at = calloc(1, sizeof *at);
        while (moved < bytes) {
            ssize_t n = sendfile(to, from, at, bytes - moved);
            CHECK(n > 0);
            moved += (size_t)n;
            CHECK_IS(*at, moved);
        }
        free(at);
        break;
    }
    case 1: {
        loff_t *in = calloc(1, sizeof *in), *out = calloc(1, sizeof *out);
        while (moved < bytes) {
            ssize_t n = copy_file_range(from, in, to, out, bytes - moved, 0);
            CHECK(n > 0);
            moved += (size_t)n;
            CHECK_IS(*in, moved);
            CHECK_IS(*out, moved);
        }
        free(in);
        free(out);
        break;
    }
    case 2: {
        loff_t *in = calloc(1, sizeof *in);
        while (moved < bytes) {
            ssize_t n = splice(from, in, fds[1], NULL, bytes - moved < 30000 ? bytes - moved : 30000, 0);
            CHECK(n > 0);
            for (ssize_t left = n; left > 0;) {
                ssize_t m = splice(fds[0], NULL, to, NULL, (size_t)left, SPLICE_F_MOVE);
                CHECK(m > 0);
                left -= m;
            }
            moved += (size_t)n;
        }
        free(in);
        break;
    }
    default: {
        int more[2];
        CHECK_IS(pipe2(more, O_CLOEXEC), 0);
        bytes = bytes > 30000 ? 30000 : bytes;
        CHECK_IS(write(fds[1], buffer, bytes), bytes);
        CHECK_IS(tee(fds[0], more[1], bytes, 0), bytes);
        CHECK_IS(read(fds[0], buffer, bytes), bytes);
        CHECK(filled(buffer, bytes / 8 * 8, 5));
        struct iovec *part = get(sizeof *part);
        *part = (struct iovec){buffer, bytes};
        CHECK_IS(read(more[0], buffer, bytes), bytes);
        CHECK_IS(vmsplice(fds[1], part, 1, 0), bytes);
        free(part);
        for (size_t left = bytes; left;) {
            ssize_t m = splice(fds[0], NULL, to, NULL, left, 0);
            CHECK(m > 0);
            left -= (size_t)m;
        }
        close(more[0]);
        close(more[1]);
    }
    }
    memset(buffer, 0, bytes);
    CHECK_IS(pread(to, buffer, bytes, 0), bytes);
    CHECK(filled(buffer, bytes / 8 * 8, 5));
    mix(bytes);
    free(buffer);
    close(fds[0]);
    close(fds[1]);
    drop("from", from);
    drop("to", to);
}

static void folders(void)
{
    CHECK_IS(mkdir(in_folder("d"), 0700), 0);
    unsigned n = (unsigned)between(1, 40), seen = 0;
    char name[40];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "d/file%u", i);
        int fd = make(name);
        CHECK_IS(write(fd, name, i), i);
        close(fd);
    }
    uint64_t sum = 0;
    if (one_in(2)) {
        DIR *d = opendir(in_folder("d"));
        CHECK(d != NULL);
        for (struct dirent *entry; (entry = readdir(d));)
            if (entry->d_name[0] == 'f') {
                sum += strtoul(entry->d_name + 4, NULL, 10);
                seen++;
            }
        closedir(d);
    } else {
        int fd = open(in_folder("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *buffer = get(600);
        long got;
        while ((got = syscall(SYS_getdents64, fd, buffer, 600)) > 0)
            for (long at = 0; at < got; at += *(unsigned short *)(void *)(buffer + at + 16))
                if (buffer[at + 19] == 'f') {
                    sum += strtoul(buffer + at + 23, NULL, 10);
                    seen++;
                }
        CHECK_IS(got, 0);
        free(buffer);
        close(fd);
    }
    CHECK_IS(seen, n);
    CHECK_IS(sum, n * (n - 1) / 2);
    struct dirent **names;
    int found = scandir(in_folder("d"), &names, NULL, alphasort);
    CHECK_IS(found, n + 2);
    for (int i = 0; i < found; i++) {
        mix_bytes(names[i]->d_name, strlen(names[i]->d_name));
        free(names[i]);
    }
    free(names);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "d/file%u", i);
        CHECK_IS(unlink(in_folder(name)), 0);
    }
    CHECK_IS(rmdir(in_folder("d")), 0);
}

static void names(void)
{
    int fd = make("a");
    CHECK_IS(write(fd, "0123456789", 10), 10);
    CHECK_IS(rename(in_folder("a"), in_folder("b")), 0);
    CHECK_FAILS(access(in_folder("a"), F_OK), ENOENT);
    CHECK_IS(link(in_folder("b"), in_folder("c")), 0);
    CHECK_IS(symlink("b", in_folder("s")), 0);
    char *target = get(100);
    memset(target, 'z', 100);
    CHECK_IS(readlink(in_folder("s"), target, 100), 1);
    CHECK(target[0] == 'b' && target[1] == 'z');
    free(target);
    struct statx *info = get(sizeof *info);
    CHECK_IS(statx(AT_FDCWD, in_folder("s"), 0, STATX_BASIC_STATS, info), 0);
    CHECK_IS(info->stx_size, 10);
    CHECK_IS(info->stx_nlink, 2);
    CHECK_IS(info->stx_mode, S_IFREG | 0600);
    free(info);
    CHECK_IS(chmod(in_folder("c"), 0400), 0);
    CHECK_IS(renameat2(AT_FDCWD, in_folder("b"), AT_FDCWD, in_folder("s"), RENAME_EXCHANGE), 0);
    struct stat *old = get(sizeof *old);
    CHECK_IS(lstat(in_folder("b"), old), 0);
    CHECK(S_ISLNK(old->st_mode));
    CHECK_IS(stat(in_folder("s"), old), 0);
    CHECK_IS(old->st_mode & 0777, 0400);
    struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    CHECK_IS(utimensat(AT_FDCWD, in_folder("c"), times, 0), 0);
    CHECK_IS(fstatat(AT_FDCWD, in_folder("c"), old, 0), 0);
    CHECK_IS(old->st_mtim.tv_sec, 1100000000);
    free(old);
    char *real = realpath(in_folder("c"), NULL), *here = getcwd(NULL, 0);
    CHECK(real && strcmp(real + strlen(real) - 2, "/c") == 0);
    CHECK(here && here[0] == '/');
    free(real);
    free(here);
    CHECK_FAILS(open(in_folder("no"), O_RDONLY), ENOENT);
    CHECK_FAILS(mkdir(in_folder("b"), 0700), EEXIST);
    CHECK_FAILS(rmdir(in_folder("s")), ENOTDIR);
    CHECK_IS(unlink(in_folder("b")), 0);
    CHECK_IS(unlink(in_folder("c")), 0);
    drop("s", fd);
}

static void streams(void)
{
    FILE *f = fopen(in_folder("stream"), "w+e");
    CHECK(f != NULL);
    char *room = NULL;
    if (one_in(2)) {
        size_t bytes = between(100, 9000);
        room = get(bytes);
        CHECK_IS(setvbuf(f, room, one_in(2) ? _IOFBF : _IOLBF, bytes), 0);
    }
    unsigned n = (unsigned)between(10, 800);
    for (unsigned i = 0; i < n; i++)
        CHECK(fprintf(f, "%u %s %.3f\n", i, i % 3 ? "odd" : "even", i / 3.0) > 0);
    rewind(f);
    char line[200];
    unsigned lines = 0;
    while (fgets(line, sizeof line, f)) {
        CHECK_IS(strtoul(line, NULL, 10), lines);
        lines++;
    }
    CHECK_IS(lines, n);
    mix((uint64_t)ftell(f));
    CHECK_IS(fseek(f, -5, SEEK_END), 0);
    mix((uint64_t)fgetc(f));
    CHECK_IS(fclose(f), 0);
    free(room);
    CHECK_IS(unlink(in_folder("stream")), 0);
    f = tmpfile();
    CHECK(f != NULL);
    CHECK_IS(fputs("text", f) >= 0, 1);
    CHECK_IS(fclose(f), 0);
}

static void descriptors(void)
{
    int fd = make("fd");
    CHECK_IS(write(fd, "abc", 3), 3);
    int other = dup(fd), third = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    CHECK(other >= 0 && third >= 200);
    CHECK_IS(lseek(other, 0, SEEK_CUR), 3);
    CHECK_IS(fcntl(fd, F_SETFL, O_APPEND), 0);
    CHECK_IS(fcntl(other, F_GETFL) & O_APPEND, O_APPEND);
    CHECK_IS(pwrite(third, "def", 3, 0), 3); /* appends, on Linux */
    struct flock *lock = calloc(1, sizeof *lock);
    lock->l_type = F_WRLCK;
    lock->l_len = 10;
    CHECK_IS(fcntl(fd, F_OFD_SETLK, lock), 0);
    CHECK_IS(flock(fd, LOCK_EX | LOCK_NB), 0);
    int separate = open(in_folder("fd"), O_RDWR | O_CLOEXEC);
    CHECK_IS(fcntl(separate, F_OFD_GETLK, lock), 0);
    CHECK_IS(lock->l_type, F_WRLCK);
    CHECK_IS(lock->l_len, 10);
    free(lock);
    CHECK_FAILS(flock(separate, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    struct statvfs *where = get(sizeof *where);
    CHECK_IS(fstatvfs(fd, where), 0);
    CHECK(where->f_bsize > 0);
    free(where);
    CHECK_IS(fsync(fd), 0);
    CHECK_IS(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    int result = posix_fallocate(fd, 0, 9000);
    CHECK(result == 0 || result == EOPNOTSUPP || result == EINVAL);
    close(other);
    close(third);
    close(separate);
    CHECK_FAILS(write(1 << 20, "x", 1), EBADF);
    CHECK_FAILS(read(-1, &fd, 1), EBADF);
    drop("fd", fd);
}

/* Pointers that the kernel must refuse, and buffers of which it can use a part. */
static void bad_pointers(void)
{
    int fd = make("bad");
    unsigned char *pages = aligned_alloc(PAGE, 4 * PAGE);
    fill(pages, 4 * PAGE, 9);
    CHECK_IS(write(fd, pages, 3 * PAGE), 3 * PAGE);
    void *volatile low = (void *)8, *volatile high = (void *)-4096;
    CHECK_FAILS(write(fd, low, 5), EFAULT);
    CHECK_FAILS(pread(fd, high, 5, 0), EFAULT);
    CHECK_FAILS(fstat(fd, low), EFAULT);
    CHECK_FAILS(open(low, O_RDONLY), EFAULT);
    CHECK_IS(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
    CHECK_IS(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
    CHECK_IS(pwrite(fd, pages + PAGE, 100, 0), 100);
    CHECK_FAILS(pwrite(fd, pages + 2 * PAGE, 100, 0), EFAULT);
    CHECK_FAILS(pread(fd, pages + PAGE + 50, 100, 0), EFAULT);
    CHECK_FAILS(fstat(fd, (struct stat *)(void *)(pages + 2 * PAGE)), EFAULT);
    int fds[2];
    CHECK_IS(pipe2(fds, O_CLOEXEC), 0);
    CHECK_FAILS(write(fds[1], pages + 2 * PAGE, 1), EFAULT);
    CHECK_IS(write(fds[1], pages, 100), 100);
    CHECK_FAILS(read(fds[0], pages + PAGE, 100), EFAULT);
    CHECK_IS(read(fds[0], pages, 100), 100);
    close(fds[0]);
    close(fds[1]);
    CHECK_IS(mprotect(pages, 4 * PAGE, PROT_READ | PROT_WRITE), 0);
    CHECK(filled(pages, 4 * PAGE, 9));
    free(pages);
    drop("bad", fd);
}

/* Buffered files are read and written before io_submit returns. */
static void aio(void)
{
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 8, &context) != 0) {
        CHECK(errno == EAGAIN || errno == ENOSYS || errno == EPERM);
        return;
    }
    int fd = make("aio");
    size_t bytes = between(100, 20000);
    unsigned char *out = get(bytes), *in = calloc(1, bytes);
    fill(out, bytes, 13);
    struct iocb *block = calloc(1, sizeof *block), **list = get(sizeof *list);
    struct io_event *events = get(2 * sizeof *events);
    list[0] = block;
    for (int i = 0; i < 2; i++) {
        memset(block, 0, sizeof *block);
        block->aio_fildes = (unsigned)fd;
        block->aio_lio_opcode = i ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
        block->aio_buf = (uintptr_t)(i ? in : out);
        block->aio_nbytes = bytes;
        block->aio_data = 77;
        CHECK_IS(syscall(SYS_io_submit, context, 1L, list), 1);
        CHECK_IS(UNINTERRUPTED(syscall(SYS_io_getevents, context, 1L, 2L, events, NULL)), 1);
        CHECK_IS(events[0].res, bytes);
        CHECK_IS(events[0].data, 77);
    }
    CHECK(filled(in, bytes, 13));
    CHECK_IS(syscall(SYS_io_destroy, context), 0);
    free(out);
    free(in);
    free(block);
    free(list);
    free(events);
    drop("aio", fd);
}

static void watched(void)
{
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0)
        return;
    CHECK_IS(mkdir(in_folder("w"), 0700), 0);
    CHECK(inotify_add_watch(watch, in_folder("w"), IN_CREATE | IN_DELETE | IN_MOVED_TO) >= 0);
    int fd = make("w/one");
    CHECK_IS(rename(in_folder("w/one"), in_folder("w/two")), 0);
    drop("w/two", fd);
    char *buffer = get(5000);
    ssize_t got = read(watch, buffer, 5000);
    CHECK(got > 0);
    for (ssize_t at = 0; at < got;) {
        struct inotify_event *event = (struct inotify_event *)(void *)(buffer + at);
        mix(event->mask);
        mix_bytes(event->name, strlen(event->name));
        at += (ssize_t)(sizeof *event + event->len);
    }
    free(buffer);
    close(watch);
    CHECK_IS(rmdir(in_folder("w")), 0);
}

static const struct soak_operation operations[] = {
    {"files.contents", 14, 0, contents},
    {"files.mapped", 6, 0, mapped},
    {"files.copied", 8, 0, copied},
    {"files.folders", 6, 0, folders},
    {"files.names", 5, 0, names},
    {"files.streams", 6, 0, streams},
    {"files.descriptors", 5, 0, descriptors},
    {"files.bad-pointers", 6, 0, bad_pointers},
    {"files.aio", 4, 0, aio},
    {"files.watched", 3, 0, watched},
};
const struct soak_group soak_files = SOAK_GROUP(operations);
