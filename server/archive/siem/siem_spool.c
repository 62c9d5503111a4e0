/*
 * siem_spool: see siem_spool.h. A line: TIME SEVERITY NAME JSON. One that a crash has cut ends without its line break, which the next run adds; what is left of
 * it is no event.
 */
#include "archive/siem/siem_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

struct siem_spool {
	char *file;
	uint64_t max, n;
	int fd;     /* -1: nothing has been put yet */
	bool whole; /* it is known to end where a line does */
};

/* Lines that an earlier run has left, whole or not. */
static uint64_t
count_lines(const char *file)
{
	FILE *f = fopen(file, "re");
	struct stat st;
	uint64_t n = 0;
	int c, last = '\n';

	if (f == NULL)
		return 0;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		fclose(f);
		return 0;
	}
	while ((c = getc_unlocked(f)) != EOF) {
		n += c == '\n';
		last = c;
	}
	fclose(f);
	return n + (last != '\n');
}

struct siem_spool *
siem_spool_new(const char *file, uint64_t events_max)
{
	struct siem_spool *s = NEW(struct siem_spool);

	*s = (struct siem_spool){.file = mem_strdup(file), .max = events_max, .n = *file != '\0' ? count_lines(file) : 0, .fd = -1};
	return s;
}

void
siem_spool_free(struct siem_spool *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->file);
	free(s);
}

uint64_t
siem_spool_waiting(const struct siem_spool *s)
{
	return s->n;
}

static int
failed(const struct siem_spool *s, struct err *err)
{
	return err_set(err, errno, "siem.spool: %.100s: %s", s->file, strerror(errno));
}

static bool
ends_within_a_line(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last;

	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

static int
open_it(struct siem_spool *s, struct err *err)
{
	if (s->fd >= 0)
		return 0;
	if (*s->file == '\0')
		return err_set(err, 0, "there is no siem.spool");
	s->fd = open(s->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->fd < 0 ? failed(s, err) : 0;
}

static int
end_line(struct siem_spool *s, struct err *err)
{
	if (!s->whole && ends_within_a_line(s->fd) && write(s->fd, "\n", 1) != 1)
		return failed(s, err);
	s->whole = true;
	return 0;
}

/* All of it or none. */
static int
append(struct siem_spool *s, const char *p, size_t n, struct err *err)
{
	off_t end = lseek(s->fd, 0, SEEK_END);
	ssize_t done = end < 0 ? -1 : write(s->fd, p, n);

	if (done == (ssize_t)n)
		return 0;
	if (done >= 0)
		errno = ENOSPC;
	failed(s, err);
	s->whole = done <= 0 || ftruncate(s->fd, end) == 0;
	return -1;
}

int
siem_spool_put(struct siem_spool *s, const struct siem_spooled *e, struct err *err)
{
	struct buf line = {0};
	int rc;

	if (s->n >= s->max)
		return 0;
	if (open_it(s, err) != 0 || end_line(s, err) != 0)
		return -1;
	buf_addf(&line, "%" PRId64 " %d %s %s\n", e->at_us, e->severity, e->name, e->json);
	rc = append(s, buf_data(&line), buf_len(&line), err);
	buf_fini(&line);
	if (rc != 0)
		return -1;
	s->n++;
	return 1;
}

int
siem_spool_sync(struct siem_spool *s, struct err *err)
{
	return s->fd >= 0 && fdatasync(s->fd) != 0 ? failed(s, err) : 0;
}

/* Cuts the line where its words end. False: it is none. */
static bool
read_line(char *line, struct siem_spooled *e)
{
	char *rest = line, *at = strsep(&rest, " "), *severity = strsep(&rest, " "), *name = strsep(&rest, " ");
	uint64_t us, level;

	if (rest == NULL || !text_u64(at, strlen(at), 0, INT64_MAX, &us) || !text_u64(severity, strlen(severity), 0, 7, &level) || *name == '\0' ||
	    *rest != '{' || rest[strlen(rest) - 1] != '}')
		return false;
	*e = (struct siem_spooled){.at_us = (int64_t)us, .severity = (int)level, .name = name, .json = rest};
	return true;
}

int
siem_spool_each(struct siem_spool *s, siem_spool_fn take, void *arg, struct err *err)
{
	FILE *f = fopen(s->file, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int rc = 0;

	if (f == NULL)
		return errno == ENOENT ? 0 : failed(s, err);
	while (rc == 0 && (n = getline(&line, &room, f)) > 0) {
		struct siem_spooled e;

		if (line[n - 1] != '\n')
			break;
		line[n - 1] = '\0';
		if (read_line(line, &e))
			rc = take(arg, &e, err);
	}
	if (rc == 0 && ferror(f))
		rc = failed(s, err);
	free(line);
	fclose(f);
	return rc;
}

int
siem_spool_clear(struct siem_spool *s, struct err *err)
{
	/* Also when it fails: it is told of again by a later run at most, and not by each turn of this one. */
	s->n = 0;
	if (open_it(s, err) != 0)
		return -1;
	return ftruncate(s->fd, 0) != 0 || fdatasync(s->fd) != 0 ? failed(s, err) : 0;
}
