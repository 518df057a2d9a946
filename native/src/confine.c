/* Locks a process that holds raw pixels and sound: Landlock, seccomp and process limits.
 *
 * hv_confine_capture is for the process that holds the camera: it may use cameras, what makes
 * sound and the network, but writes no file and runs no program.
 *
 * For what clears, two steps. hv_confine_begin runs first in the process, before there is a second thread:
 * from then on it can read files, but write, make, remove and run none, has no network and
 * touches no other process. hv_confine_lock comes when inputs and models are open, for all threads at once:
 * from then on nothing can be opened either, and a system call that is not on the list
 * fails. Calls by which something could leave are also recorded in the status page, which
 * the other process reads.
 *
 * Facts: landlock(7), seccomp(2), linux/landlock.h, linux/seccomp.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "homeveil.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#else
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* Landlock's interface, by number: headers of the machine that builds may be older than
 * the kernel that runs. */
enum { LL_CREATE = 444, LL_ADD = 445, LL_RESTRICT = 446, LL_PATH_BENEATH = 1 };
enum { LL_WRITE_FILE = 1 << 1, LL_READ_FILE = 1 << 2, LL_READ_DIR = 1 << 3 };
enum { LL_REFER = 1 << 13, LL_TRUNCATE = 1 << 14, LL_IOCTL_DEV = 1 << 15 };
#define LL_FIRST_RIGHTS ((1u << 13) - 1)
#define LL_NET_BOTH 3u
#define LL_SCOPE_BOTH 3u

typedef struct {
    uint64_t fs, net, scoped;
} ruleset_attr;

typedef struct {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed)) path_attr;

int hv_landlock_abi(void) {
    long abi = syscall(LL_CREATE, NULL, 0, 1u);
    return abi < 0 ? 0 : (int)abi;
}

