/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "baseline_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "baseline_file.h"

int vmti_baseline_load(const char *path, char **bytes, size_t *length)
{
    /* A FIFO would keep us waiting, without O_NONBLOCK. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    int error = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    size_t room = VMTI_BASELINE_BYTES_MAX + 1, n = 0;
    if (!error && st.st_size < VMTI_BASELINE_BYTES_MAX)
        room = (size_t)st.st_size + 1;
    char *text = error ? NULL : malloc(room);
    if (!error && !text)
        error = -ENOMEM;
    while (!error && n < room) {
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno != EINTR)
            error = -errno;
        if (got == 0)
            break;
        if (got > 0)
            n += (size_t)got;
    }
    close(fd);
    if (error) {
        free(text);
        return error;
    }
    *bytes = text;
    *length = n;
    return 0;
}

/* All folders above the file. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];
    if (!*path || strlen(path) >= sizeof folder)
        return *path ? -ENAMETOOLONG : -ENOENT;
    strcpy(folder, path);
    for (char *slash = folder; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(folder, 0777) < 0 && errno != EEXIST) {
            int error = errno;
            struct stat st; /* a folder that exists may lie where none can be made */
            if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
                return -error;
        }
        *slash = '/';
    }
    return 0;
}

/* Waits for the lock on an open file, and tells whether that still has its name: who had the lock may have renamed
 * it. 0, or a negative errno. */
static int lock_file(int fd, const char *path, bool *same)
{
    struct stat own, named;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return -errno;
    if (fstat(fd, &own) < 0)
        return -errno;
    *same = lstat(path, &named) == 0 && own.st_dev == named.st_dev && own.st_ino == named.st_ino;
    return 0;
}

int vmti_baseline_lock(struct vmti_baseline_lock *lock, const char *path)
{
    lock->fd = -1;
    int error = make_folders(path);
    if (error)
        return error;
    if (!realpath(path, lock->path)) {
        if (errno != ENOENT)
            return -errno;
        strcpy(lock->path, path); /* make_folders() has looked at its length */
    }
    snprintf(lock->beside, sizeof lock->beside, "%s.new", lock->path);
    for (;;) {
        bool same = false;
        int fd = open(lock->beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd < 0)
            return -errno;
        error = lock_file(fd, lock->beside, &same);
        if (!error && same) {
            lock->fd = fd;
            return 0;
        }
        close(fd);
        if (error)
            return error;
    }
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

/* So that the new name survives too. Where a file system cannot do that, the rename is as safe as it gets there. */
static void synchronise_folder(const char *path)
{
    char folder[PATH_MAX];
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int vmti_baseline_replace(struct vmti_baseline_lock *lock, const char *bytes, size_t length)
{
    struct stat old;
    int fd = lock->fd, error = 0;
    bool exists = stat(lock->path, &old) == 0;
    if (exists && access(lock->path, W_OK) < 0)
        return -errno;        /* a rename would not ask */
    if (ftruncate(fd, 0) < 0) /* what a process that was killed had written */
        return -errno;
    error = write_all(fd, bytes, length);
    if (!error && exists && (old.st_uid != geteuid() || old.st_gid != getegid()) &&
        fchown(fd, old.st_uid, old.st_gid) < 0)
        error = -errno;
    if (!error && exists && fchmod(fd, old.st_mode & 07777) < 0)
        error = -errno;
    if (!error && fsync(fd) < 0)
        error = -errno;
    if (!error && rename(lock->beside, lock->path) < 0)
        error = -errno;
    if (error)
        return error;
    close(fd);
    lock->fd = -1;
    synchronise_folder(lock->path);
    return 0;
}

void vmti_baseline_unlock(struct vmti_baseline_lock *lock)
{
    if (lock->fd < 0)
        return;
    unlink(lock->beside); /* before another has the lock; who waits for this file looks whether it has its name */
    close(lock->fd);
    lock->fd = -1;
}
