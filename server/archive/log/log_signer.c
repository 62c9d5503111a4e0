/*
 * log_signer: reads and writes the file of the log's key (see log_signer.h).
 */
#include "archive/log/log_signer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"

#define KEY_BYTES_MAX 1024

/* A key that others can read is no key: better none, and an alarm. */
static int
check_file(int fd, const char *file, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, 0, "%s is no file", file);
	if (st.st_mode & 077)
		return err_set(e, 0, "%s can be read by others than its owner: chmod 600 it", file);
	return 0;
}

struct note_signer *
log_signer_load(const char *file, struct err *e)
{
	char text[KEY_BYTES_MAX];
	struct note_signer *s = NULL;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;

	if (fd < 0) {
		err_set(e, errno, "%s: %s", file, strerror(errno));
		return NULL;
	}
	if (!check_file(fd, file, e)) {
		n = read(fd, text, sizeof(text));
		if (n < 0)
			err_set(e, errno, "%s: %s", file, strerror(errno));
		else if (!(s = note_signer_parse(text, (size_t)n, e)))
			err_prefix(e, "%s", file);
	}
	crypt_wipe(text, sizeof(text));
	close(fd);
	return s;
}

static int
sync_folder(const char *file)
{
	char *copy = mem_strdup(file);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	free(copy);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int
log_signer_save(const char *file, const struct note_signer *s, struct err *e)
{
	struct buf text = { 0 };
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

	if (fd < 0)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	note_signer_text(s, &text);
	if (write(fd, buf_data(&text), buf_len(&text)) != (ssize_t)buf_len(&text) || fsync(fd))
		rc = err_set(e, errno, "%s: %s", file, strerror(errno));
	if (close(fd) && !rc)
		rc = err_set(e, errno, "%s: %s", file, strerror(errno));
	if (!rc && sync_folder(file))
		rc = err_set(e, errno, "the folder of %s: %s", file, strerror(errno));
	crypt_wipe(text.data, text.cap);
	buf_fini(&text);
	if (rc)
		(void)unlink(file);
	return rc;
}

int
log_signer_move(const char *from, const char *to, struct err *e)
{
	if (rename(from, to) || sync_folder(to))
		return err_set(e, errno, "%s cannot take the place of %s: %s", from, to, strerror(errno));
	return 0;
}
