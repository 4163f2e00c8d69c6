/* SPDX-License-Identifier: MIT */
/* Each call of the table that has to do with files and sockets, with good arguments that do no harm. */
#ifndef VMTI_TESTS_RECIPES_FILES_H
#define VMTI_TESTS_RECIPES_FILES_H

#include "calls.h"

/* Processors that came to Linux late have none of the calls that newer ones replace
 * (include/uapi/asm-generic/unistd.h). */
#ifdef SYS_open
#define HAS_OLD_CALLS
#endif

/* ------------------------------------------------------------------------------------------- files */

static void rewind_folder(void)
{
    lseek(folder_fd, 0, SEEK_SET);
}

static void reading_and_writing(void **state)
{
    (void)state;
    struct iovec iov[2] = {{buf, 30}, {buf2, 40}};
    JUDGE(SYS_read, N(zero), P(buf, 100), N(100));
    JUDGE(SYS_write, N(other_file), P(buf, 100), N(100));
    JUDGE(SYS_pread64, N(file), P(buf, 100), N(100), N(0));
    JUDGE(SYS_pwrite64, N(other_file), P(buf, 100), N(100), N(0));
    JUDGE(SYS_getrandom, P(buf, 100), N(100), N(0));
    static const long reads[] = {SYS_readv, SYS_preadv, SYS_preadv2},
                      writes[] = {SYS_writev, SYS_pwritev, SYS_pwritev2};
    for (unsigned i = 0; i < 3; i++) {
        SET(reads[i], N(file), P(iov, sizeof iov), N(2), N(0), N(0), N(0));
        field(&iov[0].iov_base, 30);
        field(&iov[1].iov_base, 40);
        judge();
        SET(writes[i], N(other_file), P(iov, sizeof iov), N(2), N(0), N(0), N(0));
        field(&iov[0].iov_base, 30);
        field(&iov[1].iov_base, 40);
        judge();
    }
    uint64_t off = 0, off2 = 0;
    JUDGE(SYS_sendfile, N(other_file), N(file), P(&off, 8), N(10));
    JUDGE(SYS_splice, N(file), P(&off, 8), N(pipe_in), N(0), N(10), N(0));
    JUDGE(SYS_copy_file_range, N(file), P(&off, 8), N(file), P(&off2, 8), N(0), N(0));
    SET(SYS_vmsplice, N(pipe_in), P(iov, sizeof iov[0]), N(1), N(SPLICE_F_NONBLOCK));
    field(&iov[0].iov_base, 30);
    judge();
    static const long listings[] = {
        SYS_getdents64,
#ifdef HAS_OLD_CALLS
        SYS_getdents,
#endif
    };
    for (unsigned i = 0; i < sizeof listings / sizeof listings[0]; i++) {
        SET(listings[i], N(folder_fd), P(buf, 1000), N(1000));
        the.prepare = rewind_folder;
        the.loose = true; /* what aligns an entry is not written */
        judge();
    }
#ifdef HAS_OLD_CALLS
    JUDGE(SYS_pipe, P(buf, 8));
#endif
    JUDGE(SYS_pipe2, P(buf, 8), N(O_CLOEXEC));
    verdict();
}

