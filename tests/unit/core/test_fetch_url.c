/* Tests of core/file/fetch_url: addresses that people write, and where they lead. */
#include "core/file/fetch_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "net/address.h"

static struct arena *arena;

static int
set_up(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct fetch_url
from(const char *base, const char *text)
{
	struct fetch_url u;

	assert_true(fetch_url_read(arena, base, text, &u));
	return u;
}

static void
leads(const char *base, const char *text, const char *url, const char *host, unsigned port)
{
	struct fetch_url u = from(base, text);

	assert_string_equal(u.url, url);
	assert_string_equal(u.host, host);
	assert_int_equal(u.port, port);
	assert_false(u.literal);
}

static void
names(void **state)
{
	(void)state;
	leads(NULL, "https://a.example/b.png", "https://a.example/b.png", "a.example", 443);
	leads(NULL, "HTTPS://A.Example:8443/b?c=d#e", "https://a.example:8443/b?c=d", "a.example", 8443);
	leads(NULL, "https://a.example", "https://a.example/", "a.example", 443);
	leads(NULL, "https://a.example./x", "https://a.example/x", "a.example", 443);
	leads(NULL, "https://b\xc3\xbc" "cher.example/x", "https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443);
	/* Seen from where a redirection came from */
	leads("https://a.example/x/y", "z", "https://a.example/x/z", "a.example", 443);
	leads("https://a.example:8443/x/y", "/z", "https://a.example:8443/z", "a.example", 8443);
	leads("https://a.example/x", "//b.example/z", "https://b.example/z", "b.example", 443);
	leads("https://a.example/x", "https://b.example/z", "https://b.example/z", "b.example", 443);
}

static void
is_at(const char *text, const char *address)
{
	struct fetch_url u = from(NULL, text);
	char out[ADDRESS_TEXT];

	assert_true(u.literal);
	address_text((const struct sockaddr *)&u.address, out);
	assert_string_equal(out, address);
}

/* However it is written: it must not look like a name. */
static void
literals(void **state)
{
	(void)state;
	is_at("https://192.0.2.1/x", "192.0.2.1");
	is_at("https://127.1/", "127.0.0.1");
	is_at("https://2130706433/", "127.0.0.1");
	is_at("https://0x7f000001/", "127.0.0.1");
	is_at("https://0177.0.0.1/", "127.0.0.1");
	is_at("https://0/", "0.0.0.0");
	is_at("https://[::1]/", "::1");
	is_at("https://[2001:db8::1]:443/", "2001:db8::1");
	is_at("https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "127.0.0.1"); /* full-width digits */
	is_at("https://127\xe3\x80\x82" "0.0.1/", "127.0.0.1");                        /* and full stop */
}

static void
none(void **state)
{
	static const char *const wrong[] = { "", "a", "/a", "//a.example/b", "http://a.example/", "ftp://a.example/", "file:///etc/passwd",
		"gopher://a.example/", "dict://a.example/", "javascript:alert(1)", "https:", "https://", "https:///a", "https://:443/", "https://u@a.example/",
		"https://u:p@a.example/", "https://@a.example/", "https://a.example:0/", "https://a.example:65536/", "https://a.example:x/",
		"https://a.example\\@b.example/", "https://a b.example/", "https://a.example/b c", "https://a.example/\n", "https://a..example/",
		"https://[::1/", "https://[::1%25lo]/", "https://[1.2.3.4]/", "https://[v1.a]/", NULL };
	struct fetch_url u;

	(void)state;
	for (const char *const *w = wrong; *w; w++)
		if (fetch_url_read(arena, NULL, *w, &u))
			fail_msg("%s became %s", *w, u.url);
	assert_false(fetch_url_read(arena, "https://a.example/", "http://a.example/", &u));
	assert_false(fetch_url_read(arena, "https://a.example/", "//u@b.example/", &u));
}

static void
is_called(const char *text, const char *name)
{
	struct fetch_url u = from(NULL, text);

	if (name)
		assert_string_equal(u.name, name);
	else
		assert_null(u.name);
}

static void
files(void **state)
{
	(void)state;
	is_called("https://a.example/x/b.png?c=d/e", "b.png");
	is_called("https://a.example/na%C3%AFve%20plan.pdf", "na\xc3\xafve plan.pdf");
	is_called("https://a.example/x/", NULL);
	is_called("https://a.example", NULL);
	is_called("https://a.example/%ff", NULL);
	is_called("https://a.example/a%00b", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(literals),
		cmocka_unit_test(none),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
