/*
 * channel: lines on standard input and output.
 */
#include "export/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (8 << 20)

json_t *
channel_read(struct err *e)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n = getline(&text, &room, stdin);
	json_t *line = n > 0 && n <= LINE_MAX_BYTES ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	/* The conninfo may hold a password. */
	if (text)
		explicit_bzero(text, room);
	free(text);
	if (!json_is_object(line)) {
		json_decref(line);
		line = NULL;
		err_set(e, 0, n < 0 ? "the server is gone" : "the server's line cannot be read");
	}
	return line;
}

int
channel_write(json_t *line, struct err *e)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0, at = 0;
	ssize_t done = 1;

	json_decref(line);
	if (!text)
		return err_set(e, 0, "what is to be told cannot be written as JSON");
	text[n++] = '\n';
	while (at < n && (done = write(STDOUT_FILENO, text + at, n - at)) != 0) {
		if (done < 0 && errno != EINTR)
			break;
		at += done > 0 ? (size_t)done : 0;
	}
	free(text);
	return at == n ? 0 : err_set(e, errno, "the server is gone");
}
