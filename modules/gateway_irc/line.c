#include "line.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/* A word, NUL-terminated in place; *p is behind it and the spaces that follow. NULL: there is none. */
static char *
word(char **p)
{
	char *start = *p, *end;

	if (!*start)
		return NULL;
	end = start + strcspn(start, " ");
	*p = end + strspn(end, " ");
	*end = '\0';
	return start;
}

/* IRCv3 message-tags, "escaping values". */
static void
unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s != '\\') {
			*out++ = *s;
			continue;
		}
		if (!*++s)
			break;
		*out++ = *s == ':' ? ';' : *s == 's' ? ' ' : *s == 'r' ? '\r' : *s == 'n' ? '\n' : *s;
	}
	*out = '\0';
}

static void
parse_tags(struct irc_line *l, char *tags)
{
	char *save = NULL;

	for (char *tag = strtok_r(tags, ";", &save); tag; tag = strtok_r(NULL, ";", &save)) {
		char *value = strchr(tag, '=');
		const char **slot;

		if (!value)
			continue;
		*value++ = '\0';
		slot = !strcmp(tag, "time") ? &l->time :
		       !strcmp(tag, "msgid") ? &l->msgid :
		       !strcmp(tag, "label") ? &l->label :
		       !strcmp(tag, "batch") ? &l->batch :
		       !strcmp(tag, "account") ? &l->account : NULL;
		if (!slot)
			continue;
		unescape(value);
		*slot = *value ? value : NULL;
	}
}

static void
parse_source(struct irc_source *from, char *s)
{
	char *at;

	from->nick = s;
	if ((at = strrchr(s, '@'))) {
		*at = '\0';
		from->host = at + 1;
	}
	if ((at = strchr(s, '!'))) {
		*at = '\0';
		from->user = at + 1;
	}
}

static int
parse_command(struct irc_line *l, const char *s)
{
	size_t n = strlen(s);

	if (n == 3 && isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]) && isdigit((unsigned char)s[2])) {
		l->numeric = (unsigned)(s[0] - '0') * 100 + (unsigned)(s[1] - '0') * 10 + (unsigned)(s[2] - '0');
	} else {
		for (size_t i = 0; i < n; i++)
			if (!isalpha((unsigned char)s[i]))
				return -1;
	}
	l->command = s;
	return n && n <= 32 ? 0 : -1;
}

int
irc_line_parse(struct irc_line *l, char *text)
{
	char *p = text, *s;

	memset(l, 0, sizeof(*l));
	if (*p == '@') {
		s = word(&p);
		parse_tags(l, s + 1);
	}
	p += strspn(p, " ");
	if (*p == ':') {
		s = word(&p);
		if (!s[1])
			return -1;
		parse_source(&l->from, s + 1);
	}
	if (!(s = word(&p)) || parse_command(l, s))
		return -1;
	while (*p) {
		if (*p == ':' || l->nparams == IRC_PARAMS - 1) {
			l->params[l->nparams++] = *p == ':' ? p + 1 : p;
			break;
		}
		l->params[l->nparams++] = word(&p);
	}
	return 0;
}

const char *
irc_line_param(const struct irc_line *l, unsigned i)
{
	return i < l->nparams ? l->params[i] : "";
}

int
irc_line_write(struct buf *out, const char *command, ...)
{
	size_t before = out->len;
	const char *s, *next;
	va_list ap;

	buf_adds(out, command);
	va_start(ap, command);
	for (s = va_arg(ap, const char *); s; s = next) {
		next = va_arg(ap, const char *);
		if (s[strcspn(s, "\r\n")] || (next && (!*s || *s == ':' || strchr(s, ' ')))) {
			va_end(ap);
			out->len = before;
			return -1;
		}
		buf_adds(out, !next && (!*s || *s == ':' || strchr(s, ' ')) ? " :" : " ");
		buf_adds(out, s);
	}
	va_end(ap);
	buf_adds(out, "\r\n");
	return 0;
}

void
irc_reader_fini(struct irc_reader *r)
{
	buf_fini(&r->held);
	r->skipping = r->given = false;
}

/* The end of a line has been found. NULL: it is none. */
static char *
finish(struct irc_reader *r, char *s, size_t n)
{
	if (r->skipping || n > r->limit) {
		r->skipping = false;
		r->too_long++;
		return NULL;
	}
	if (n && s[n - 1] == '\r')
		n--;
	s[n] = '\0';
	return n && !memchr(s, '\0', n) ? s : NULL;
}

char *
irc_reader_next(struct irc_reader *r, char **p, size_t *n)
{
	if (r->given) {
		buf_fini(&r->held);
		r->given = false;
	}
	while (*n) {
		char *s = *p, *end = memchr(s, '\n', *n), *line;
		size_t len = end ? (size_t)(end - s) : *n;

		*p += end ? len + 1 : len;
		*n -= end ? len + 1 : len;
		if (!end) {
			if (!r->skipping && buf_len(&r->held) + len <= r->limit) {
				buf_add(&r->held, s, len);
			} else {
				r->skipping = true;
				buf_fini(&r->held);
			}
			break;
		}
		if (!r->held.len || r->skipping) {
			line = finish(r, s, len);
		} else {
			buf_add(&r->held, s, len + 1);
			line = finish(r, r->held.data, r->held.len - 1);
			r->given = line != NULL;
			if (!line)
				buf_fini(&r->held);
		}
		if (line)
			return line;
	}
	return NULL;
}
