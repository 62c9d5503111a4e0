/* turns: see turns.h. */
#include "base/turns.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel takes 0.1 to 100 ms. */
#define SHORT_NS 100000
#define LONG_NS 100000000

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