static void paths(void **state)
{
    (void)state;
    static const long path_first[] = {
        SYS_chdir,  SYS_truncate, SYS_chroot, SYS_acct,   SYS_umount2, SYS_swapon, SYS_swapoff,
#ifdef HAS_OLD_CALLS
        SYS_open,   SYS_access,   SYS_rmdir,  SYS_creat,  SYS_unlink,  SYS_chmod,  SYS_chown,
        SYS_lchown, SYS_mknod,    SYS_mkdir,  SYS_uselib,
#endif
    };
    for (unsigned i = 0; i < sizeof path_first / sizeof path_first[0]; i++)
        JUDGE(path_first[i], S(nowhere), N(0), N(0), N(0));
    static const long path_second[] = {
        SYS_openat,    SYS_mkdirat,          SYS_mknodat,         SYS_fchownat,        SYS_unlinkat, SYS_fchmodat,
        SYS_faccessat, 439 /* faccessat2 */, 452 /* fchmodat2 */, 428 /* open_tree */, 433 /* fspick */};
    for (unsigned i = 0; i < sizeof path_second / sizeof path_second[0]; i++)
        JUDGE(path_second[i], N(AT_FDCWD), S(nowhere), N(0), N(0));
#ifdef HAS_OLD_CALLS
    static const long two_paths[] = {SYS_rename, SYS_link, SYS_symlink};
    for (unsigned i = 0; i < sizeof two_paths / sizeof two_paths[0]; i++)
        JUDGE(two_paths[i], S(file_name), S(nowhere));
    JUDGE(SYS_readlink, S(link_name), P(buf, 100), N(100));
    JUDGE(SYS_sysfs, N(1), S("tmpfs"));
    JUDGE_LOOSELY(SYS_sysfs, N(2), N(0), P(buf, 64));
#endif
    static const long two_paths_at[] = {SYS_renameat, SYS_linkat, SYS_renameat2};
    for (unsigned i = 0; i < sizeof two_paths_at / sizeof two_paths_at[0]; i++)
        JUDGE(two_paths_at[i], N(AT_FDCWD), S(file_name), N(AT_FDCWD), S(nowhere), N(0));
    JUDGE(SYS_pivot_root, S("/"), S(nowhere));
    /* move_mount: which path is looked up first differs from kernel to kernel, so both lead somewhere. */
    JUDGE(429, N(AT_FDCWD), S(file_name), N(AT_FDCWD), S("/"), N(0));
    JUDGE(SYS_mq_unlink, S("vmt-oracle-none"));
    JUDGE(SYS_symlinkat, S("target"), N(AT_FDCWD), S(nowhere));
    JUDGE(SYS_readlinkat, N(AT_FDCWD), S(link_name), P(buf, 100), N(100));
    JUDGE(SYS_getcwd, P(buf, 200), N(200));
    JUDGE(SYS_memfd_create, S("name"), N(0));
    JUDGE(SYS_inotify_add_watch, N(watch), S(file_name), N(IN_OPEN));
    JUDGE_LOOSELY(SYS_mount, S("source"), S(nowhere), S("nofs"), N(0), P(buf, PAGE)); /* a byte would do */
    JUDGE(430, S("nofs"), N(0));                                                      /* fsopen */
    struct open_how how = {0};
    JUDGE(437, N(AT_FDCWD), S(file_name), P(&how, sizeof how), N(sizeof how)); /* openat2 */
    verdict();
}

