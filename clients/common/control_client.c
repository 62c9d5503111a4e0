/*
 * control_client: requests and answers, a JSON object a line. Used by clients/chancery.
 */
#include "common/control_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"

#define ANSWER_LINE_MAX (4 << 20)

struct control_client {
	int fd;
	struct buf in;
	char *token, *next;
	const struct control_transport *way; /* NULL: the local socket */
	void *way_arg;
};

static int
explain_connect(const char *path, struct err *e)
{
	int code = errno;

	if (code == ENOENT || code == ECONNREFUSED)
		return err_set(e, code, "no server answers at %s; is chanceryd running?", path);
	if (code == EACCES)
		return err_set(e, code, "%s: not allowed; be root or in the group of the socket",
			       path);
	return err_set(e, code, "%s: %s", path, strerror(code));
}

struct control_client *
control_client_new(const char *path, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct control_client *c;
	int fd;

	if (strlen(path) >= sizeof sa.sun_path) {
		err_set(e, ENAMETOOLONG, "%s: longer than a socket's name may be", path);
		return NULL;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		explain_connect(path, e);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	c = NEW(struct control_client);
	c->fd = fd;
	return c;
}

struct control_client *
control_client_new_over(const struct control_transport *t, void *arg)
{
	struct control_client *c = NEW(struct control_client);

	c->fd = -1;
	c->way = t;
	c->way_arg = arg;
	return c;
}

void
control_client_free(struct control_client *c)
{
	if (c == NULL)
		return;
	if (c->way != NULL)
		c->way->free(c->way_arg);
	else
		close(c->fd);
	buf_fini(&c->in);
	control_client_set_token(c, NULL);
	free(c->next);
	free(c);
}

void
control_client_set_token(struct control_client *c, const char *token)
{
	if (c->token != NULL)
		crypt_wipe(c->token, strlen(c->token));
	free(c->token);
	c->token = token != NULL ? mem_strdup(token) : NULL;
}

const char *
control_client_next(const struct control_client *c)
{
	return c->next;
}

/* The server may have closed at once, with a reason that is still to be read: an error is no end yet. */
static void
send_line(struct control_client *c, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t done = send(c->fd, s, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		s += done;
		n -= (size_t)done;
	}
}

/* The next line as JSON, or NULL and `e`. */
static json_t *
read_answer(struct control_client *c, struct err *e)
{
	size_t looked = 0;

	for (;;) {
		const char *end = NULL;
		json_t *line;
		ssize_t n;

		if (buf_len(&c->in) > looked)
			end = memchr(buf_data(&c->in) + looked, '\n', buf_len(&c->in) - looked);
		if (end != NULL) {
			n = end - buf_data(&c->in);
			line = json_loadb(buf_data(&c->in), (size_t)n, 0, NULL);
			buf_consume(&c->in, (size_t)n + 1);
			if (!json_is_object(line)) {
				json_decref(line);
				err_set(e, 0, "the server's answer cannot be read");
				return NULL;
			}
			return line;
		}
		looked = buf_len(&c->in);
		if (looked > ANSWER_LINE_MAX) {
			err_set(e, 0, "the server's answer is too long");
			return NULL;
		}
		n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err_set(e, 0, "the server closed the connection");
			return NULL;
		}
		buf_added(&c->in, (size_t)n);
	}
}

static json_t *
read_rows(struct control_client *c, struct err *e)
{
	json_t *rows = json_array(), *line;

	while ((line = read_answer(c, e)) != NULL) {
		json_t *row = json_object_get(line, "row");
		bool done = json_is_true(json_object_get(line, "done"));
		const char *error = json_string_value(json_object_get(line, "error"));
		const char *next = json_string_value(json_object_get(line, "next"));

		if (next != NULL && c->next == NULL)
			c->next = mem_strdup(next);
		if (row != NULL)
			json_array_append(rows, row);
		else if (!done && next == NULL)
			err_set(e, 0, "%s",
				error != NULL ? error : "the server's answer cannot be read");
		json_decref(line);
		if (done)
			return rows;
		if (row == NULL && next == NULL)
			break;
	}
	json_decref(rows);
	return NULL;
}

/* Takes the reference to `args`. */
static json_t *
ask_over(struct control_client *c, const char *noun, const char *verb, json_t *args, struct err *e)
{
	json_t *rows;

	free(c->next);
	c->next = NULL;
	rows = c->way->ask(c->way_arg, noun, verb, args, c->token, &c->next, e);
	json_decref(args);
	return rows;
}

json_t *
control_client_ask(struct control_client *c, const char *noun, const char *verb, json_t *args,
		   struct err *e)
{
	json_t *request;
	char *text;
	size_t n;

	if (c->way != NULL)
		return ask_over(c, noun, verb, args, e);
	request = json_pack("{s:[s,s*], s:o*, s:s*}", "verb", noun, verb, "args", args, "token", c->token);
	text = json_dumps(request, JSON_COMPACT);
	n = text != NULL ? strlen(text) : 0;
	json_decref(request);
	free(c->next);
	c->next = NULL;
	if (text == NULL) {
		err_set(e, 0, "the arguments are not UTF-8");
		return NULL;
	}
	/* The line's end in place of the string's. */
	text[n] = '\n';
	send_line(c, text, n + 1);
	crypt_wipe(text, n + 1);
	free(text);
	return read_rows(c, e);
}
