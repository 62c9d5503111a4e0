/*
 * lmtp: commands line by line, a mail byte by byte: no line of it needs to end.
 */
#include "lmtp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/text.h"

#define REPLY_MAX 400     /* RFC 5321 §4.5.3.1.5: 512 with all */
#define PATH_MAX_BYTES 320 /* of an address of an envelope */
#define DISCARD_FACTOR 8  /* a mail that is so many times too large ends the connection */

enum phase { GREETED, READY, MAIL, RECIPIENTS, DATA, WAITING, OVER };
/* Where in a line of a mail the next byte is. */
enum where { LINE_START, DOT, DOT_CR, TEXT, TEXT_CR };

struct lmtp {
	char *name;
	struct lmtp_limits limits;
	const struct lmtp_calls *calls;
	void *owner;
	enum phase phase;
	enum where where;
	unsigned errors;
	bool working; /* lmtp_work is on the stack */
	struct buf in, out, data;
	size_t size; /* of the mail, with what is not kept of it */
	/* Of the transaction: */
	struct arena *arena;
	const char *from;
	const char **to;
	char **replies;
	size_t nto, answered;
};

static void lmtp_work(struct lmtp *l);

/* Replies */

static void
say(struct lmtp *l, const char *reply)
{
	size_t n = strlen(reply);

	if (n > REPLY_MAX)
		n = REPLY_MAX;
	for (size_t i = 0; i < n; i++)
		buf_addc(&l->out, reply[i] >= ' ' && reply[i] <= '~' ? reply[i] : '?');
	buf_adds(&l->out, "\r\n");
}

/* Of a command that was wrong. */
static void
refuse(struct lmtp *l, const char *reply)
{
	say(l, reply);
	if (++l->errors >= l->limits.errors)
		lmtp_end(l, "4.7.0 too many errors");
}

static void
forget(struct lmtp *l)
{
	arena_reset(l->arena);
	buf_fini(&l->data);
	l->from = NULL;
	l->to = NULL;
	l->replies = NULL;
	l->nto = l->answered = l->size = 0;
	if (l->phase != GREETED && l->phase != OVER)
		l->phase = READY;
}

/* Commands */

/* <path> at `p`, with a source route left out (RFC 5321 §4.1.1.3); NULL: there is none. `*end` is behind it. Nothing of the transaction's grows before it is taken. */
static const char *
read_path(const char *p, const char **end, char path[PATH_MAX_BYTES + 1])
{
	const char *start;
	bool quoted = false;

	while (*p == ' ')
		p++;
	if (*p++ != '<')
		return NULL;
	if (*p == '@') {
		if (!(p = strchr(p, ':')))
			return NULL;
		p++;
	}
	for (start = p; *p && (quoted || *p != '>'); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\' && p[1])
			p++;
		if (*p < ' ' || *p > '~' || (!quoted && (*p == ' ' || *p == '<')))
			return NULL;
	}
	if (*p != '>' || p - start > PATH_MAX_BYTES)
		return NULL;
	*end = p + 1;
	memcpy(path, start, (size_t)(p - start));
	path[p - start] = '\0';
	return path;
}

/* NULL: all of them are fine (RFC 1870, RFC 6152). */
static const char *
read_parameters(struct lmtp *l, const char *p)
{
	uint64_t size;
	size_t n;

	for (;; p += n) {
		while (*p == ' ')
			p++;
		n = strcspn(p, " ");
		if (!n)
			return NULL;
		if (!strncasecmp(p, "SIZE=", 5)) {
			if (!text_u64(p + 5, n - 5, 0, UINT64_MAX, &size))
				return "501 5.5.4 that is no size";
			if (size > l->limits.mail_bytes)
				return "552 5.3.4 the mail is too large";
		} else if ((n != 9 || strncasecmp(p, "BODY=7BIT", 9)) && (n != 13 || strncasecmp(p, "BODY=8BITMIME", 13))) {
			return "555 5.5.4 that parameter is not known here";
		}
	}
}

static void
on_lhlo(struct lmtp *l, const char *rest)
{
	if (!*rest) {
		refuse(l, "501 5.5.4 LHLO needs a name");
		return;
	}
	l->phase = READY;
	forget(l);
	buf_addf(&l->out, "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE %zu\r\n", l->name, l->limits.mail_bytes);
}

static void
on_mail(struct lmtp *l, const char *rest)
{
	char space[PATH_MAX_BYTES + 1];
	const char *path, *wrong;

	if (l->phase != READY) {
		refuse(l, l->phase == GREETED ? "503 5.5.1 LHLO comes first" : "503 5.5.1 a mail has been begun");
		return;
	}
	path = strncasecmp(rest, "FROM:", 5) ? NULL : read_path(rest + 5, &rest, space);
	wrong = path ? read_parameters(l, rest) : "501 5.5.4 MAIL FROM:<address> is expected";
	if (wrong) {
		refuse(l, wrong);
		return;
	}
	l->from = arena_strdup(l->arena, path);
	l->phase = MAIL;
	say(l, "250 2.1.0 OK");
}

