/*
 * config_parse: YAML events to a snapshot.
 *
 * The shape of the file is fixed and three levels deep, so each level is a function that reads its own
 * events; nothing recurses and an element where none belongs ends the reading at once, however deep it
 * would go on. Called by config.c and by nobody else.
 */
#include "core/config/config_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/mem.h"
#include "core/config/config_table.h"
#include "xmpp/jid.h"

struct reader {
	yaml_parser_t yaml;
	yaml_event_t event; /* the one looked at */
	struct config *c;
	const char *text;
	size_t len;
	bool *seen;         /* by row */
	bool *section_seen; /* by the section's first row */
	bool hosts_seen;
	struct err *e;
};

static int fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Lines and columns are counted from 1. What is shown of the file are names that read_key let pass. */
static int
fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return err_set(r->e, 0, "%s:%zu:%zu: %s", r->c->file, at.line + 1, at.column + 1, why);
}

/* What the reader of bytes found has an offset only: wrong UTF-8, control characters. */
static yaml_mark_t
mark_of_offset(const struct reader *r, size_t offset)
{
	yaml_mark_t at = {0};

	for (size_t i = 0; i < offset && i < r->len; i++) {
		at.column++;
		if (r->text[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return at;
}

static int
fail_yaml(struct reader *r)
{
	const char *why = r->yaml.problem != NULL ? r->yaml.problem : "not YAML";

	if (r->yaml.error == YAML_READER_ERROR)
		return fail(r, mark_of_offset(r, r->yaml.problem_offset), "%s", why);
	return fail(r, r->yaml.problem_mark, "%s", why);
}

/* Moves to the next event. What no setting needs is refused here, for all places at once. */
static int
next(struct reader *r)
{
	const yaml_event_t *ev = &r->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->yaml, &r->event))
		return fail_yaml(r);
	if (ev->type == YAML_ALIAS_EVENT)
		return fail(r, ev->start_mark, "aliases are not supported");
	if (ev->type == YAML_SCALAR_EVENT) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (anchor != NULL)
		return fail(r, ev->start_mark, "anchors are not supported");
	if (tag != NULL)
		return fail(r, ev->start_mark, "tags are not supported");
	return 0;
}

static bool
is_at(const struct reader *r, yaml_event_type_t type)
{
	return r->event.type == type;
}

/* The text of the scalar we are at, or NULL: other event, too long, or with control characters. */
static const char *
scalar(const struct reader *r)
{
	const char *s;
	size_t n;

	if (!is_at(r, YAML_SCALAR_EVENT))
		return NULL;
	s = (const char *)r->event.data.scalar.value;
	n = r->event.data.scalar.length;
	if (n > CONFIG_VALUE_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return NULL;
	return s;
}

/* `name:` with nothing behind it. */
static bool
is_empty(const struct reader *r)
{
	return is_at(r, YAML_SCALAR_EVENT) && r->event.data.scalar.length == 0 &&
	       r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A key, as lower-case letters, digits and underscores: all that settings are named with. */
static int
read_key(struct reader *r, char out[64])
{
	const char *s = scalar(r);
	size_t n = s != NULL ? strlen(s) : 0;

	if (n == 0 || n >= 64 || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
		return fail(r, r->event.start_mark, "expected the name of a setting");
	memcpy(out, s, n + 1);
	return 0;
}

static int
fail_value(struct reader *r, yaml_mark_t at, const struct config_row *row)
{
	struct buf expected = {0};
	int rc;

	config_row_expect(row, &expected);
	rc = fail(r, at, "%s: expected %s", row->path, buf_str(&expected));
	buf_fini(&expected);
	return rc;
}

static int
read_list(struct reader *r, const struct config_row *row)
{
	if (!is_at(r, YAML_SEQUENCE_START_EVENT))
		return fail_value(r, r->event.start_mark, row);
	for (;;) {
		const char *s;

		if (next(r) != 0)
			return -1;
		if (is_at(r, YAML_SEQUENCE_END_EVENT))
			return 0;
		s = scalar(r);
		if (s == NULL || !config_row_put(r->c, row, s))
			return fail_value(r, r->event.start_mark, row);
	}
}

static int
read_value(struct reader *r, const struct config_row *row)
{
	const char *s;

	if (config_row_is_list(row))
		return read_list(r, row);
	s = scalar(r);
	if (s == NULL || !config_row_put(r->c, row, s))
		return fail_value(r, r->event.start_mark, row);
	return 0;
}

/* At the value of a section's key; returns at its end. */
static int
read_section(struct reader *r, const char *section)
{
	if (is_empty(r))
		return 0;
	if (!is_at(r, YAML_MAPPING_START_EVENT))
		return fail(r, r->event.start_mark, "%s: expected settings, one a line, indented",
			    section);
	for (;;) {
		char key[64], path[CONFIG_PATH_MAX];
		const struct config_row *row;

		if (next(r) != 0)
			return -1;
		if (is_at(r, YAML_MAPPING_END_EVENT))
			return 0;
		if (read_key(r, key) != 0)
			return -1;
		snprintf(path, sizeof path, "%s.%s", section, key);
		row = config_row_find(path);
		if (row == NULL)
			return fail(r, r->event.start_mark, "%s: no such setting", path);
		if (r->seen[row - config_rows])
			return fail(r, r->event.start_mark, "%s: given twice", path);
		r->seen[row - config_rows] = true;
		if (next(r) != 0 || read_value(r, row) != 0)
			return -1;
	}
}

static int
put_domain(struct reader *r, struct config_host *h, const char *s)
{
	char domain[1024];

	if (jid_prepare_domain(s, strlen(s), domain) != 0)
		return fail(r, r->event.start_mark, "hosts: expected a domain name");
	for (size_t i = 0; i < r->c->nhosts; i++)
		if (strcmp(r->c->hosts[i].domain, domain) == 0)
			return fail(r, r->event.start_mark, "hosts: this domain is given twice");
	h->domain = arena_strdup(r->c->arena, domain);
	return 0;
}

/* One of the three keys of a host. */
static int
read_host_key(struct reader *r, struct config_host *h)
{
	char key[64];
	const char **file = NULL, *s;
	yaml_mark_t at = r->event.start_mark;

	if (read_key(r, key) != 0)
		return -1;
	if (strcmp(key, "certificate") == 0)
		file = &h->certificate;
	else if (strcmp(key, "key") == 0)
		file = &h->key;
	else if (strcmp(key, "domain") != 0)
		return fail(r, at, "hosts: no such setting: %s (known: domain, certificate, key)",
			    key);
	if (file != NULL ? *file != NULL : h->domain != NULL)
		return fail(r, at, "hosts: %s given twice", key);
	if (next(r) != 0)
		return -1;
	s = scalar(r);
	if (s == NULL || s[0] == '\0')
		return fail(r, r->event.start_mark, "hosts: expected a %s",
			    file ? "file name" : "domain name");
	if (file == NULL)
		return put_domain(r, h, s);
	*file = config_resolve_file(r->c, s);
	return 0;
}

/* `hosts` is kept in an array that doubles; the old ones stay in the arena, which is at most as much again. */
static struct config_host *
add_host(struct config *c)
{
	size_t n = c->nhosts;

	if ((n & (n - 1)) == 0) {
		struct config_host *more =
			arena_zalloc(c->arena, (n == 0 ? 1 : 2 * n) * sizeof *more);

		if (n > 0)
			memcpy(more, c->hosts, n * sizeof *more);
		c->hosts = more;
	}
	return &c->hosts[n];
}

static int
read_host(struct reader *r)
{
	struct config_host h = {0};
	yaml_mark_t at = r->event.start_mark;

	if (!is_at(r, YAML_MAPPING_START_EVENT))
		return fail(r, at, "hosts: expected domain, certificate and key");
	if (r->c->nhosts == CONFIG_HOSTS_MAX)
		return fail(r, at, "hosts: more than %d", CONFIG_HOSTS_MAX);
	for (;;) {
		if (next(r) != 0)
			return -1;
		if (is_at(r, YAML_MAPPING_END_EVENT))
			break;
		if (read_host_key(r, &h) != 0)
			return -1;
	}
	if (h.domain == NULL || h.certificate == NULL || h.key == NULL)
		return fail(r, at, "hosts: expected domain, certificate and key; %s is missing",
			    h.domain == NULL      ? "domain" :
			    h.certificate == NULL ? "certificate" :
						    "key");
	*add_host(r->c) = h;
	r->c->nhosts++;
	return 0;
}

static int
read_hosts(struct reader *r)
{
	yaml_mark_t at = r->event.start_mark;

	if (!is_at(r, YAML_SEQUENCE_START_EVENT))
		return fail(
			r, at,
			"hosts: expected a list of hosts, each with domain, certificate and key");
	for (;;) {
		if (next(r) != 0)
			return -1;
		if (is_at(r, YAML_SEQUENCE_END_EVENT))
			break;
		if (read_host(r) != 0)
			return -1;
	}
	return r->c->nhosts > 0 ? 0 : fail(r, at, "hosts: expected one host at least");
}

/* At a key of the outermost mapping. */
static int
read_top(struct reader *r)
{
	const struct config_row *first;
	yaml_mark_t at = r->event.start_mark;
	bool *seen;
	char key[64];

	if (read_key(r, key) != 0)
		return -1;
	first = config_row_section(key);
	if (first == NULL && strcmp(key, "hosts") != 0)
		return fail(r, at, "%s: no such setting", key);
	seen = first != NULL ? &r->section_seen[first - config_rows] : &r->hosts_seen;
	if (*seen)
		return fail(r, at, "%s: given twice", key);
	*seen = true;
	if (next(r) != 0)
		return -1;
	return first != NULL ? read_section(r, key) : read_hosts(r);
}

static int
read_document(struct reader *r)
{
	if (next(r) != 0 || next(r) != 0) /* stream and document begin */
		return -1;
	if (is_at(r, YAML_STREAM_END_EVENT) || next(r) != 0)
		return is_at(r, YAML_STREAM_END_EVENT) ?
			       fail(r, r->event.start_mark, "no settings") :
			       -1;
	if (!is_at(r, YAML_MAPPING_START_EVENT))
		return fail(r, r->event.start_mark,
			    "expected sections of settings like \"listen:\"");
	for (;;) {
		if (next(r) != 0)
			return -1;
		if (is_at(r, YAML_MAPPING_END_EVENT))
			break;
		if (read_top(r) != 0)
			return -1;
	}
	if (next(r) != 0 || next(r) != 0) /* the document ends */
		return -1;
	if (!is_at(r, YAML_STREAM_END_EVENT))
		return fail(r, r->event.start_mark, "a second document");
	return 0;
}

/* Defaults for what was not given; what must be given is asked for at the file's first line. */
static int
complete(struct reader *r)
{
	const yaml_mark_t top = {0};

	if (!r->hosts_seen)
		return fail(
			r, top,
			"hosts: missing; a list of hosts, each with domain, certificate and key");
	for (size_t i = 0; i < config_nrows; i++) {
		if (r->seen[i])
			continue;
		if (config_rows[i].required && config_rows[i].def[0] == '\0')
			return fail(r, top, "%s: missing", config_rows[i].path);
		config_row_default(r->c, &config_rows[i]);
	}
	return 0;
}

int
config_parse_into(struct config *c, const char *text, size_t n, struct err *e)
{
	struct reader r = {.c = c, .text = text, .len = n, .e = e};
	int rc;

	if (n > CONFIG_TEXT_MAX)
		return err_set(e, 0, "%s:1:1: larger than %d bytes", c->file, CONFIG_TEXT_MAX);
	if (!yaml_parser_initialize(&r.yaml))
		return err_set(e, 0, "%s:1:1: out of memory", c->file);
	/* Else a byte-order mark could choose UTF-16. */
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, n);
	r.seen = arena_zalloc(c->arena, config_nrows * sizeof *r.seen);
	r.section_seen = arena_zalloc(c->arena, config_nrows * sizeof *r.section_seen);
	rc = read_document(&r);
	if (rc == 0)
		rc = complete(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.yaml);
	return rc;
}
