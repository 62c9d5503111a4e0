/*
 * chancery-export: makes one export, for the server that started it (channel.h), and ends.
 *
 * It reads what strangers wrote, by libraries that render it, so it is a process of its own: with a role of the database
 * that reads and changes nothing, and that asks the database whether this export may be; behind everybody else for processor and disk; with a bound on memory. It has no key: what it made is signed
 * by the server. It ends with the server.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/turns.h"
#include "export/channel.h"
#include "export/job.h"

#define NICE 10
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

static void
be_humble(void)
{
	turns_apart(NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

/* Sanitizers reserve terabytes of addresses. */
static void
bound_memory(const json_t *what)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	rlim_t max = (rlim_t)json_integer_value(json_object_get(json_object_get(what, "limits"), "memory"));
	struct rlimit r = { .rlim_cur = max, .rlim_max = max };

	if (max)
		(void)setrlimit(RLIMIT_AS, &r);
#else
	(void)what;
#endif
}

int
main(int argc, char **argv)
{
	json_t *what, *done = NULL;
	struct err e = {0};
	bool again = false;
	int rc;

	if (argc != 1) {
		if (argc == 2 && !strcmp(argv[1], "--version")) {
			puts("chancery-export " CHANCERY_VERSION);
			return 0;
		}
		fputs("chancery-export is started by chanceryd, and by nobody else\n", stderr);
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write */
	log_setup(LOG_INFO, LOG_TEXT);
	be_humble();
	what = channel_read(&e);
	if (what)
		bound_memory(what);
	rc = what ? job_run(what, &done, &again, &e) : -1;
	if (!rc)
		rc = channel_write(json_pack("{s:o}", "done", done), &e);
	else if (channel_write(json_pack("{s:s, s:b}", "error", e.text, "again", (int)again), &e))
		rc = -1;
	json_decref(what);
	return rc ? 1 : 0;
}
