/*
 * sandbox: see sandbox.h.
 */
#include "scan/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "scan/landlock.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define PAGE 4096
#define FILES_WORKER 48 /* a level of the walk and one of libclamav for each archive in another, and some */
#define FILES 1024

/* Calls */

/* Of a worker, and of everybody. */
static const int calls[] = {
	/* files that are open, or in its own folder (Landlock) */
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(pwrite64), SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(close),
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(ftruncate), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(rename),
	SCMP_SYS(getdents64), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(dup), SCMP_SYS(umask),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* its socket, which it was forked with */
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
	/* itself */
	SCMP_SYS(futex), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getrandom), SCMP_SYS(sysinfo),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(setitimer), SCMP_SYS(exit), SCMP_SYS(exit_group),
};
#if SANITIZED
static const int calls_sanitizer[] = { SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield), SCMP_SYS(rt_sigaction), SCMP_SYS(prctl), SCMP_SYS(readlink),
	SCMP_SYS(getppid), SCMP_SYS(sched_getaffinity), SCMP_SYS(ioctl) };
#endif
/* Of a nursery besides. Its children need what makes their sandbox narrower. */
static const int calls_nursery[] = { SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(kill), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(pidfd_open), SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self), SCMP_SYS(getppid), SCMP_SYS(rt_sigaction), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sigaltstack),
	SCMP_SYS(prlimit64), SCMP_SYS(setrlimit), SCMP_SYS(getrlimit), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(getcwd), SCMP_SYS(readlink), SCMP_SYS(set_tid_address),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(tgkill), SCMP_SYS(flock), SCMP_SYS(ioctl) };
/* Of the master besides. */
static const int calls_master[] = { SCMP_SYS(socketpair), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(close_range), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch), SCMP_SYS(pidfd_send_signal) };

enum role { MASTER, NURSERY, WORKER };

/* For the handler, which may call next to nothing. */
static const char *role_name = "?";

static void
on_forbidden(int sig, siginfo_t *info, void *context)
{
	static const char before[] = "chancery-scan: forbidden system call ", by[] = " by the ";
	char line[96], *p = line;
	unsigned n = (unsigned)info->si_syscall, digits = 1;

	(void)sig;
	(void)context;
	for (const char *s = before; *s; s++)
		*p++ = *s;
	while (n / digits >= 10)
		digits *= 10;
	for (; digits; digits /= 10)
		*p++ = (char)('0' + n / digits % 10);
	for (const char *s = by; *s; s++)
		*p++ = *s;
	for (const char *s = role_name; *s; s++)
		*p++ = *s;
	*p++ = '\n';
	(void)!write(2, line, (size_t)(p - line));
	_exit(128 + SIGSYS);
}

static int
allow(scmp_filter_ctx ctx, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] >= 0 && seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 0) < 0)
			return -1;
	return 0;
}

#define COUNT(list) (sizeof(list) / sizeof(list[0]))

/* Memory is for data; of fcntl only what concerns descriptors; a signal only to itself (abort). */
static int
allow_some(scmp_filter_ctx ctx, enum role role)
{
	int rc = 0;

	rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sched_setaffinity), 1, SCMP_A0(SCMP_CMP_EQ, 0)); /* its own (room) */
	if (role == WORKER && !SANITIZED) {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	} else {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 0);
	}
	if (role == WORKER) {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFL));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFD));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_SETFD));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC));
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
		/* Its own time for each file. */
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A1(SCMP_CMP_EQ, RLIMIT_CPU));
		/* libclamav wants its temporary folders to be its own, which they are; this one is not done, as it could be any file. */
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(chmod), 0);
		/* libxml2 asks where it is when libclamav has it read the table of a xar, and does without an answer. */
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(getcwd), 0);
		/* Asked for a path of a descriptor, libclamav does without. */
		if (!SANITIZED)
			rc |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(readlink), 0);
	} else {
		rc |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 0);
	}
	return rc;
}

