/*
 * report: collects and prints (see report.h).
 */
#include "report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "common/table.h"

static const char *const names[CHECK_COUNT] = {
#define CHECK_TEXT(id, name, title) name,
	CHECKS(CHECK_TEXT)
#undef CHECK_TEXT
};
static const char *const titles[CHECK_COUNT] = {
#define CHECK_TEXT(id, name, title) title,
	CHECKS(CHECK_TEXT)
#undef CHECK_TEXT
};

void
report_fini(struct report *r)
{
	free(r->key);
	free(r->about);
	for (int c = 0; c < CHECK_COUNT; c++) {
		free(r->check[c].right);
		for (uint64_t i = 0; i < r->check[c].n && i < REPORT_FINDINGS; i++)
			free(r->check[c].found[i]);
	}
	memset(r, 0, sizeof(*r));
}

static char *
say(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		mem_exhausted(0);
	text_mend(s); /* a name may have been cut within a character */
	return s;
}

void
report_right(struct report *r, enum check c, const char *fmt, ...)
{
	va_list ap;

	free(r->check[c].right);
	va_start(ap, fmt);
	r->check[c].right = say(fmt, ap);
	va_end(ap);
}

void
report_found(struct report *r, enum check c, const char *fmt, ...)
{
	struct report_check *k = &r->check[c];
	va_list ap;

	if (k->n < REPORT_FINDINGS) {
		va_start(ap, fmt);
		k->found[k->n] = say(fmt, ap);
		va_end(ap);
	}
	k->n++;
}

bool
report_is_clean(const struct report *r, enum check c)
{
	return !r->check[c].n;
}

bool
report_verified(const struct report *r)
{
	for (int c = 0; c < CHECK_COUNT; c++)
		if (r->check[c].n || (!r->check[c].right && c != CHECK_OUTSIDE))
			return false;
	return true;
}

static uint64_t
findings(const struct report *r)
{
	uint64_t n = 0;

	for (int c = 0; c < CHECK_COUNT; c++)
		n += r->check[c].n;
	return n;
}

/* As a terminal may have it. */
static void
add_harmless(struct buf *out, const char *s)
{
	json_t *v = json_string(s);

	table_value(v, out);
	json_decref(v);
}

static void
print_check(const struct report *r, enum check c, struct buf *out)
{
	const struct report_check *k = &r->check[c];

	if (!k->n && !k->right) {
		if (c != CHECK_OUTSIDE)
			buf_addf(out, "  ----   %-16s was not checked to the end\n", titles[c]);
		return;
	}
	if (!k->n) {
		buf_addf(out, "  right  %-16s ", titles[c]);
		add_harmless(out, k->right);
		buf_addc(out, '\n');
		return;
	}
	for (uint64_t i = 0; i < k->n && i < REPORT_FINDINGS; i++) {
		buf_addf(out, "  WRONG  %-16s ", titles[c]);
		add_harmless(out, k->found[i]);
		buf_addc(out, '\n');
	}
	if (k->n > REPORT_FINDINGS)
		buf_addf(out, "  WRONG  %-16s and %" PRIu64 " more of the kind\n", titles[c], k->n - REPORT_FINDINGS);
}

static void
print_line(const json_t *x, const char *key, const char *title, struct buf *out)
{
	const json_t *v = json_object_get(x, key);

	if (!v || json_is_null(v))
		return;
	buf_addf(out, "  %-12s ", title);
	table_value(v, out);
	buf_addc(out, '\n');
}

static void
print_about(const struct report *r, struct buf *out)
{
	json_t *x = r->about ? json_loads(r->about, 0, NULL) : NULL;

	if (!x)
		return;
	buf_adds(out, "\nThe bundle says of itself:\n");
	print_line(x, "query_text", "query", out);
	print_line(x, "asked_by", "asked by", out);
	print_line(x, "approved_by", "approved by", out);
	print_line(x, "reason", "reason", out);
	print_line(x, "finished_at", "made at", out);
	buf_addf(out, "  %-12s %" PRIu64 " exported (%" PRIu64 " of them erased), %" PRIu64 " outside\n", "records", r->exported, r->erased, r->size - r->exported);
	json_decref(x);
}

static void
print_sum(const struct report *r, struct buf *out)
{
	if (!report_verified(r)) {
		uint64_t n = findings(r);

		buf_addf(out, "\nNOT VERIFIED: %" PRIu64 " finding%s. Do not rely on this bundle.\n", n, n == 1 ? "" : "s");
	} else if (r->trusted) {
		buf_adds(out, "\nVERIFIED: every record is what the log has, every place in the log is accounted for, and no file was changed.\n"
			      "What the readable files say was signed by the log's owner; it was not compared with the records.\n");
	} else {
		buf_adds(out, "\nTHE BUNDLE AGREES WITH ITSELF, AND THAT IS ALL THAT THIS SHOWS: whoever can write a bundle can write one that does.\n"
			      "Its signatures are by this key, which it brings itself:\n\n  ");
		add_harmless(out, r->key ? r->key : "");
		buf_adds(out, "\n\nGet the log's key from its owner by another way and give it with --key.\n");
	}
}

void
report_print(const struct report *r, struct buf *out)
{
	add_harmless(out, r->file);
	buf_adds(out, "\n\n");
	for (int c = 0; c < CHECK_COUNT; c++)
		print_check(r, (enum check)c, out);
	print_about(r, out);
	print_sum(r, out);
}

static json_t *
check_json(const struct report *r, enum check c)
{
	const struct report_check *k = &r->check[c];
	json_t *list = json_array(), *j = json_object();

	for (uint64_t i = 0; i < k->n && i < REPORT_FINDINGS; i++)
		json_array_append_new(list, json_string(k->found[i]));
	json_object_set_new(j, "check", json_string(names[c]));
	json_object_set_new(j, "state", json_string(k->n ? "wrong" : k->right ? "right" : "unchecked"));
	json_object_set_new(j, "text", k->n || !k->right ? json_null() : json_string(k->right));
	json_object_set_new(j, "findings", json_integer((json_int_t)k->n));
	json_object_set_new(j, "found", list);
	return j;
}

void
report_print_json(const struct report *r, struct buf *out)
{
	json_t *j = json_object(), *list = json_array(), *about = r->about ? json_loads(r->about, 0, NULL) : NULL;
	json_t *file = json_string(r->file);
	char *text;

	for (int c = 0; c < CHECK_COUNT; c++)
		json_array_append_new(list, check_json(r, (enum check)c));
	/* A name that is not UTF-8 is the caller's own business. */
	json_object_set_new(j, "file", file ? file : json_null());
	json_object_set_new(j, "verified", json_boolean(report_verified(r)));
	json_object_set_new(j, "trusted", json_boolean(r->trusted));
	json_object_set_new(j, "key", r->key ? json_string(r->key) : json_null());
	json_object_set_new(j, "exported", json_integer((json_int_t)r->exported));
	json_object_set_new(j, "erased", json_integer((json_int_t)r->erased));
	json_object_set_new(j, "size", json_integer((json_int_t)r->size));
	json_object_set_new(j, "export", about ? about : json_null());
	json_object_set_new(j, "checks", list);
	text = json_dumps(j, JSON_COMPACT);
	buf_adds(out, text);
	buf_addc(out, '\n');
	free(text);
	json_decref(j);
}
