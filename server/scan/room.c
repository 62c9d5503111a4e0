/* room: see room.h. */
#include "scan/room.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>

#define SHORT_US 20000 /* a picture takes four of its milliseconds */

static cpu_set_t all, others;
static bool known;
static volatile sig_atomic_t left;

static void
on_long(int sig)
{
	int e = errno;

	(void)sig;
	room_leave_one();
	errno = e;
}

void
room_init(void)
{
	struct sigaction sa = { .sa_handler = on_long, .sa_flags = SA_RESTART };
	int first = 0;

	if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < 2 || sigaction(SIGPROF, &sa, NULL))
		return; /* more processors than cpu_set_t has are enough for everybody */
	while (!CPU_ISSET(first, &all))
		first++;
	others = all;
	CPU_CLR(first, &others);
	known = true;
}

void
room_leave_one(void)
{
	if (known && !left && !sched_setaffinity(0, sizeof(others), &others))
		left = 1;
}

static void
set_timer(long us)
{
	struct itimerval v = { .it_value = { .tv_usec = us } };

	(void)setitimer(ITIMER_PROF, &v, NULL);
}

void
room_leave_one_soon(void)
{
	if (known)
		set_timer(SHORT_US);
}

void
room_take_all(void)
{
	if (!known)
		return;
	set_timer(0);
	if (left && !sched_setaffinity(0, sizeof(all), &all))
		left = 0;
}