static void
on_rcpt(struct lmtp *l, const char *rest)
{
	char space[PATH_MAX_BYTES + 1];
	const char *path, *wrong;

	if (l->phase != MAIL && l->phase != RECIPIENTS) {
		refuse(l, "503 5.5.1 MAIL comes first");
		return;
	}
	path = strncasecmp(rest, "TO:", 3) ? NULL : read_path(rest + 3, &rest, space);
	if (!path || !*path) {
		refuse(l, "501 5.5.4 RCPT TO:<address> is expected");
		return;
	}
	while (*rest == ' ')
		rest++;
	if (*rest) {
		refuse(l, "555 5.5.4 that parameter is not known here");
		return;
	}
	if (l->nto >= l->limits.recipients) {
		say(l, "452 4.5.3 too many recipients");
		return;
	}
	wrong = l->calls->recipient(l->owner, path);
	if (wrong) {
		say(l, wrong);
		return;
	}
	if (!l->to)
		l->to = arena_alloc(l->arena, l->limits.recipients * sizeof(*l->to));
	l->to[l->nto++] = arena_strdup(l->arena, path);
	l->phase = RECIPIENTS;
	say(l, "250 2.1.5 OK");
}

static void
on_data(struct lmtp *l, const char *rest)
{
	if (*rest) {
		refuse(l, "501 5.5.4 DATA has no parameters");
	} else if (l->phase != RECIPIENTS) {
		/* RFC 2033 §4.2 */
		refuse(l, l->phase == MAIL ? "503 5.5.1 there is no recipient" : "503 5.5.1 MAIL and RCPT come first");
	} else {
		l->phase = DATA;
		l->where = LINE_START;
		say(l, "354 end with a line that is a dot");
	}
}

static void
on_rset(struct lmtp *l, const char *rest)
{
	(void)rest;
	forget(l);
	say(l, "250 2.0.0 OK");
}

static void
on_noop(struct lmtp *l, const char *rest)
{
	(void)rest;
	say(l, "250 2.0.0 OK");
}

static void
on_vrfy(struct lmtp *l, const char *rest)
{
	(void)rest;
	/* RFC 5321 §7.3 */
	say(l, "252 2.5.2 send some mail, and it will be seen");
}

static void
on_quit(struct lmtp *l, const char *rest)
{
	(void)rest;
	say(l, "221 2.0.0 bye");
	l->phase = OVER;
}

static void
on_hello(struct lmtp *l, const char *rest)
{
	(void)rest;
	/* RFC 2033 §4.1 */
	refuse(l, "500 5.5.1 this is LMTP: LHLO");
}

static void
on_command(struct lmtp *l, char *line, size_t n)
{
	static const struct {
		const char *verb;
		void (*fn)(struct lmtp *l, const char *rest);
	} commands[] = {
		{ "LHLO", on_lhlo }, { "MAIL", on_mail }, { "RCPT", on_rcpt }, { "DATA", on_data }, { "RSET", on_rset },
		{ "NOOP", on_noop }, { "VRFY", on_vrfy }, { "QUIT", on_quit }, { "HELO", on_hello }, { "EHLO", on_hello },
	};
	size_t verb;

	while (n > 0 && line[n - 1] == ' ')
		line[--n] = '\0';
	verb = strcspn(line, " ");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && strlen(line) == n; i++)
		if (verb == 4 && !strncasecmp(line, commands[i].verb, 4)) {
			commands[i].fn(l, line + 4 + strspn(line + 4, " "));
			return;
		}
	refuse(l, "500 5.5.2 that is no command");
}

/* A line of what came: false when there is none yet. */
static bool
take_command(struct lmtp *l)
{
	const char *p = buf_data(&l->in), *end = buf_len(&l->in) ? memchr(p, '\n', buf_len(&l->in)) : NULL;
	size_t n = end ? (size_t)(end - p) : buf_len(&l->in);
	char *line;

	if (n > l->limits.line_bytes) {
		/* Where such a line ends is not looked for: what follows it may be part of it. */
		lmtp_end(l, "4.7.0 that line is too long");
		return false;
	}
	if (!end)
		return false;
	buf_consume(&l->in, n + 1);
	line = mem_strndup(p, n);
	memcpy(line, p, n);
	if (n > 0 && line[n - 1] == '\r')
		line[--n] = '\0';
	on_command(l, line, n);
	free(line);
	return true;
}

/* The mail */

