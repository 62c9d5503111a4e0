/*
 * usage: accounting (see usage.h).
 */
#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

static uint32_t *samples; /* microseconds */
static size_t nsamples, samples_cap;

static int peer_pid, peer_pg_pid;

void
usage_of_peer(int pid, int pg_pid)
{
	peer_pid = pid;
	peer_pg_pid = pg_pid;
}

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* Seconds of CPU of a process, with those of its children that have ended; its parent, too. proc(5) */
static double
process_cpu(int pid, int *parent)
{
	char path[64], line[1024] = "", *end;
	unsigned long t[4];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!(f = fopen(path, "r")))
		return 0;
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!end || sscanf(end + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
			   parent, &t[0], &t[1], &t[2], &t[3]) != 5)
		return 0;
	return (double)(t[0] + t[1] + t[2] + t[3]) / (double)sysconf(_SC_CLK_TCK);
}

/* PostgreSQL: the postmaster and its children. One that ends moves its time into the postmaster's own. */
static double
database_cpu(int pg_pid)
{
	int parent;
	double sum = process_cpu(pg_pid, &parent);
	DIR *d = opendir("/proc");

	for (struct dirent *e; d && (e = readdir(d));) {
		int pid = atoi(e->d_name);
		double cpu = pid > 0 ? process_cpu(pid, &parent) : 0;

		if (cpu > 0 && parent == pg_pid)
			sum += cpu;
	}
	if (d)
		closedir(d);
	return sum;
}

struct usage
usage_now(int pid, int pg_pid, uint64_t units)
{
	struct usage u = {.units = units};
	struct rusage r;
	int parent;

	u.server = pid ? process_cpu(pid, &parent) : 0;
	u.server += peer_pid ? process_cpu(peer_pid, &parent) : 0;
	u.database = pg_pid ? database_cpu(pg_pid) : 0;
	u.database += peer_pg_pid ? database_cpu(peer_pg_pid) : 0;
	getrusage(RUSAGE_SELF, &r);
	u.self = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
		 (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
	u.at = now_ns();
	return u;
}

double
memory_now(int pid)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if ((f = fopen(path, "r"))) {
		while (kb < 0 && fgets(line, sizeof(line), f))
			if (sscanf(line, "Pss: %ld", &kb) != 1)
				kb = -1;
		fclose(f);
	}
	if (kb < 0)
		die("%s cannot be read: is the server ours?", path);
	return (double)kb * 1024;
}

void
sample_add(uint64_t ns)
{
	if (nsamples == samples_cap)
		samples = grow(samples, (samples_cap = samples_cap * 2 + 4096) * sizeof(*samples));
	samples[nsamples++] = ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Milliseconds that the fraction q of the samples (sorted by now) did not exceed. */
static double
quantile(double q)
{
	size_t i = (size_t)ceil(q * (double)nsamples);

	return nsamples ? samples[i ? i - 1 : 0] / 1e3 : 0;
}

void
usage_print(const struct usage *a, const struct usage *b, const char *unit)
{
	double seconds = (double)(b->at - a->at) / 1e9, n = (double)(b->units - a->units);

	if (n < 1)
		die("nothing was done in %.1f s", seconds);
	qsort(samples, nsamples, sizeof(*samples), by_value);
	printf("%ss_per_s %.1f\n", unit, n / seconds);
	printf("server_us_per_%s %.2f\n", unit, (b->server - a->server) / n * 1e6);
	printf("pg_us_per_%s %.2f\n", unit, (b->database - a->database) / n * 1e6);
	printf("bench_us_per_%s %.2f\n", unit, (b->self - a->self) / n * 1e6);
	printf("server_core_percent %.0f\n", 100 * (b->server - a->server) / seconds);
	printf("pg_core_percent %.0f\n", 100 * (b->database - a->database) / seconds);
	printf("bench_core_percent %.0f\n", 100 * (b->self - a->self) / seconds);
	printf("%s_p50_ms %.3f\n", unit, quantile(.5));
	printf("%s_p99_ms %.3f\n", unit, quantile(.99));
	printf("%s_max_ms %.3f\n", unit, quantile(1));
	free(samples);
	samples = NULL;
	nsamples = samples_cap = 0;
}