static int
filter(enum role role, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int rc;

	if (!ctx)
		return err_set(e, 0, "libseccomp cannot make a filter");
	rc = allow(ctx, calls, COUNT(calls)) || allow_some(ctx, role);
#if SANITIZED
	rc = rc || allow(ctx, calls_sanitizer, COUNT(calls_sanitizer));
#endif
	if (role != WORKER)
		rc = rc || allow(ctx, calls_nursery, COUNT(calls_nursery));
	if (role == MASTER)
		rc = rc || allow(ctx, calls_master, COUNT(calls_master));
	if (!rc) {
		rc = seccomp_load(ctx);
		errno = -rc;
	}
	if (rc)
		err_set(e, errno, "this kernel does not take a seccomp filter (%s); chancery-scan does not run without", strerror(errno));
	seccomp_release(ctx);
	return rc ? -1 : 0;
}

/* Limits of the system */

static int
limit(int resource, uint64_t n, struct err *e)
{
	struct rlimit now, r = { .rlim_cur = n, .rlim_max = n };

	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max != RLIM_INFINITY && now.rlim_max < n)
		return 0; /* it is narrower already */
	if (setrlimit((__rlimit_resource_t)resource, &r))
		return err_set(e, errno, "a limit of the system: %s", strerror(errno));
	return 0;
}

static bool
fits(uint64_t n, const struct rlimit *now)
{
	struct rlimit r = { .rlim_cur = n, .rlim_max = now->rlim_max };
	void *p;

	if (setrlimit(RLIMIT_AS, &r))
		return false;
	p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	munmap(p, PAGE);
	return true;
}

/* How much address space is in use: /proc is out of reach, but the limit at which nothing fits any more tells it. */
static uint64_t
in_use(void)
{
	uint64_t low = 0, high = (uint64_t)1 << 47;
	struct rlimit now;

	if (getrlimit(RLIMIT_AS, &now))
		return 0;
	while (high - low > PAGE) {
		uint64_t mid = low + (high - low) / 2;

		if (fits(mid, &now))
			high = mid;
		else
			low = mid;
	}
	(void)setrlimit(RLIMIT_AS, &now);
	return high;
}

static int
limit_memory(const struct scan_options *o, struct err *e)
{
	/* Sanitizers reserve terabytes of addresses. */
	return SANITIZED ? 0 : limit(RLIMIT_AS, in_use() + o->memory, e);
}

/* All together */

static int
take_signals(struct err *e)
{
	struct sigaction sa = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_NODEFER };

	if (sigaction(SIGSYS, &sa, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return err_set(e, errno, "signals: %s", strerror(errno));
	return 0;
}

static int
rules_of_server(const struct scan_options *o, struct err *e)
{
	static const char *const tables[] = { "/etc/magic", "/etc/magic.mgc", "/usr/share/misc/magic.mgc", "/usr/share/misc/magic",
		"/usr/share/file/magic.mgc", "/usr/lib/file/magic.mgc", "/usr/share/file/magic" };
	int rules = landlock_new(e), tmp = open(o->tmp, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (rules < 0)
		return -1;
	if (tmp < 0)
		rc = err_set(e, errno, "%s: %s", o->tmp, strerror(errno));
	rc = rc || landlock_writes(rules, tmp, e) || landlock_reads(rules, o->signatures, e);
	for (size_t i = 0; i < COUNT(tables) && !rc; i++)
		rc = landlock_reads(rules, tables[i], e);
	if (tmp >= 0)
		close(tmp);
	if (!rc)
		return landlock_enter(rules, e);
	close(rules);
	return -1;
}

int
sandbox_master(const struct scan_options *o, struct err *e)
{
	role_name = "master";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(e, errno, "no_new_privs: %s", strerror(errno));
	/* Nobody reads what it has in memory, neither by tracing nor from a core. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || take_signals(e) || limit(RLIMIT_CORE, 0, e) || limit(RLIMIT_NOFILE, FILES, e))
		return -1;
	return rules_of_server(o, e) || filter(MASTER, e) ? -1 : 0;
}

int
sandbox_nursery(const struct scan_options *o, struct err *e)
{
	(void)o;
	role_name = "nursery";
	return filter(NURSERY, e);
}

int
sandbox_worker(const struct scan_options *o, int tmp, struct err *e)
{
	int rules;

	role_name = "worker";
	if (limit(RLIMIT_NOFILE, FILES_WORKER, e) || limit(RLIMIT_FSIZE, scan_options_largest(o), e) || limit_memory(o, e))
		return -1;
	rules = landlock_new(e);
	if (rules < 0)
		return -1;
	if (landlock_writes(rules, tmp, e)) {
		close(rules);
		return -1;
	}
	return landlock_enter(rules, e) || filter(WORKER, e) ? -1 : 0;
}