int hv_seccomp_ready(void) {
    uint32_t action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* Majors of the kernel's list of devices (Documentation/admin-guide/devices.txt). */
enum { OSS_MAJOR = 14, V4L_MAJOR = 81, ALSA_MAJOR = 116 };

/* Of ``/dev`` the cameras and what makes sound, and no more: memory that others share and the
 * terminals of others lie there too. */
static int allow_devices(int rules, uint64_t allowed) {
    DIR *all = opendir("/dev");
    if (!all) return 0;
    int failed = 0;
    for (struct dirent *one; !failed && (one = readdir(all));) {
        struct stat is;
        int handle = openat(dirfd(all), one->d_name, O_PATH | O_CLOEXEC);
        if (handle < 0) continue;
        int known = fstat(handle, &is) == 0;
        int kind = known && S_ISCHR(is.st_mode) ? (int)major(is.st_rdev) : 0;
        int sounds = known && S_ISDIR(is.st_mode) && strcmp(one->d_name, "snd") == 0;
        if (sounds || kind == V4L_MAJOR || kind == ALSA_MAJOR || kind == OSS_MAJOR) {
            path_attr device = {allowed, handle};
            if (syscall(LL_ADD, rules, LL_PATH_BENEATH, &device, 0u)) failed = -errno;
        }
        close(handle);
    }
    closedir(all);
    return failed;
}

/* Reading stays allowed, also of what is installed in places not known here; of writing
 * only the null device. A process that captures may use its devices and the network too. */
static int landlock(int abi, int captures) {
    ruleset_attr attr = {LL_FIRST_RIGHTS & ~(uint32_t)(LL_READ_FILE | LL_READ_DIR), 0, 0};
    if (abi >= 2) attr.fs |= LL_REFER;
    if (abi >= 3) attr.fs |= LL_TRUNCATE;
    if (abi >= 4 && !captures) attr.net = LL_NET_BOTH;
    if (abi >= 5) attr.fs |= LL_IOCTL_DEV;
    if (abi >= 6 && !captures) attr.scoped = LL_SCOPE_BOTH;
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    int rules = (int)syscall(LL_CREATE, &attr, size, 0u);
    if (rules < 0) return -errno;
    path_attr null = {LL_WRITE_FILE, open("/dev/null", O_PATH | O_CLOEXEC)};
    int failed = captures ? allow_devices(rules, LL_WRITE_FILE | (attr.fs & LL_IOCTL_DEV)) : 0;
    if (null.parent >= 0) {
        if (!failed && syscall(LL_ADD, rules, LL_PATH_BENEATH, &null, 0u)) failed = -errno;
        close(null.parent);
    }
    if (!failed && syscall(LL_RESTRICT, rules, 0u)) failed = -errno;
    close(rules);
    return failed;
}

static int limit(int which, rlim_t value) {
    struct rlimit both = {value, value};
    return setrlimit(which, &both) ? -errno : 0;
}

static void no_mappings_in_dumps(void) {
    int file = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    if (write(file, "0", 1) != 1) { /* the limit of no core stands anyway */
    }
    close(file);
}

static volatile uint32_t *denials;

#if defined(__x86_64__)
#define PASSED(state, i) (state)->uc_mcontext.gregs[(const int[]){REG_RDI, REG_RSI, REG_RDX}[i]]
#define GIVEN(state) (state)->uc_mcontext.gregs[REG_RAX]
#else
#define PASSED(state, i) (state)->uc_mcontext.regs[i]
#define GIVEN(state) (state)->uc_mcontext.regs[0]
#endif

/* newfstatat with AT_EMPTY_PATH: the C library's fstat has no path, which a filter cannot see. A
 * path would name any file, and reach the servers of those that lie elsewhere. */
static int state_of_open(const ucontext_t *call) {
    const char *path = (const char *)PASSED(call, 1);
    if (path && *path) return -EACCES;
    const int kept = errno;
    const int result = syscall(SYS_fstat, PASSED(call, 0), PASSED(call, 2)) ? -errno : 0;
    errno = kept;
    return result;
}

/* Runs in the thread that asked; the call itself was not made and fails with EPERM. */
static void on_denied(int number, siginfo_t *info, void *context) {
    (void)number;
    ucontext_t *state = context;
    if (info->si_syscall == SYS_newfstatat) {
        GIVEN(state) = state_of_open(state);
        return;
    }
    if (denials) {
        uint32_t at = __atomic_fetch_add(&denials[0], 1u, __ATOMIC_SEQ_CST);
        denials[1 + at % HV_DENIALS_KEPT] = (uint32_t)info->si_syscall;
    }
    GIVEN(state) = -EPERM;
}

/* The filter is a list of steps, each complete in itself, tried from the top. */
typedef struct {
    struct sock_filter code[HV_FILTER_MOST];
    unsigned short n;
    int full;
} program;

static void put(program *p, unsigned short code, uint32_t k, uint8_t jt, uint8_t jf) {
    if (p->n >= HV_FILTER_MOST) {
        p->full = 1;
        return;
    }
    struct sock_filter one = {code, jt, jf, k};
    p->code[p->n++] = one;
}

enum { LOAD = BPF_LD | BPF_W | BPF_ABS, EQUAL = BPF_JMP | BPF_JEQ | BPF_K };
enum { BITS = BPF_JMP | BPF_JSET | BPF_K, RETURN = BPF_RET | BPF_K };
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT(i) (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i))

static const uint32_t ALLOW = SECCOMP_RET_ALLOW, RECORD = SECCOMP_RET_TRAP;
static const uint32_t REFUSE = SECCOMP_RET_ERRNO | EPERM, ABSENT = SECCOMP_RET_ERRNO | ENOSYS;
static const uint32_t UNREADABLE = SECCOMP_RET_ERRNO | EACCES;

/* The accumulator holds the system call's number between steps. */
static void always(program *p, uint32_t number, uint32_t action) {
    put(p, EQUAL, number, 0, 1);
    put(p, RETURN, action, 0, 0);
}

/* ``yes`` if any of ``bits`` is set in the low half of an argument, else ``no``. */
static void by_bits(program *p, uint32_t number, int argument, uint32_t bits, uint32_t yes,
                    uint32_t no) {
    put(p, EQUAL, number, 0, 4);
    put(p, LOAD, ARGUMENT(argument), 0, 0);
    put(p, BITS, bits, 0, 1);
    put(p, RETURN, yes, 0, 0);
    put(p, RETURN, no, 0, 0);
}