static void status_of_files(void **state)
{
    (void)state;
    struct timespec specs[2] = {{1, 1}, {1, 1}};
#ifdef HAS_OLD_CALLS
    struct stat st;
    assert_int_equal(stat(file_name, &st), 0);
    JUDGE(SYS_stat, S(file_name), P(buf, 200));
    JUDGE(SYS_lstat, S(file_name), P(buf, 200));
    JUDGE(SYS_ustat, N(st.st_dev), P(buf, 32));
    struct utimbuf times = {1, 1};
    JUDGE(SYS_utime, S(file_name), P(&times, sizeof times));
    JUDGE(SYS_utimes, S(file_name), P(specs, sizeof specs));
    JUDGE(SYS_futimesat, N(AT_FDCWD), S(file_name), P(specs, sizeof specs));
#endif
    JUDGE(SYS_fstat, N(file), P(buf, 200));
    JUDGE(SYS_newfstatat, N(AT_FDCWD), S(file_name), P(buf, 200), N(0));
    JUDGE(SYS_statx, N(AT_FDCWD), S(file_name), N(0), N(STATX_BASIC_STATS), P(buf, 256));
    JUDGE(SYS_statfs, S(file_name), P(buf, 200));
    JUDGE(SYS_fstatfs, N(file), P(buf, 200));
    JUDGE(SYS_utimensat, N(AT_FDCWD), S(file_name), P(specs, sizeof specs), N(0));
    uint64_t range[2] = {0, PAGE};
    JUDGE(451, N(file), P(range, 16), P(buf, 40), N(0)); /* cachestat */
    struct flock lock = {.l_type = F_RDLCK};
    JUDGE(SYS_fcntl, N(file), N(F_GETLK), P(&lock, sizeof lock));
    JUDGE(SYS_fcntl, N(file), N(F_SETLK), P(&lock, sizeof lock));
    JUDGE(SYS_fcntl, N(file), N(F_OFD_SETLK), P(&lock, sizeof lock));
    JUDGE(SYS_fcntl, N(pipe_in), N(16), P(buf, 8));   /* F_GETOWN_EX */
    JUDGE(SYS_fcntl, N(pipe_in), N(17), P(buf, 8));   /* F_GETOWNER_UIDS */
    JUDGE(SYS_fcntl, N(file), N(1035), P(buf, 8));    /* F_GET_RW_HINT */
    JUDGE(SYS_fcntl, N(file), N(F_GETFL), P(buf, 8)); /* a number */
    uint32_t handle[40] = {100};
    JUDGE_LOOSELY(SYS_name_to_handle_at, N(AT_FDCWD), S(file_name), P(handle, 108), P(buf, 4), N(0));
    handle[0] = 12;
    handle[1] = 77;
    JUDGE(SYS_open_by_handle_at, N(folder_fd), P(handle, 20), N(O_RDONLY));
    uint64_t mount_attr[4] = {1 /* MOUNT_ATTR_RDONLY */};
    JUDGE(442, N(AT_FDCWD), S(nowhere), N(0), P(mount_attr, 32), N(32)); /* mount_setattr */
    mount_attr[0] = 0;
    JUDGE(467, N(AT_FDCWD), S("/"), N(1), P(mount_attr, 32), N(32));             /* open_tree_attr */
    JUDGE(468, N(AT_FDCWD), S(file_name), P(buf, 24), N(24), N(0));              /* file_getattr */
    JUDGE_LOOSELY(469, N(AT_FDCWD), S(nowhere), P(mount_attr, 24), N(24), N(0)); /* file_setattr */
    uint64_t request[4] = {24, 0xffffffff80000000u + 1};
    JUDGE_LOOSELY(457, P(request, 24), P(buf, 512), N(512), N(0));
    request[1] = UINT64_MAX;                           /* LSMT_ROOT */
    JUDGE(458, P(request, 24), P(buf, 8), N(1), N(0)); /* listmount */
    uint32_t listns[8] = {32};
    JUDGE(470, P(listns, 32), P(buf, 8), N(1), N(0));
    verdict();
}

static void extended_attributes(void **state)
{
    (void)state;
    static const char *const no_name = "user.vmt-none", *const name = "user.vmt";
    struct {
        uint64_t value;
        uint32_t size, flags;
    } args = {WORD(buf), 10, XATTR_REPLACE};
    /* Before Linux 6.13 the file is looked up before the name is read. */
    bool file_first = setxattr(nowhere, (char *)guard(), buf, 10, XATTR_REPLACE) < 0 && errno == ENOENT;
    const char *place = file_first ? file_name : nowhere;
    JUDGE(SYS_setxattr, S(place), S(no_name), P(buf, 10), N(10), N(XATTR_REPLACE));
    JUDGE(SYS_lsetxattr, S(place), S(no_name), P(buf, 10), N(10), N(XATTR_REPLACE));
    if (has_attribute)
        JUDGE(SYS_fsetxattr, N(file), S(no_name), P(buf, 10), N(10), N(XATTR_REPLACE));
    SET(463, N(AT_FDCWD), S(nowhere), N(0), S(no_name), P(&args, 16), N(16));
    field(&args.value, 10);
    judge();
    JUDGE(SYS_removexattr, S(place), S(no_name));
    JUDGE(SYS_lremovexattr, S(place), S(no_name));
    JUDGE(SYS_fremovexattr, N(file), S(no_name));
    JUDGE(466, N(AT_FDCWD), S(nowhere), N(0), S(no_name));
    covered[SYS_fsetxattr] = true;
    JUDGE(SYS_getxattr, S(place), S(name), N(0), N(0));
    JUDGE(SYS_lgetxattr, S(place), S(name), N(0), N(0));
    JUDGE(SYS_fgetxattr, N(file), S(has_attribute ? name : no_name), P(buf, 10), N(10));
    JUDGE(SYS_listxattr, S(file_name), P(buf, 1000), N(1000));
    JUDGE(SYS_llistxattr, S(file_name), P(buf, 1000), N(1000));
    JUDGE(SYS_flistxattr, N(file), P(buf, 1000), N(1000));
    JUDGE(465, N(AT_FDCWD), S(file_name), N(0), P(buf, 1000), N(1000));
    args.size = 100;
    args.flags = 0;
    SET(464, N(AT_FDCWD), S(file_name), N(0), S(name), P(&args, 16), N(16));
    if (has_attribute)
        field(&args.value, 100);
    judge();
    verdict();
}

