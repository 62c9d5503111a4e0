/*
 * landlock: see landlock.h and landlock(7).
 */
#include "scan/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
	uint64_t fs, net, scoped;
};

struct beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

enum {
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	WRITE_FILE = 1 << 1,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	REFER = 1 << 13,    /* version 2 */
	TRUNCATE = 1 << 14, /* 3 */
	ALL_1 = (1 << 13) - 1,
	IOCTL_DEV = 1 << 15, /* 5 */
	NET_ALL = 3,         /* 4: TCP, bind and connect */
	SCOPE_ALL = 3,       /* 6: abstract unix sockets, signals */
	RULE_BENEATH = 1,
};

static int
version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

int
landlock_new(struct err *e)
{
	struct ruleset r = { .fs = ALL_1 };
	int v = version(), fd;
	size_t size = sizeof(r.fs);

	if (v < 1)
		return err_set(e, errno, "this kernel has no Landlock (%s); chancery-scan does not run without", strerror(errno));
	if (v >= 2)
		r.fs |= REFER;
	if (v >= 3)
		r.fs |= TRUNCATE;
	if (v >= 5)
		r.fs |= IOCTL_DEV;
	if (v >= 4) {
		r.net = NET_ALL;
		size = 2 * sizeof(uint64_t);
	}
	if (v >= 6) {
		r.scoped = SCOPE_ALL;
		size = 3 * sizeof(uint64_t);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return err_set(e, errno, "Landlock: %s", strerror(errno));
	return fd;
}

static int
allow(int rules, int fd, uint64_t what, struct err *e)
{
	struct beneath b = { .allowed = what, .fd = fd };

	if (syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &b, 0))
		return err_set(e, errno, "Landlock: %s", strerror(errno));
	return 0;
}

int
landlock_reads(int rules, const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_CLOEXEC), rc;
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st)) {
		close(fd);
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	}
	rc = allow(rules, fd, S_ISDIR(st.st_mode) ? READ_FILE | READ_DIR : READ_FILE, e);
	close(fd);
	return rc;
}

int
landlock_writes(int rules, int folder, struct err *e)
{
	uint64_t what = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG;
	int v = version();

	/* libclamav renames within its folder. */
	if (v >= 2)
		what |= REFER;
	if (v >= 3)
		what |= TRUNCATE;
	return allow(rules, folder, what, e);
}

int
landlock_enter(int rules, struct err *e)
{
	int rc = (int)syscall(SYS_landlock_restrict_self, rules, 0);

	if (rc)
		err_set(e, errno, "Landlock: %s", strerror(errno));
	close(rules);
	return rc;
}