/* Allowed for these values of an argument alone (its low half; all are small and signed). */
static void by_value(program *p, uint32_t number, int argument, const uint32_t *values,
                     int count, uint32_t otherwise) {
    put(p, EQUAL, number, 0, (uint8_t)(2 + 2 * count));
    put(p, LOAD, ARGUMENT(argument), 0, 0);
    for (int i = 0; i < count; i++) {
        put(p, EQUAL, values[i], 0, 1);
        put(p, RETURN, ALLOW, 0, 0);
    }
    put(p, RETURN, otherwise, 0, 0);
}

/* Refused for these values of an argument alone, and without a record. */
static void but_value(program *p, uint32_t number, int argument, const uint32_t *values,
                      int count) {
    put(p, EQUAL, number, 0, (uint8_t)(2 + 2 * count));
    put(p, LOAD, ARGUMENT(argument), 0, 0);
    for (int i = 0; i < count; i++) {
        put(p, EQUAL, values[i], 0, 1);
        put(p, RETURN, REFUSE, 0, 0);
    }
    put(p, RETURN, ALLOW, 0, 0);
}

/* Refused where a file opened to be read would be emptied, which Landlock sees from 6.2 on only. */
static void not_emptied(program *p, uint32_t number, int flags) {
    put(p, EQUAL, number, 0, 5);
    put(p, LOAD, ARGUMENT(flags), 0, 0);
    put(p, BITS, O_TRUNC, 0, 2);
    put(p, BITS, O_WRONLY | O_RDWR, 1, 0);
    put(p, RETURN, REFUSE, 0, 0);
    put(p, RETURN, ALLOW, 0, 0);
}

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static const uint32_t PLAIN[] = {
    SYS_read, SYS_readv, SYS_pread64, SYS_lseek, SYS_close, SYS_fstat, SYS_munmap, SYS_mremap,
    SYS_brk, SYS_futex, SYS_set_robust_list, SYS_exit, SYS_exit_group, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
    SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sigaltstack, SYS_ppoll, SYS_pselect6, SYS_getpid, SYS_gettid, SYS_getppid,
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_sysinfo, SYS_uname, SYS_membarrier,
    SYS_getcpu, SYS_getrusage, SYS_times, SYS_restart_syscall, SYS_rseq, SYS_madvise,
    SYS_mincore, SYS_set_tid_address, SYS_getitimer, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_fadvise64, SYS_rt_sigaction,
#if defined(__x86_64__)
    SYS_poll, SYS_select, SYS_time, SYS_arch_prctl,
#endif
};

/* No network, no other process and no memory that others share, from the first moment on. */
static const uint32_t NEVER[] = {
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
    SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvmsg, SYS_execve, SYS_execveat, SYS_ptrace,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_kill, SYS_tkill, SYS_pidfd_open,
    SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_memfd_create, SYS_shmget, SYS_shmat, SYS_shmctl, SYS_msgget, SYS_msgsnd, SYS_msgrcv,
    SYS_msgctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl, SYS_mq_open, SYS_mq_unlink,
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns,
    SYS_io_uring_setup, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_userfaultfd,
    SYS_perf_event_open, SYS_setuid, SYS_setresuid, SYS_capset, SYS_init_module,
    SYS_finit_module, SYS_open_by_handle_at, SYS_process_madvise, SYS_kcmp, SYS_splice, SYS_tee,
    SYS_vmsplice, SYS_setpriority, SYS_sethostname, SYS_setdomainname, SYS_settimeofday,
    SYS_clock_settime, SYS_reboot, SYS_swapon, SYS_acct,
#if defined(__x86_64__)
    SYS_fork, SYS_vfork,
#endif
};

/* Nor what is said about a file: Landlock guards contents and names, but an attribute, an owner,
 * a mode or a time holds bytes too. The calls by number are newer than some headers. */
