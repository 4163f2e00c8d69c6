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

/* What a file that is being written has after its name. Only who has the lock writes it, so what is left of a killed
 * process is written over. */
static const char BEING_WRITTEN[] = ".new";

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

int vmti_baseline_lock(struct vmti_baseline_lock *lock, const char *path)
{
    lock->folder = -1;
    int error = make_folders(path);
    if (error)
        return error;
    if (!realpath(path, lock->path)) {
        if (errno != ENOENT)
            return -errno;
        strcpy(lock->path, path); /* make_folders() has looked at its length */
    }
    char folder[PATH_MAX];
    strcpy(folder, lock->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            error = -errno;
            close(fd);
            return error;
        }
    lock->folder = fd;
    return 0;
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

int vmti_baseline_replace(const struct vmti_baseline_lock *lock, const char *bytes, size_t length)
{
    char path[PATH_MAX + sizeof BEING_WRITTEN];
    snprintf(path, sizeof path, "%s%s", lock->path, BEING_WRITTEN);
    struct stat old;
    bool exists = stat(lock->path, &old) == 0;
    if (exists && access(lock->path, W_OK) < 0)
        return -errno; /* a rename would not ask */
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int error = write_all(fd, bytes, length);
    if (!error && exists && (old.st_uid != geteuid() || old.st_gid != getegid()) &&
        fchown(fd, old.st_uid, old.st_gid) < 0)
        error = -errno;
    if (!error && exists && fchmod(fd, old.st_mode & 07777) < 0)
        error = -errno;
    if (!error && fsync(fd) < 0)
        error = -errno;
    if (close(fd) < 0 && !error)
        error = -errno;
    if (!error && rename(path, lock->path) < 0)
        error = -errno;
    if (error) {
        unlink(path);
        return error;
    }
    fsync(lock->folder); /* where a file system cannot, the rename is as safe as it gets there */
    return 0;
}

void vmti_baseline_unlock(struct vmti_baseline_lock *lock)
{
    if (lock->folder >= 0)
        close(lock->folder);
    lock->folder = -1;
}
