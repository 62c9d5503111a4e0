/* rsmf: files of at most 10,000 records; changes are with what they change, or events where that is in another file; the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

#include "unit/export/desk.h"
#include "base/text.h"
#include "export/formats.h"

/* rsmf.zip of a mail, as bytes. */
static size_t
zip_of(struct desk *k, size_t i, char **zip)
{
	const char *mail = buf_str(&k->out.file[i].data), *at = strstr(mail, "filename=rsmf.zip"), *end;
	size_t n;
	ssize_t got;

	if (!at)
		at = strstr(mail, "filename=\"rsmf.zip\"");
	assert_non_null(at);
	at = strstr(at, "\r\n\r\n") + 4;
	end = strstr(at, "\r\n--=_");
	n = (size_t)(end - at);
	*zip = malloc(n);
	got = text_base64_decode_lines(at, n, *zip);
	assert_true(got > 0);
	return (size_t)got;
}

/* The first member: the manifest, deflated, behind a head of 30 bytes, its name and 20 bytes of sizes. */
static json_t *
manifest_of(struct desk *k, size_t i)
{
	char *zip, *text;
	size_t n = zip_of(k, i, &zip), head = 30 + strlen("rsmf_manifest.json") + 20;
	uint64_t size;
	z_stream s = {0};
	json_error_t why;
	json_t *o;

	assert_memory_equal(zip + 30, "rsmf_manifest.json", 18);
	memcpy(&size, zip + 30 + 18 + 4, sizeof(size));
	text = malloc(size + 1);
	assert_int_equal(inflateInit2(&s, -15), Z_OK);
	s.next_in = (Bytef *)zip + head;
	s.avail_in = (uInt)(n - head);
	s.next_out = (Bytef *)text;
	s.avail_out = (uInt)size;
	assert_int_equal(inflate(&s, Z_FINISH), Z_STREAM_END);
	assert_int_equal(s.total_out, size);
	(void)inflateEnd(&s);
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!o)
		fail_msg("%s at %d: %.200s", why.text, why.position, text + (why.position > 100 ? why.position - 100 : 0));
	free(text);
	free(zip);
	return o;
}

static const json_t *
event(const json_t *manifest, size_t i)
{
	return json_array_get(json_object_get(manifest, "events"), i);
}

static const char *
said(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const char juliet[] = "juliet@example.org", romeo[] = "romeo@example.org";
static struct export_target target;
static uint64_t of[6];

/* Each is from one of two; those from 1 on may be about record of[i], if that is not 0. */
static enum record_kind kinds[6];
static const char *xmls[6], *bodies[6];

static void
make_some(uint64_t i, struct export_record *r)
{
	r->from = (struct export_person){ .bare = i % 2 ? juliet : romeo, .name = i % 2 ? "Juliet" : "Romeo", .ours = true };
	r->to = (struct export_person){ .bare = i % 2 ? romeo : juliet, .name = i % 2 ? "Romeo" : "Juliet", .ours = true };
	r->kind = kinds[i];
	r->kind_name = "message";
	r->body = bodies[i];
	r->xml = xmls[i];
	r->client_id = i == 0 ? "m1" : NULL;
	r->refers_to = r->kind == RECORD_RECEIPT ? "m1" : NULL;
}

static const struct export_target *
target_some(const struct export_record *r)
{
	uint64_t i = r->id - 1767225600000000;

	if (r->kind == RECORD_RECEIPT || !of[i])
		return NULL;
	target = (struct export_target){ .id = of[i], .log_index = 100 + of[i] - 1767225600000000, .at_us = DESK_DAY, .body = "before" };
	return &target;
}

static void
run(struct desk *k, uint64_t n)
{
	struct desk_group g = { .group = { .records = n, .conversation = "juliet@example.org romeo@example.org" }, .make = make_some, .target = target_some };
	struct err e = {0};

	desk_open(k, &export_rsmf);
	if (desk_group(k, &g, &e))
		fail_msg("%s", e.text);
}

static void
clear(void)
{
	memset(of, 0, sizeof(of));
	memset(xmls, 0, sizeof(xmls));
	for (int i = 0; i < 6; i++) {
		kinds[i] = RECORD_MESSAGE;
		bodies[i] = "word";
	}
}

static void
test_changes(void **s)
{
	const uint64_t first = 1767225600000000;
	const json_t *v, *x;
	struct desk k;
	json_t *m;

	(void)s;
	clear();
	bodies[0] = "one\xe2\x80\xae";
	kinds[1] = RECORD_REACTION;
	xmls[1] = "<message><reactions xmlns='urn:xmpp:reactions:0'><reaction>+</reaction><reaction>!</reaction></reactions></message>";
	kinds[2] = kinds[4] = RECORD_CORRECTION;
	bodies[2] = "two";
	bodies[4] = "three";
	kinds[3] = RECORD_REACTION;
	xmls[3] = "<message><reactions xmlns='urn:xmpp:reactions:0'><reaction>!</reaction></reactions></message>";
	kinds[5] = RECORD_RECEIPT;
	xmls[5] = "<message><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>";
	of[1] = of[2] = of[3] = of[4] = first;
	run(&k, 6);
	m = manifest_of(&k, 0);
	assert_int_equal(json_array_size(json_object_get(m, "events")), 1);
	v = event(m, 0);
	assert_string_equal(said(v, "body"), "three");
	x = json_object_get(v, "edits");
	assert_int_equal(json_array_size(x), 2);
	assert_string_equal(said(json_array_get(x, 0), "previous"), "one[U+202E]");
	assert_string_equal(said(json_array_get(x, 0), "new"), "two");
	assert_string_equal(said(json_array_get(x, 1), "previous"), "two");
	/* The later reaction of the same person is the one that holds. */
	x = json_object_get(v, "reactions");
	assert_int_equal(json_array_size(x), 1);
	assert_string_equal(said(json_array_get(x, 0), "value"), "!");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(x, 0), "count")), 1);
	x = json_object_get(v, "read_receipts");
	assert_string_equal(said(json_array_get(x, 0), "action"), "read");
	assert_int_equal(json_array_size(json_object_get(v, "custom")), 6);
	json_decref(m);
	desk_close(&k);
}