static void device_commands(void **state)
{
    (void)state;
    struct termios termios;
    int yes = 1;
    JUDGE(SYS_ioctl, N(full_pipe), N(FIONREAD), P(buf, 4));
    JUDGE(SYS_ioctl, N(full_pipe), N(FIONBIO), P(&yes, 4));
    JUDGE(SYS_ioctl, N(datagram), N(FIOASYNC), P(&yes, 4));
    JUDGE(SYS_ioctl, N(file), N(FIOQSIZE), P(buf, 8));
    JUDGE(SYS_ioctl, N(file), N(FIGETBSZ), P(buf, 4));
    JUDGE(SYS_ioctl, N(file), N(FS_IOC_GETFLAGS), P(buf, 4));
    JUDGE(SYS_ioctl, N(file), N(FIOCLEX), P(buf, 4));
    if (terminal >= 0 && ioctl(terminal, TCGETS, &termios) == 0) {
        unsigned char raw[64];
        vmti_syscall6(SYS_ioctl, (uint64_t)terminal, TCGETS, WORD(raw), 0, 0, 0);
        JUDGE(SYS_ioctl, N(terminal), N(TCGETS), P(buf, 64));
        JUDGE(SYS_ioctl, N(terminal), N(TCSETS), P(raw, 64));
        JUDGE(SYS_ioctl, N(terminal), N(TCGETA), P(buf, 64));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCGWINSZ), P(buf, 8));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCSWINSZ), P(buf, 8));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCOUTQ), P(buf, 4));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCGPTN), P(buf, 4));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCSPTLCK), P(&yes, 4));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCPKT), P(&yes, 4));
        JUDGE(SYS_ioctl, N(terminal), N(TIOCGETD), P(buf, 4));
        JUDGE(SYS_ioctl, N(terminal), N(TCFLSH), P(buf, 4));
        JUDGE(SYS_ioctl, N(terminal), N(0x802c542a /* TCGETS2 */), P(buf, 44));
    }
    struct ifreq lo = {.ifr_name = "lo"};
    JUDGE(SYS_ioctl, N(datagram), N(SIOCGIFFLAGS), P(&lo, sizeof lo));
    JUDGE(SYS_ioctl, N(datagram), N(SIOCGIFINDEX), P(&lo, sizeof lo));
    JUDGE(SYS_ioctl, N(datagram), N(SIOCGIFADDR), P(&lo, sizeof lo));
    struct {
        int len;
        uint64_t buf;
    } conf = {400, WORD(buf)};
    SET(SYS_ioctl, N(datagram), N(SIOCGIFCONF), P(&conf, sizeof conf));
    field(&conf.buf, 400);
    judge();
    struct file_clone_range clone = {.src_fd = -1};
    JUDGE(SYS_ioctl, N(file), N(FICLONERANGE), P(&clone, sizeof clone));
    struct file_dedupe_range dedupe = {.dest_count = 0};
    JUDGE_LOOSELY(SYS_ioctl, N(file), N(FIDEDUPERANGE), P(&dedupe, sizeof dedupe));
    verdict();
}

/* ------------------------------------------------------------------------------------------- sockets */

static void connect_someone(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    connect(s, (struct sockaddr *)&listener_address, sizeof listener_address);
}

static void accept_the_rest(void)
{
    fcntl(listener, F_SETFL, O_NONBLOCK);
    while (accept(listener, NULL, NULL) >= 0)
        ;
    fcntl(listener, F_SETFL, 0);
}

static void connect_one(void)
{
    accept_the_rest();
    connect_someone();
}

static void send_two(void)
{
    while (recv(datagram, buf2, 1, MSG_DONTWAIT) >= 0)
        ;
    for (int i = 0; i < 2; i++)
        sendto(datagram, "0123456789012345678901234567890123456789", 40, 0, (struct sockaddr *)&datagram_address,
               sizeof datagram_address);
}