static void
keep(struct lmtp *l, const char *p, size_t n)
{
	l->size += n;
	if (l->size <= l->limits.mail_bytes)
		buf_add(&l->data, p, n);
	else
		buf_fini(&l->data);
}

static void
complete(struct lmtp *l)
{
	struct lmtp_mail m = { .from = l->from, .to = l->to, .nto = l->nto };

	l->phase = WAITING;
	l->replies = arena_zalloc(l->arena, l->nto * sizeof(*l->replies));
	if (l->size > l->limits.mail_bytes) {
		for (size_t i = m.nto; i-- > 0;)
			lmtp_answer(l, i, "552 5.3.4 the mail is too large");
		return;
	}
	m.n = buf_len(&l->data);
	m.data = buf_str(&l->data);
	l->calls->mail(l->owner, &m);
}

/* One byte that stands at an end of a line, or near one. */
static void
take_byte(struct lmtp *l, char c)
{
	switch (l->where) {
	case LINE_START:
		if (c == '.') {
			l->where = DOT;
			return;
		}
		break;
	case DOT:
		/* RFC 5321 §4.5.2: the dot was put there by who sent it. */
		if (c == '\r') {
			l->where = DOT_CR;
			return;
		}
		break;
	case DOT_CR:
		if (c == '\n') {
			complete(l);
			return;
		}
		keep(l, "\r", 1);
		l->where = TEXT_CR;
		break;
	default:
		break;
	}
	keep(l, &c, 1);
	l->where = c == '\r' ? TEXT_CR : c == '\n' && l->where == TEXT_CR ? LINE_START : TEXT;
}

static void
take_data(struct lmtp *l)
{
	while (l->phase == DATA && buf_len(&l->in)) {
		const char *p = buf_data(&l->in), *cr;
		size_t n = buf_len(&l->in);

		if (l->where == TEXT) {
			cr = memchr(p, '\r', n);
			n = cr ? (size_t)(cr - p) : n;
			keep(l, p, n);
			buf_consume(&l->in, n);
			if (cr) {
				keep(l, "\r", 1);
				buf_consume(&l->in, 1);
				l->where = TEXT_CR;
			}
		} else {
			char c = *p;

			buf_consume(&l->in, 1);
			take_byte(l, c);
		}
		if (l->phase == DATA && l->size / DISCARD_FACTOR > l->limits.mail_bytes)
			lmtp_end(l, "4.3.1 the mail is far too large");
	}
}

static void
lmtp_work(struct lmtp *l)
{
	bool more = true;

	/* An answer that is given within the call `mail` comes back here. */
	if (l->working)
		return;
	l->working = true;
	while (more && l->phase != WAITING && l->phase != OVER) {
		if (l->phase == DATA) {
			take_data(l);
			more = l->phase != DATA;
		} else {
			more = take_command(l);
		}
	}
	l->working = false;
}

struct lmtp *
lmtp_new(const char *name, const struct lmtp_limits *limits, const struct lmtp_calls *calls, void *owner)
{
	struct lmtp *l = NEW(struct lmtp);

	l->name = mem_strdup(name);
	l->limits = *limits;
	l->calls = calls;
	l->owner = owner;
	l->arena = arena_new(0);
	buf_addf(&l->out, "220 %s LMTP\r\n", name);
	return l;
}

void
lmtp_free(struct lmtp *l)
{
	if (!l)
		return;
	arena_free(l->arena);
	buf_fini(&l->in);
	buf_fini(&l->out);
	buf_fini(&l->data);
	free(l->name);
	free(l);
}

void
lmtp_take(struct lmtp *l, const char *p, size_t n)
{
	if (l->phase == OVER)
		return;
	buf_add(&l->in, p, n);
	lmtp_work(l);
}

bool
lmtp_wants(const struct lmtp *l)
{
	return l->phase != WAITING && l->phase != OVER;
}

struct buf *
lmtp_out(struct lmtp *l)
{
	return &l->out;
}

void
lmtp_answer(struct lmtp *l, size_t recipient, const char *reply)
{
	assert(l->phase == WAITING && recipient < l->nto && !l->replies[recipient]);
	l->replies[recipient] = arena_strdup(l->arena, reply);
	/* RFC 2033 §4.2: in the order of the RCPT commands. */
	for (; l->answered < l->nto && l->replies[l->answered]; l->answered++)
		say(l, l->replies[l->answered]);
	if (l->answered < l->nto)
		return;
	forget(l);
	lmtp_work(l);
}

bool
lmtp_is_waiting(const struct lmtp *l)
{
	return l->phase == WAITING;
}

bool
lmtp_is_over(const struct lmtp *l)
{
	return l->phase == OVER;
}

void
lmtp_end(struct lmtp *l, const char *why)
{
	if (l->phase == OVER)
		return;
	buf_addf(&l->out, "421 %s\r\n", why);
	l->phase = OVER;
}
