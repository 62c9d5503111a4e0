/* turns: see turns.h. */
#include "base/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The kernel takes 0.1 to 100 ms. */
#define SHORT_NS 100000
#define LONG_NS 100000000
/* Somebody else may just have changed another session: the kernel lets that be done once in 0.1 s. */
#define TRIES 10
#define TRY_NS 100000000

static void
set(int nice, uint64_t ns)
{
	/* struct sched_attr, which glibc has from 2.41 on */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { .size = sizeof(a), .policy = SCHED_OTHER, .nice = nice, .runtime = ns };

	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void
turns_short(void)
{
	int nice;

	errno = 0;
	nice = getpriority(PRIO_PROCESS, 0);
	if (nice != -1 || !errno)
		set(nice, SHORT_NS);
}

void
turns_long(int nice)
{
	/* For kernels that do not take the other. */
	(void)setpriority(PRIO_PROCESS, 0, nice);
	set(nice, LONG_NS);
}

void
turns_apart(int nice)
{
	char text[2] = { (char)('0' + nice / 10), (char)('0' + nice % 10) };
	struct timespec pause = { .tv_nsec = TRY_NS };
	int fd;

	turns_long(nice);
	if (setsid() < 0 && getsid(0) != getpid())
		return;
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (int i = 0; i < TRIES && write(fd, text, sizeof text) < 0 && errno == EAGAIN; i++)
		(void)nanosleep(&pause, NULL);
	(void)close(fd);
}
