/*
 * log_last: KEY.last (see log_last.h).
 */
#include "archive/log/log_last.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "proof/note.h"

#define PATH_BYTES 4200

static int
read_note(int fd, const char *file, struct checkpoint *c, struct err *e)
{
	char *text = mem_alloc(NOTE_BYTES_MAX + 1);
	ssize_t n = read(fd, text, NOTE_BYTES_MAX + 1);
	struct note note;
	int rc;

	if (n < 0)
		rc = err_set(e, errno, "%s: %s", file, strerror(errno));
	else if (note_parse(text, (size_t)n, &note, e) || checkpoint_parse(note.text, note.text_n, c, e))
		rc = err_prefix(e, "%s is no checkpoint", file);
	else
		rc = 0;
	free(text);
	return rc;
}

int
log_last_load(const char *key_file, struct checkpoint *c, struct err *e)
{
	char file[PATH_BYTES];
	int fd, rc;

	snprintf(file, sizeof(file), "%s.last", key_file);
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_set(e, errno, "%s: %s", file, strerror(errno));
	rc = read_note(fd, file, c, e);
	close(fd);
	return rc ? -1 : 1;
}

int
log_last_save(const char *key_file, const char *note, struct err *e)
{
	char file[PATH_BYTES], new[PATH_BYTES + 8];
	size_t n = strlen(note);
	int fd, rc = 0;

	snprintf(file, sizeof(file), "%s.last", key_file);
	snprintf(new, sizeof(new), "%s.new", file);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", new, strerror(errno));
	/* Its name need not be on disk at once: the one before is true, too. */
	if (write(fd, note, n) != (ssize_t)n || fdatasync(fd))
		rc = err_set(e, errno, "%s: %s", new, strerror(errno));
	close(fd);
	if (!rc && rename(new, file))
		rc = err_set(e, errno, "%s: %s", file, strerror(errno));
	return rc;
}