static void
test_elsewhere(void **s)
{
	struct desk k;
	json_t *m;

	(void)s;
	clear();
	kinds[0] = RECORD_CORRECTION;
	kinds[1] = RECORD_RETRACTION;
	bodies[0] = "after";
	bodies[1] = NULL;
	kinds[2] = RECORD_RETRACTION;
	bodies[2] = NULL;
	of[0] = of[1] = 1767225500000000;
	of[2] = 1767225600000000;
	run(&k, 3);
	m = manifest_of(&k, 0);
	assert_int_equal(json_array_size(json_object_get(m, "events")), 2);
	assert_string_equal(said(event(m, 0), "body"), "after");
	assert_string_equal(said(json_array_get(json_object_get(event(m, 0), "edits"), 0), "previous"), "before");
	assert_true(json_is_true(json_object_get(event(m, 0), "deleted")));
	assert_string_equal(said(event(m, 1), "type"), "unknown");
	assert_string_equal(said(event(m, 1), "body"), "took back a message");
	json_decref(m);
	desk_close(&k);
}

static void
test_answer(void **s)
{
	struct desk k;
	json_t *m;

	(void)s;
	clear();
	xmls[1] = "<message><reply xmlns='urn:xmpp:reply:0' id='m1'/></message>";
	xmls[2] = "<message><reply xmlns='urn:xmpp:reply:0' id='never'/></message>";
	run(&k, 3);
	m = manifest_of(&k, 0);
	assert_string_equal(said(event(m, 1), "parent"), said(event(m, 0), "id"));
	assert_null(json_object_get(event(m, 2), "parent"));
	json_decref(m);
	desk_close(&k);
}

static char crowd[64];

static void
make_crowd(uint64_t i, struct export_record *r)
{
	snprintf(crowd, sizeof(crowd), "person-%llu@example.org", (unsigned long long)i);
	r->from = (struct export_person){ .bare = crowd, .name = crowd };
	r->to = (struct export_person){ .bare = "room@muc.example.org", .name = "room@muc.example.org" };
	r->body = "word";
}

/* 25,000 records, as many people: three files, all in all of them once. */
static void
test_parts(void **s)
{
	struct desk_group g = { .group = { .records = 25000, .conversation = "room@muc.example.org", .place = EXPORT_ROOM }, .make = make_crowd };
	struct err e = {0};
	struct desk k;
	size_t all = 0;

	(void)s;
	desk_open(&k, &export_rsmf);
	assert_int_equal(desk_group(&k, &g, &e), 0);
	assert_int_equal(k.out.n, 3);
	assert_string_equal(k.out.file[2].name, "rsmf/2026-01-01-romeo-juliet-0123456789abcdef.3.rsmf");
	for (size_t i = 0; i < 3; i++) {
		json_t *m = manifest_of(&k, i);
		char line[64];

		assert_int_equal(json_array_size(json_object_get(m, "events")), i < 2 ? 10000 : 5000);
		assert_int_equal(json_array_size(json_object_get(m, "participants")), i < 2 ? 10000 : 5000);
		snprintf(line, sizeof(line), "X-RSMF-EventCount: %d\r\n", i < 2 ? 10000 : 5000);
		assert_non_null(strstr(buf_str(&k.out.file[i].data), line));
		all += json_array_size(json_object_get(m, "events"));
		json_decref(m);
	}
	assert_int_equal(all, 25000);
	desk_close(&k);
}

static void
test_same_bytes(void **s)
{
	struct desk one, two;

	(void)s;
	clear();
	run(&one, 6);
	run(&two, 6);
	assert_string_equal(buf_str(&one.out.file[0].data), buf_str(&two.out.file[0].data));
	desk_close(&one);
	desk_close(&two);
}

static void
make_erased(uint64_t i, struct export_record *r)
{
	(void)i;
	r->erased = true;
	r->kind = (enum record_kind)0;
	r->kind_name = "";
}

static void
test_erased(void **s)
{
	struct desk_group g = { .group = { .records = 2, .conversation = "" }, .make = make_erased };
	struct err e = {0};
	struct desk k;
	json_t *m;

	(void)s;
	desk_open(&k, &export_rsmf);
	assert_int_equal(desk_group(&k, &g, &e), 0);
	m = manifest_of(&k, 0);
	assert_true(json_is_true(json_object_get(event(m, 1), "deleted")));
	assert_string_equal(said(event(m, 1), "body"), "(erased)");
	assert_null(json_object_get(event(m, 1), "participant"));
	json_decref(m);
	desk_close(&k);
}

static void
test_disk_full(void **s)
{
	struct desk_group g = { .group = { .records = 6, .conversation = "a@x b@x" }, .make = make_some, .target = target_some };
	struct err e = {0};
	struct desk k;

	(void)s;
	clear();
	desk_open(&k, &export_rsmf);
	k.out.fail_at = 500;
	assert_int_equal(desk_group(&k, &g, &e), -1);
	assert_non_null(strstr(e.text, "no space"));
	desk_close(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes), cmocka_unit_test(test_elsewhere), cmocka_unit_test(test_answer), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_erased), cmocka_unit_test(test_disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
