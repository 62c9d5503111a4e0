/*
 * certificate: see certificate.h.
 */
#include "certificate.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "common/table.h"

#define HEAD "chancery-erasure/v1\n"

/* Up to `max` bytes. -1: it cannot be read, or is longer. */
static int
read_file(const char *file, char *out, size_t max, size_t *n)
{
	FILE *f = fopen(file, "re");
	int rc = -1;

	if (!f)
		return -1;
	*n = fread(out, 1, max, f);
	if (ferror(f) == 0 && (*n < max || getc(f) == EOF))
		rc = 0;
	fclose(f);
	return rc;
}

bool
certificate_is(const char *file)
{
	char head[sizeof(HEAD)] = "";
	FILE *f = fopen(file, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(head, 1, strlen(HEAD), f);
	fclose(f);
	return n == strlen(HEAD) && memcmp(head, HEAD, n) == 0;
}

/* NULL: all is well, as far as the key tells. */
static const char *
judge(const char *p, size_t n, const struct note_key *key, struct note *note, struct err *e)
{
	const char *origin;
	size_t len;

	if (note_parse(p, n, note, e) != 0)
		return e->text;
	if (!key)
		return "nobody can tell who has signed it: --key";
	if (note_verify(note, key) != NOTE_SIGNED)
		return "it is not signed by this key, or not as it stands";
	origin = note->text + strlen(HEAD);
	len = strlen(key->name);
	if (note->text_n < strlen(HEAD) + len + 1 || memcmp(origin, key->name, len) != 0 || origin[len] != '\n')
		return "it is of another log than the key";
	return NULL;
}

/* Line by line, as a terminal may have it: who has forged a certificate would have its words hide the verdict below. */
static void
show(const char *p, size_t n)
{
	struct buf out = { 0 };

	while (n) {
		const char *stop = memchr(p, '\n', n);
		size_t len = stop ? (size_t)(stop - p) : n;
		json_t *line = len ? json_stringn(p, len) : NULL;

		if (len)
			table_value(line, &out);
		buf_addc(&out, '\n');
		json_decref(line);
		len += stop != NULL;
		p += len;
		n -= len;
	}
	fputs(buf_str(&out), stdout);
	buf_fini(&out);
}

static void
say(const char *trouble, const struct note *note, bool json)
{
	json_t *o;
	char *text;

	if (!json) {
		if (note->text)
			show(note->text, note->text_n);
		printf("%s%s%s\n", trouble ? "NOT VERIFIED: " : "VERIFIED: the log's key has signed this certificate of erasure", trouble ? trouble : "",
		       trouble ? "" : ".");
		return;
	}
	o = json_pack("{s:b, s:s?, s:s?}", "verified", !trouble, "why", trouble, "certificate", NULL);
	if (note->text)
		json_object_set_new(o, "certificate", json_stringn(note->text, note->text_n));
	text = json_dumps(o, JSON_COMPACT);
	puts(text);
	free(text);
	json_decref(o);
}

int
certificate_verify(const char *file, const struct note_key *key, bool json)
{
	static char p[NOTE_BYTES_MAX];
	struct note note = { 0 };
	struct err e = { 0 };
	const char *trouble;
	size_t n;

	if (read_file(file, p, sizeof(p), &n) != 0) {
		fprintf(stderr, "chancery-verify: %s: it cannot be read, or is too long\n", file);
		return 2;
	}
	trouble = judge(p, n, key, &note, &e);
	say(trouble, &note, json);
	return fflush(stdout) != 0 ? 2 : trouble ? EXIT_FAILURE : EXIT_SUCCESS;
}
