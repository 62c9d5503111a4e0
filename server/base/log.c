/*
 * log: events with fields, one line each.
 *
 * A line is put together on the stack (so that it can tell of being out of memory) and written
 * with one write(2). The format is walked field by field: what a conversion makes goes into a
 * value of its own first and is then quoted as a whole, so nothing a peer sent can end its field
 * or its line. Values and lines are bounded; what does not fit is cut and said to be cut.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 8192
#define VALUE_MAX_BYTES 1024
#define PARENTS_MAX 8
/* Kept free behind the fields: the mark of a cut line and its end. */
#define TAIL 32

static _Atomic int log_level = LOG_INFO;
static _Atomic int log_format = LOG_TEXT;
static _Atomic int log_fd = STDERR_FILENO;
static atomic_bool log_to_journal;
static _Atomic(log_wants_fn) tap_wants;
static _Atomic(log_take_fn) tap_take;

static const struct {
	const char *name;
	int syslog;
} levels[] = {
	[LOG_ERROR] = {"error", 3},
	[LOG_WARNING] = {"warning", 4},
	[LOG_INFO] = {"info", 6},
	[LOG_DEBUG] = {"debug", 7},
};

/* The line under construction. Putting never overflows: it sets `full`, and the caller takes back
 * the field that did not fit. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
	bool full, json, cut, prefixed;
};

/* A formatted value before it is quoted. */
struct value {
	char text[VALUE_MAX_BYTES];
	size_t n;
	bool cut;
	bool null;   /* a NULL string and nothing else */
	bool number; /* one number and nothing else: bare in JSON */
};

/* va_list in a struct: an array type on some machines, which cannot be passed by address. */
struct args {
	va_list ap;
};

/* ---- settings ---- */

/* systemd gives the device and inode of the journal's socket, as somebody may have redirected
 * stderr since (systemd.exec(5), JOURNAL_STREAM). */
static bool
journal_reads(int fd)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (!s || fstat(fd, &st))
		return false;
	dev = strtoull(s, &end, 10);
	if (*end != ':')
		return false;
	ino = strtoull(end + 1, &end, 10);
	return *end == '\0' && dev == st.st_dev && ino == st.st_ino;
}

void
log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&log_level, level);
	atomic_store(&log_format, format);
	atomic_store(&log_to_journal, journal_reads(atomic_load(&log_fd)));
}

void
log_set_fd(int fd)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_to_journal, journal_reads(fd));
}

int
log_level_parse(const char *s)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(levels[i].name, s))
			return (int)i;
	return -1;
}

bool
log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* ---- writing values ---- */

