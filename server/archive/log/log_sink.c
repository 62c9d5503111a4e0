/*
 * log_sink: the file of checkpoints (see log_sink.h).
 *
 * A write that was cut short (a full disk, a crash) leaves the beginning of a note behind, which nobody may take away: the file
 * may be one that can only be appended to. The next note comes behind a line's end, which closes the torn line or is an empty line where none
 * may be, so readers find that the one in front is none, and look for the next at each line.
 */
#include "archive/log/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proof/checkpoint.h"
#include "proof/note.h"

/* The note in [p, p + n), which ends where a note does, but may have the beginning of another in front. Its length; 0: none. */
static size_t
find_note(const char **p, size_t n)
{
	struct note note;
	struct err e;

	for (unsigned tries = 0; n && tries < 16; tries++) {
		const char *line;
		struct checkpoint c;

		if (!note_parse(*p, n, &note, &e) &&
		    (!checkpoint_parse(note.text, note.text_n, &c, &e) || !strncmp(note.text, "chancery-key-handover/", 22)))
			return n;
		line = memchr(*p, '\n', n);
		if (!line)
			return 0;
		n -= (size_t)(line + 1 - *p);
		*p = line + 1;
	}
	return 0;
}

static void
each_note(const char *p, size_t n, log_sink_note_fn fn, void *arg, bool *torn)
{
	size_t len;

	*torn = false;
	for (; n && (len = note_length(p, n)); p += len, n -= len) {
		const char *note = p;
		size_t found = find_note(&note, len);

		if (found && !fn(arg, note, found))
			return;
	}
	*torn = n > 0;
}

static int
read_all(int fd, const char *file, log_sink_note_fn fn, void *arg, bool *torn, struct err *e)
{
	struct stat st;
	char *p;

	*torn = false;
	if (fstat(fd, &st))
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, 0, "%s is no file", file);
	if (!st.st_size)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	each_note(p, (size_t)st.st_size, fn, arg, torn);
	munmap(p, (size_t)st.st_size);
	return 0;
}

int
log_sink_read(const char *file, log_sink_note_fn fn, void *arg, bool *torn, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	rc = read_all(fd, file, fn, arg, torn, e);
	close(fd);
	return rc;
}

struct look {
	struct log_sink *s;
	const char *origin;
	bool foreign;
};

static bool
look_at(void *arg, const char *text, size_t n)
{
	struct look *l = arg;
	struct note note;
	struct checkpoint c;
	struct err e;

	if (note_parse(text, n, &note, &e))
		return true;
	if (checkpoint_parse(note.text, note.text_n, &c, &e)) {
		l->s->handovers++;
		return true;
	}
	l->foreign = l->origin && strcmp(c.origin, l->origin) != 0;
	if (c.size > l->s->size) {
		l->s->size = c.size;
		memcpy(l->s->root, c.root, sizeof(c.root));
	}
	return !l->foreign;
}

int
log_sink_open(struct log_sink *s, const char *file, const char *origin, struct err *e)
{
	struct look l = { .s = s, .origin = origin };

	*s = (struct log_sink)LOG_SINK_CLOSED;
	s->fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (s->fd < 0)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	if (!read_all(s->fd, file, look_at, &l, &s->torn, e)) {
		if (!l.foreign)
			return 0;
		err_set(e, 0, "%s holds the checkpoints of another log", file);
	}
	log_sink_close(s);
	return -1;
}

void
log_sink_close(struct log_sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct log_sink)LOG_SINK_CLOSED;
}

bool
log_sink_is_there(const struct log_sink *s, const char *file)
{
	struct stat here, there;

	return !fstat(s->fd, &here) && !stat(file, &there) && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int
log_sink_append(struct log_sink *s, const char *note, struct err *e)
{
	struct buf out = { 0 };
	ssize_t n;
	int rc = 0;

	if (s->torn)
		buf_addc(&out, '\n');
	buf_adds(&out, note);
	n = write(s->fd, buf_data(&out), buf_len(&out));
	if (n == (ssize_t)buf_len(&out)) {
		s->torn = false;
		if (fdatasync(s->fd))
			rc = err_set(e, errno, "not certain to be on disk: %s", strerror(errno));
	} else {
		s->torn = s->torn || n > 0;
		rc = err_set(e, n < 0 ? errno : ENOSPC, "%s", strerror(n < 0 ? errno : ENOSPC));
	}
	buf_fini(&out);
	return rc;
}