enum { FCHMODAT2 = 452, SETXATTRAT = 463, REMOVEXATTRAT = 466, FILE_SETATTR = 469 };
static const uint32_t ABOUT_FILES[] = {
    SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr,
    SYS_fremovexattr, SETXATTRAT, REMOVEXATTRAT, FILE_SETATTR, SYS_fchmod, SYS_fchmodat,
    FCHMODAT2, SYS_fchown, SYS_fchownat, SYS_utimensat,
#if defined(__x86_64__)
    SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

/* Nor, once locked in, any file or descriptor. */
static const uint32_t NO_MORE[] = {
    SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_unlinkat, SYS_renameat2, SYS_linkat,
    SYS_symlinkat, SYS_mkdirat, SYS_mknodat, SYS_seccomp, SYS_sendfile, SYS_copy_file_range,
    SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_dup3, SYS_personality, SYS_openat2,
    SYS_name_to_handle_at,
#if defined(__x86_64__)
    SYS_creat, SYS_unlink, SYS_rename, SYS_renameat, SYS_link, SYS_symlink, SYS_mkdir, SYS_mknod,
    SYS_dup2,
#endif
};

static void head(program *p) {
    p->n = 0;
    p->full = 0;
    put(p, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
    put(p, EQUAL, THIS_ARCH, 1, 0);
    put(p, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
    put(p, LOAD, NUMBER, 0, 0);
#if defined(__x86_64__)
    /* The x32 interface has numbers of its own, with this bit. */
    put(p, BITS, 0x40000000u, 0, 1);
    put(p, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
#endif
}

/* Nor, before that, where or how soon another process runs, or whether it waits for a lock;
 * afterwards they are on no list. */
static const uint32_t OTHERS_TURNS[] = {
    SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr,
    SYS_ioprio_set, SYS_move_pages, SYS_migrate_pages, SYS_flock,
};

/* What was given up stays given up; and everybody may read the name of a process. */
static const uint32_t GIVEN_UP[] = {PR_SET_DUMPABLE, PR_SET_PTRACER, PR_SET_PDEATHSIG, PR_SET_NAME};
/* What asks after a descriptor, or changes what it is to this process alone. All else types into
 * terminals, changes what is said about a file (its flags, its version), locks it, or has the
 * kernel send signals to another process, which Landlock keeps in from 6.12 on only. */
static const uint32_t OWN_IOCTL[] = {
    0x5401 /* TCGETS */, 0x802C542A /* TCGETS2 */, 0x5413 /* TIOCGWINSZ */, 0x541B /* FIONREAD */,
    0x5421 /* FIONBIO */, 0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */,
};
static const uint32_t OWN_FCNTL[] = {
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETPIPE_SZ, F_GETPIPE_SZ,
    F_GET_SEALS,
};

static void build_first(program *p) {
    const uint32_t own[] = {(uint32_t)getpid()}, this_process[] = {0};
    head(p);
    for (int i = 0; i < COUNT(NEVER); i++) always(p, NEVER[i], REFUSE);
    for (int i = 0; i < COUNT(ABOUT_FILES); i++)
        always(p, ABOUT_FILES[i], REFUSE);
    for (int i = 0; i < COUNT(OTHERS_TURNS); i++)
        always(p, OTHERS_TURNS[i], REFUSE);
    by_value(p, SYS_tgkill, 0, own, 1, REFUSE);
    by_value(p, SYS_prlimit64, 0, this_process, 1, REFUSE);
    but_value(p, SYS_prctl, 0, GIVEN_UP, COUNT(GIVEN_UP));
    by_value(p, SYS_ioctl, 1, OWN_IOCTL, COUNT(OWN_IOCTL), REFUSE);
    by_value(p, SYS_fcntl, 1, OWN_FCNTL, COUNT(OWN_FCNTL), REFUSE);
    by_bits(p, SYS_clone, 0, CLONE_THREAD, ALLOW, REFUSE);
    always(p, SYS_clone3, ABSENT); /* its flags cannot be seen: the C library then uses clone */
    always(p, SYS_truncate, REFUSE);
    not_emptied(p, SYS_openat, 2);
#if defined(__x86_64__)
    not_emptied(p, SYS_open, 1);
#endif
    always(p, SYS_openat2, ABSENT); /* as clone3 */
    put(p, RETURN, ALLOW, 0, 0);
}

static void build_last(program *p, int messages) {
    const uint32_t out[] = {(uint32_t)messages, STDOUT_FILENO, STDERR_FILENO};
    const uint32_t own[] = {(uint32_t)getpid()};
    const uint32_t names[] = {PR_SET_NAME, PR_SET_VMA};
    const uint32_t harmless[] = {F_GETFD, F_GETFL};
    head(p);
    for (int i = 0; i < COUNT(PLAIN); i++) always(p, PLAIN[i], ALLOW);
    by_value(p, SYS_write, 0, out, 3, RECORD);
    by_value(p, SYS_writev, 0, out, 3, RECORD);
    by_value(p, SYS_tgkill, 0, own, 1, RECORD);
    by_value(p, SYS_prctl, 0, names, 2, RECORD); /* a name fails in the first filter, silently */
    by_value(p, SYS_fcntl, 1, harmless, 2, REFUSE);
    by_bits(p, SYS_mmap, 2, PROT_EXEC, RECORD, ALLOW);
    by_bits(p, SYS_mprotect, 2, PROT_EXEC, RECORD, ALLOW);
    by_bits(p, SYS_clone, 0, CLONE_THREAD, ALLOW, RECORD);
    always(p, SYS_clone3, ABSENT);
    /* What is opened to be read is refused without a record: libraries do that by the way. */
    by_bits(p, SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, RECORD, UNREADABLE);
#if defined(__x86_64__)
    by_bits(p, SYS_open, 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, RECORD, UNREADABLE);
#endif
    by_bits(p, SYS_newfstatat, 3, AT_EMPTY_PATH, RECORD, UNREADABLE); /* see on_denied */
    for (int i = 0; i < COUNT(NEVER); i++) always(p, NEVER[i], RECORD);
    for (int i = 0; i < COUNT(ABOUT_FILES); i++)
        always(p, ABOUT_FILES[i], RECORD);
    for (int i = 0; i < COUNT(NO_MORE); i++) always(p, NO_MORE[i], RECORD);
    put(p, RETURN, REFUSE, 0, 0);
}

static int install(const program *p, unsigned int flags) {
    if (p->full) return -E2BIG;
    struct sock_fprog filter = {p->n, (struct sock_filter *)p->code};
    long done = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    if (done < 0) return -errno;
    return done ? -EBUSY : 0; /* a thread's number: that one could not be brought along */
}

static program filter; /* too large for a stack; the steps run one after the other */

/* Dies with its parent, leaves no dump, gains nothing. */
static int bind_to(int32_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent) return -ESRCH;
    no_mappings_in_dumps();
    if (prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -errno;
    return limit(RLIMIT_CORE, 0) ? -EPERM : 0;
}

int hv_confine_capture(int32_t parent) {
    int failed = bind_to(parent);
    if (failed) return failed;
    int abi = hv_landlock_abi();
    if (abi == 0) return 0;
    return landlock(abi, 1) ? 0 : abi;
}

int hv_confine_begin(int32_t parent) {
    int unbound = bind_to(parent);
    if (unbound) return unbound;
    if (limit(RLIMIT_FSIZE, 0)) return -EPERM;
    if (hv_seccomp_ready()) {
        build_first(&filter);
        int failed = install(&filter, 0);
        if (failed) return failed;
    }
    int abi = hv_landlock_abi();
    if (abi == 0) return 0;
    return landlock(abi, 0) ? 0 : abi;
}

int hv_confine_lock(int32_t messages, uint32_t *status) {
    struct sigaction action;
    denials = status;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_denied;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    if (sigaction(SIGSYS, &action, NULL)) return -errno;
    build_last(&filter, messages);
    return install(&filter, SECCOMP_FILTER_FLAG_TSYNC);
}

#else

int hv_landlock_abi(void) { return 0; }
int hv_seccomp_ready(void) { return 0; }
int hv_confine_capture(int32_t parent) {
    (void)parent;
    return 0;
}
int hv_confine_begin(int32_t parent) {
    (void)parent;
    return -1;
}
int hv_confine_lock(int32_t messages, uint32_t *status) {
    (void)messages;
    (void)status;
    return -1;
}

#endif
