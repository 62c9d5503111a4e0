/* canvas: the same calls make the same bytes; a text longer than a page is on several; what cannot be written fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "export/pdf/canvas.h"

#define AT_US INT64_C(1767225600000000)

static char dir[] = "/tmp/chancery-canvas-XXXXXX";

static void
clear(void)
{
	static const char *const names[] = { "bundle.tmp", "bundle.zip", "journal" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	clear();
	return rmdir(dir);
}

static struct canvas *
begin(struct bundle_out *out, const char *name)
{
	const struct canvas_about about = { .title = "Title", .author = "example.org", .subject = "all", .head = "Head", .at_us = AT_US };
	struct err e = {0};
	struct canvas *c;

	assert_true(bundle_part_begin(out, name));
	c = canvas_new(out, name, &about, &e);
	assert_non_null(c);
	return c;
}

static struct bundle_out *
open_bundle(uint64_t bytes)
{
	const struct bundle_limits limits = { .bytes = bytes };
	struct err e = {0};
	struct bundle_out *out;

	clear();
	out = bundle_out_open(dir, AT_US, &limits, &e);
	assert_non_null(out);
	return out;
}

static unsigned
draw(struct bundle_out *out, const char *name, size_t length)
{
	struct canvas *c = begin(out, name);
	struct err e = {0};
	char *text = mem_zalloc(length + 1);
	unsigned pages;

	memset(text, 'x', length);
	canvas_paragraph(c, CANVAS_TITLE, 0, "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d title");
	canvas_section(c, "section");
	canvas_outline(c, 0, "first");
	canvas_outline(c, 1, "second");
	canvas_line_begin(c, 80, "12:00");
	canvas_line_add(c, CANVAS_NAME, "Romeo");
	canvas_line_add(c, CANVAS_SOFT, text);
	canvas_line_end(c);
	canvas_paragraph(c, CANVAS_TEXT, 80, text);
	canvas_paragraph(c, CANVAS_TEXT, 80, "");
	canvas_rule(c);
	pages = canvas_pages(c);
	assert_int_equal(canvas_close(c, &e), 0);
	canvas_free(c);
	assert_int_equal(bundle_part_end(out, "", &e), 0);
	free(text);
	return pages;
}

static void
test_same(void **state)
{
	struct bundle_out *out = open_bundle(0);

	(void)state;
	assert_int_equal(draw(out, "a.pdf", 100), 1);
	assert_int_equal(draw(out, "b.pdf", 100), 1);
	assert_true(bundle_entry_at(out, 0)->size > 1000);
	assert_memory_equal(bundle_entry_at(out, 0)->sha256, bundle_entry_at(out, 1)->sha256, SHA256_SIZE);
	bundle_out_free(out);
}

static void
test_long(void **state)
{
	struct bundle_out *out = open_bundle(0);

	(void)state;
	assert_true(draw(out, "a.pdf", 100000) > 10);
	bundle_out_free(out);
}

static void
test_empty(void **state)
{
	struct bundle_out *out = open_bundle(0);
	struct canvas *c = begin(out, "a.pdf");
	struct err e = {0};

	(void)state;
	assert_int_equal(canvas_pages(c), 0);
	assert_int_equal(canvas_close(c, &e), 0);
	canvas_free(c);
	bundle_out_free(out);
}

/* The bundle is full: the canvas says so, at the end at the latest. */
static void
test_full(void **state)
{
	struct bundle_out *out = open_bundle(2000);
	struct canvas *c = begin(out, "a.pdf");
	struct err e = {0};

	(void)state;
	for (int i = 0; i < 400; i++)
		canvas_paragraph(c, CANVAS_TEXT, 0, "words that go on and on");
	assert_int_equal(canvas_close(c, &e), -1);
	assert_non_null(strstr(e.text, "limits.export_bytes"));
	canvas_free(c);
	bundle_out_free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