static void sockets(void **state)
{
    (void)state;
    socklen_t len = sizeof(struct sockaddr_in);
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/vmt/oracle"};
    int local = socket(AF_UNIX, SOCK_STREAM, 0), number = 4096;
    JUDGE(SYS_connect, N(local), P(&un, sizeof un), N(sizeof un));
    JUDGE(SYS_bind, N(local), P(&un, sizeof un), N(sizeof un));
    JUDGE_PREPARED(connect_one, SYS_accept, N(listener), P(buf, 16), P(&len, 4));
    JUDGE_PREPARED(connect_one, SYS_accept, N(listener), N(0), P(&len, 4));
    JUDGE_PREPARED(connect_one, SYS_accept4, N(listener), P(buf, 16), P(&len, 4), N(0));
    JUDGE(SYS_getsockname, N(datagram), P(buf, 16), P(&len, 4));
    JUDGE(SYS_getpeername, N(client), P(buf, 16), P(&len, 4));
    JUDGE(SYS_socketpair, N(AF_UNIX), N(SOCK_STREAM), N(0), P(buf, 8));
    JUDGE(SYS_setsockopt, N(datagram), N(SOL_SOCKET), N(SO_RCVBUF), P(&number, 4), N(4));
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, 0xffff);
    struct sock_fprog prog = {1, &allow};
    SET(SYS_setsockopt, N(local), N(SOL_SOCKET), N(SO_ATTACH_FILTER), P(&prog, sizeof prog), N(sizeof prog));
    field(&prog.filter, sizeof allow);
    judge();
    socklen_t four = 4;
    JUDGE(SYS_getsockopt, N(datagram), N(SOL_SOCKET), N(SO_TYPE), P(buf, 4), P(&four, 4));
    socklen_t hundred = 100;
    JUDGE(SYS_getsockopt, N(datagram), N(SOL_SOCKET), N(SO_TYPE), P(buf, 100), P(&hundred, 4));

    JUDGE(SYS_sendto, N(datagram), P(buf, 40), N(40), N(0), P(&datagram_address, 16), N(16));
    JUDGE_PREPARED(send_two, SYS_recvfrom, N(datagram), P(buf, 100), N(100), N(0), P(buf2, 16), P(&len, 4));
    JUDGE_PREPARED(send_two, SYS_recvfrom, N(datagram), P(buf, 100), N(100), N(0), N(0), P(&len, 4));
    struct iovec iov[2] = {{buf, 10}, {buf + 100, 20}};
    struct msghdr msg = {&datagram_address, 16, iov, 2, NULL, 0, 0};
    SET(SYS_sendmsg, N(datagram), P(&msg, sizeof msg), N(0));
    field(&msg.msg_name, 16);
    field(&msg.msg_iov, sizeof iov);
    field(&iov[0].iov_base, 10);
    field(&iov[1].iov_base, 20);
    judge();
    msg.msg_name = buf2;
    SET(SYS_recvmsg, N(datagram), P(&msg, sizeof msg), N(0));
    the.prepare = send_two;
    field(&msg.msg_name, 16);
    field(&msg.msg_iov, sizeof iov);
    field(&iov[0].iov_base, 10);
    field(&iov[1].iov_base, 20);
    judge();
    struct mmsghdr vec[3] = {{.msg_hdr = {buf2, 16, iov, 2, NULL, 0, 0}}};
    vec[1] = vec[2] = vec[0];
    SET(SYS_recvmmsg, N(datagram), P(vec, sizeof vec), N(3), N(MSG_DONTWAIT), N(0));
    the.prepare = send_two;
    the.loose = true; /* an error at a later message is kept for the next call */
    field(&vec[0].msg_hdr.msg_name, 16);
    field(&vec[0].msg_hdr.msg_iov, sizeof iov);
    judge();
    for (int i = 0; i < 3; i++)
        vec[i].msg_hdr.msg_name = &datagram_address;
    SET(SYS_sendmmsg, N(datagram), P(vec, sizeof vec), N(3), N(0));
    the.loose = true;
    field(&vec[0].msg_hdr.msg_name, 16);
    field(&vec[2].msg_hdr.msg_name, 16);
    judge();
    close(local);
    accept_the_rest();
    verdict();
}

#define RECIPES_FILES                                                                                                  \
    cmocka_unit_test(reading_and_writing), cmocka_unit_test(paths), cmocka_unit_test(status_of_files),                 \
        cmocka_unit_test(extended_attributes), cmocka_unit_test(device_commands), cmocka_unit_test(sockets)

#endif