static void
put(struct line *l, const char *s, size_t n)
{
	if (n > sizeof(l->text) - TAIL - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

static void
puts_line(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Reads one character of p. Returns its length, or 0 when it is not UTF-8. */
static size_t
decode(const unsigned char *p, size_t left, uint32_t *c)
{
	size_t n = *p < 0x80 ? 1 :
		   *p < 0xC2 ? 0 :
		   *p < 0xE0 ? 2 :
		   *p < 0xF0 ? 3 :
		   *p < 0xF5 ? 4 :
			       0;

	if (!n || n > left)
		return 0;
	*c = n == 1 ? *p : *p & (0x7FU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3F);
	}
	if ((n == 3 && *c < 0x800) || (n == 4 && *c < 0x10000) || *c > 0x10FFFF ||
	    (*c >= 0xD800 && *c <= 0xDFFF))
		return 0;
	return n;
}

/* Characters that move the cursor, break a line or turn the reading direction: a log is read in
 * terminals and browsers, where these could show something else than what is there. */
static bool
is_dangerous(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

static bool
is_bare(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t step;

	for (size_t i = 0; i < n; i += step) {
		step = decode(p + i, n - i, &c);
		if (!step || is_dangerous(c) || c == ' ' || c == '"' || c == '\\')
			return false;
	}
	return n > 0;
}

static void
put_escape(struct line *l, uint32_t c)
{
	char out[16];
	const char *simple = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;

	if (simple)
		snprintf(out, sizeof(out), "%s", simple);
	else if (c == '"' || c == '\\')
		snprintf(out, sizeof(out), "\\%c", (char)c);
	else if (c < 0x80 && !l->json)
		snprintf(out, sizeof(out), "\\x%02x", (unsigned)c);
	else
		snprintf(out, sizeof(out), "\\u%04x", (unsigned)c);
	puts_line(l, out);
}

/* A byte that is no UTF-8. JSON has no way to say it and gets the replacement character. */
static void
put_bad_byte(struct line *l, unsigned char byte)
{
	char out[8];

	snprintf(out, sizeof(out), l->json ? "\\ufffd" : "\\x%02x", byte);
	puts_line(l, out);
}

static void
put_quoted(struct line *l, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t step;

	puts_line(l, "\"");
	for (size_t i = 0; i < n && !l->full; i += step) {
		step = decode(p + i, n - i, &c);
		if (!step)
			put_bad_byte(l, p[i]);
		else if (is_dangerous(c) || c == '"' || c == '\\')
			put_escape(l, c);
		else
			put(l, s + i, step);
		step += !step;
	}
	puts_line(l, "\"");
}

static void
put_value(struct line *l, const struct value *v)
{
	if (v->null)
		puts_line(l, l->json ? "null" : "-");
	else if (l->json ? v->number : is_bare(v->text, v->n))
		put(l, v->text, v->n);
	else
		put_quoted(l, v->text, v->n);
}

/* One field, whole or not at all. */
static void
put_field(struct line *l, const char *key, size_t key_n, const struct value *v)
{
	size_t start = l->n;

	if (l->full)
		return;
	puts_line(l, l->json ? ",\"" : " ");
	put(l, key, key_n);
	puts_line(l, l->json ? "\":" : "=");
	put_value(l, v);
	if (l->full)
		l->n = start;
	l->cut |= v->cut;
}

/* ---- the format ---- */

static void
value_add(struct value *v, const char *s, size_t n)
{
	size_t room = sizeof(v->text) - v->n;

	if (n > room) {
		/* Not in the middle of a character. */
		for (n = room; n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80; n--)
			;
		v->cut = true;
	}
	memcpy(v->text + v->n, s, n);
	v->n += n;
}

/* A conversion: `spec` is copied from the format, `size` is the length modifier. */
struct conversion {
	char spec[24];
	char size; /* 0, l, L (ll), z, h or H (hh) */
	char type;
	int precision; /* -1: none */
};

/* Steps over a conversion at *f (behind its %). An unknown one is a mistake of ours. */
static struct conversion
parse_conversion(const char **f, struct args *a)
{
	struct conversion c = {.spec = "%", .precision = -1};
	const char *p = *f;
	size_t n = strspn(p, "-+ #0123456789");
	size_t sizes;

	assert(n < 12);
	memcpy(c.spec + 1, p, n);
	p += n;
	if (*p == '.') {
		p++;
		if (*p == '*') {
			c.precision = va_arg(a->ap, int);
			p++;
		} else {
			c.precision = (int)strtol(p, (char **)&p, 10);
		}
	}
	sizes = strspn(p, "lzhj");
	if (sizes)
		c.size = (char)(sizes == 2 ? *p - 'a' + 'A' : *p);
	c.type = p[sizes];
	assert(c.type && strchr("sdiucxXfgp%", c.type));
	*f = p + sizes + 1;
	return c;
}

static void
convert_string(struct value *v, const struct conversion *c, struct args *a)
{
	const char *s = va_arg(a->ap, const char *);

	if (!s) {
		v->null = v->n == 0;
		value_add(v, "-", 1);
		return;
	}
	value_add(v, s, c->precision >= 0 ? strnlen(s, (size_t)c->precision) : strlen(s));
}

static long long
take_signed(char size, struct args *a)
{
	switch (size) {
	case 'l':
		return va_arg(a->ap, long);
	case 'L':
		return va_arg(a->ap, long long);
	case 'z':
		return va_arg(a->ap, ssize_t);
	case 'j':
		return va_arg(a->ap, intmax_t);
	default:
		return va_arg(a->ap, int);
	}
}

static unsigned long long
take_unsigned(char size, struct args *a)
{
	switch (size) {
	case 'l':
		return va_arg(a->ap, unsigned long);
	case 'L':
		return va_arg(a->ap, unsigned long long);
	case 'z':
		return va_arg(a->ap, size_t);
	case 'j':
		return va_arg(a->ap, uintmax_t);
	default:
		return va_arg(a->ap, unsigned);
	}
}

/* Integers go through the widest type, whatever the format said, with its flags kept. */
static int
convert_number(char out[64], struct conversion *c, struct args *a)
{
	size_t n = strlen(c->spec);

	if (c->type == 'f' || c->type == 'g') {
		snprintf(c->spec + n, sizeof(c->spec) - n, ".*%c", c->type);
		return snprintf(out, 64, c->spec, c->precision < 0 ? 6 : c->precision,
				va_arg(a->ap, double));
	}
	snprintf(c->spec + n, sizeof(c->spec) - n, "ll%c", c->type);
	if (c->type == 'd' || c->type == 'i')
		return snprintf(out, 64, c->spec, take_signed(c->size, a));
	return snprintf(out, 64, c->spec, take_unsigned(c->size, a));
}

static void
convert(struct value *v, const char **f, struct args *a)
{
	struct conversion c = parse_conversion(f, a);
	char out[64];
	int n;

	switch (c.type) {
	case 's':
		convert_string(v, &c, a);
		return;
	case '%':
		value_add(v, "%", 1);
		return;
	case 'c':
		out[0] = (char)va_arg(a->ap, int);
		value_add(v, out, 1);
		return;
	case 'p':
		n = snprintf(out, sizeof(out), "%p", va_arg(a->ap, void *));
		break;
	default:
		n = convert_number(out, &c, a);
		/* JSON knows neither hex, nor padding, nor a plus, nor infinity. */
		v->number = v->n == 0 && !strchr("xX", c.type) && !strchr("0+", c.spec[1]) &&
			    strspn(out, "-0123456789.e+") == strlen(out);
	}
	value_add(v, out, n < (int)sizeof(out) ? (size_t)n : sizeof(out) - 1);
}

/* The value that begins at *f and ends before a space or the end. */
static void
read_value(struct value *v, const char **f, struct args *a)
{
	const char *p = *f;

	v->n = 0;
	v->cut = v->null = v->number = false;
	while (*p && *p != ' ') {
		/* Only a value that is nothing but NULL is null, nothing but a number a number. */
		if (v->n > 0)
			v->null = v->number = false;
		if (*p == '%') {
			p++;
			convert(v, &p, a);
		} else {
			value_add(v, p++, 1);
		}
	}
	*f = p;
}

static void
put_format(struct line *l, const char *fmt, struct args *a)
{
	const char *f = fmt ? fmt : "";
	const char *key;
	struct value v;
	size_t key_n;

	while (*(f += strspn(f, " "))) {
		key = f;
		key_n = strcspn(f, "= %");
		f += key_n;
		if (*f == '=') {
			f++;
		} else { /* a word without a key */
			f = key;
			key = "text";
			key_n = strlen(key);
		}
		read_value(&v, &f, a);
		put_field(l, key, key_n, &v);
	}
}

/* The fields of the object and of what it belongs to, outermost first. */
static void
put_context(struct line *l, const struct log *log)
{
	const struct log *chain[PARENTS_MAX];
	struct value v;
	size_t n = 0;

	for (; log && n < PARENTS_MAX; log = log->parent)
		if (log->key && log->value)
			chain[n++] = log;
	while (n-- > 0) {
		v.n = 0;
		v.cut = v.null = v.number = false;
		value_add(&v, chain[n]->value, strlen(chain[n]->value));
		put_field(l, chain[n]->key, strlen(chain[n]->key), &v);
	}
}

static void
put_head(struct line *l, enum log_level level, const char *event)
{
	char head[128], now[32];

	if (l->prefixed) {
		snprintf(head, sizeof(head), "<%d>", levels[level].syslog);
		puts_line(l, head);
	}
	clock_format(clock_wall_us(), now);
	snprintf(head, sizeof(head),
		 l->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"" : "%s %s %s", now,
		 levels[level].name, event);
	puts_line(l, head);
}

/* Closes the line; TAIL kept room. */
static void
line_end(struct line *l, bool newline)
{
	const char *tail = l->json ? (l->cut ? ",\"cut\":true}" : "}") : (l->cut ? " cut=yes" : "");
	size_t n = strlen(tail);

	memcpy(l->text + l->n, tail, n);
	l->n += n;
	l->text[l->n] = newline ? '\n' : '\0';
}

static void
line_write(struct line *l)
{
	int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
	ssize_t done;

	line_end(l, true);
	do
		done = write(fd, l->text, l->n + 1);
	while (done < 0 && errno == EINTR);
}

static void
line_fill(struct line *l, bool json, bool prefixed, enum log_level level, const struct log *log, const char *event, const char *fmt, struct args *a)
{
	l->n = 0;
	l->full = l->cut = false;
	l->json = json;
	l->prefixed = prefixed;
	put_head(l, level, event);
	put_context(l, log);
	put_format(l, fmt, a);
	l->cut |= l->full;
}

void
log_set_tap(log_wants_fn wants, log_take_fn take)
{
	atomic_store(&tap_take, take);
	atomic_store(&tap_wants, wants);
}

static void
tell_tap(enum log_level level, const struct log *log, const char *event, const char *fmt, va_list ap)
{
	log_wants_fn wants = atomic_load_explicit(&tap_wants, memory_order_acquire);
	log_take_fn take = atomic_load_explicit(&tap_take, memory_order_acquire);
	struct line l;
	struct args a;

	if (!wants || !take || !wants(level, event))
		return;
	va_copy(a.ap, ap);
	line_fill(&l, true, false, level, log, event, fmt, &a);
	va_end(a.ap);
	line_end(&l, false);
	take(level, event, l.text);
}

void
log_event(enum log_level level, const struct log *log, const char *event, const char *fmt, ...)
{
	int saved = errno; /* callers log and then look at it */
	struct line l;
	struct args a;

	va_start(a.ap, fmt);
	tell_tap(level, log, event, fmt, a.ap);
	va_end(a.ap);
	if (log_wants(level)) {
		va_start(a.ap, fmt);
		line_fill(&l, atomic_load_explicit(&log_format, memory_order_relaxed) == LOG_JSON,
			atomic_load_explicit(&log_to_journal, memory_order_relaxed), level, log, event, fmt, &a);
		va_end(a.ap);
		line_write(&l);
	}
	errno = saved;
}
