/*
 * Tests of net/cert: the whole certificate zoo (tests/conformance/chancerytest/zoo.py) is judged as its keeper says; pins are read and written;
 * no certificate makes words that cannot be shown.
 */
#include "net/cert.h"

#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"

#define FIELDS 14
#define DAY 86400

enum { NAME, VERDICT, WORDS, DOMAIN, ASCII, CERTIFICATE, TRUST, PINS, TLSA, ALSO, LISTS, REVOCATION, OCSP, DAYS };

static char dir[] = "/tmp/chancery-zoo-XXXXXX";

static char *
file_text(const char *name, size_t *len)
{
	FILE *f = fopen(name, "r");
	char *p = malloc(1 << 20);
	size_t n;

	if (!f || !p)
		fail_msg("cannot read %s", name);
	n = fread(p, 1, (1 << 20) - 1, f);
	fclose(f);
	p[n] = '\0';
	if (len)
		*len = n;
	return p;
}

static char *
zoo_text(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_text(path, NULL);
}

/* What xmpp/domain does, as far as the zoo needs it: this layer knows nothing of it. */
static int
prepare(const char *s, size_t n, char out[1024])
{
	for (size_t i = 0; i < n; i++) {
		out[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];
		if (i && s[i - 1] == '\xc3' && s[i] == '\x9c')
			out[i] = '\xbc';
	}
	out[n] = '\0';
	return memchr(s, '@', n) ? -1 : 0;
}

struct shown {
	X509 *leaf;
	STACK_OF(X509) *chain;
};

static struct shown
show(const char *file)
{
	char *text = file_text(file, NULL);
	BIO *b = BIO_new_mem_buf(text, -1);
	struct shown s = { PEM_read_bio_X509(b, NULL, NULL, NULL), sk_X509_new_null() };
	X509 *x;

	while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		sk_X509_push(s.chain, x);
	BIO_free(b);
	free(text);
	assert_non_null(s.leaf);
	return s;
}

static void
hide(struct shown *s)
{
	X509_free(s->leaf);
	sk_X509_pop_free(s->chain, X509_free);
}

static size_t
read_pins(char *text, unsigned char pins[][CERT_PIN], size_t max)
{
	size_t n = 0;

	for (char *p, *rest = text; *text != '-' && (p = strtok_r(rest, ",", &rest)) && n < max; n++)
		assert_int_equal(cert_pin_read(p, pins[n]), 0);
	return n;
}

static size_t
read_tlsa(char *text, struct cert_tlsa *t, size_t max)
{
	size_t n = 0;

	for (char *p, *rest = text; *text != '-' && (p = strtok_r(rest, ",", &rest)) && n < max; n++) {
		unsigned u, s, m;
		int at = 0;
		ssize_t len;

		assert_int_equal(sscanf(p, "%u %u %u %n", &u, &s, &m, &at), 3);
		/* In place. */
		len = text_unhex(p + at, strlen(p + at), p);
		assert_true(len >= 0);
		t[n] = (struct cert_tlsa){ (uint8_t)u, (uint8_t)s, (uint8_t)m, (unsigned char *)p, (size_t)len };
	}
	return n;
}

static void
presentable(const char *text)
{
	assert_true(text_is_utf8(text, strlen(text)));
	for (; *text; text++)
		assert_false((unsigned char)*text < 0x20 || *text == 0x7f);
}

static unsigned
judge(char *f[FIELDS], struct cert_store *store)
{
	unsigned char pins[4][CERT_PIN];
	struct cert_tlsa tlsa[8];
	const char *also[1] = { f[ALSO] };
	struct shown s = show(f[CERTIFICATE]);
	size_t ocsp_len = 0;
	char *ocsp = strcmp(f[OCSP], "-") ? file_text(f[OCSP], &ocsp_len) : NULL;
	struct cert_question q = { .leaf = s.leaf, .chain = s.chain, .domain = f[DOMAIN], .ascii = f[ASCII], .prepare = prepare, .store = store,
		.lists = strcmp(f[LISTS], "-") ? store : NULL, .ocsp = (unsigned char *)ocsp, .ocsp_len = ocsp_len,
		.revocation = strcmp(f[REVOCATION], "hard") ? CERT_REVOCATION_SOFT : CERT_REVOCATION_HARD,
		.trust = !strcmp(f[TRUST], "pin") ? CERT_BY_PIN : !strcmp(f[TRUST], "dane") ? CERT_BY_DANE : CERT_BY_CA,
		.pins = (const unsigned char (*)[CERT_PIN])pins, .tlsa = tlsa, .also = also, .nalso = strcmp(f[ALSO], "-") ? 1 : 0,
		.now = time(NULL) + atoi(f[DAYS]) * DAY };
	struct cert_answer a;
	unsigned wrong = 0;

	q.npins = read_pins(f[PINS], pins, 4);
	q.ntlsa = read_tlsa(f[TLSA], tlsa, 8);
	cert_judge(&q, &a);
	presentable(a.words);
	presentable(a.subject);
	presentable(a.issuer);
	assert_int_equal(strlen(a.fingerprint), 64);
	if (strcmp(cert_verdict_name(a.verdict), f[VERDICT]) || (strcmp(f[WORDS], "-") && !strstr(a.words, f[WORDS]))) {
		print_error("%s: %s (%s)\n    instead of %s (%s)\n", f[NAME], cert_verdict_name(a.verdict), a.words, f[VERDICT], f[WORDS]);
		wrong = 1;
	}
	/* Nothing was taken along that was not given back: twice is the same. */
	q.revocation = CERT_REVOCATION_OFF;
	cert_judge(&q, &a);
	free(ocsp);
	hide(&s);
	return wrong;
}

static void
zoo(void **state)
{
	struct err e;
	char *ca = zoo_text("ca.pem"), *crl = zoo_text("crl.pem"), *list = zoo_text("list");
	struct cert_store *store = cert_store_new(ca, crl, &e);
	unsigned n = 0, wrong = 0;

	(void)state;
	assert_non_null(store);
	assert_int_equal(cert_store_anchors(store), 1);
	assert_int_equal(cert_store_lists(store), 4);
	for (char *line, *rest = list; (line = strtok_r(rest, "\n", &rest)); n++) {
		char *f[FIELDS];
		size_t k = 0;

		for (char *p; k < FIELDS && (p = strsep(&line, "\t"));)
			f[k++] = p;
		assert_int_equal(k, FIELDS);
		wrong += judge(f, store);
	}
	cert_store_unref(store);
	free(ca);
	free(crl);
	free(list);
	assert_true(n > 100);
	if (wrong)
		fail_msg("%u of %u are misjudged", wrong, n);
}

static void
absent(void **state)
{
	struct cert_question q = { .domain = "partner.test" };
	struct cert_answer a;

	(void)state;
	cert_judge(&q, &a);
	assert_int_equal(a.verdict, CERT_ABSENT);
	assert_string_equal(a.fingerprint, "");
	assert_string_equal(a.words, "it shows no certificate");
}

/* An entry that trusts nobody trusts nobody. */
static void
nobody(void **state)
{
	char path[64];
	struct shown s;
	struct cert_question q = { .domain = "partner.test" };
	struct cert_answer a;

	(void)state;
	snprintf(path, sizeof(path), "%s/good.pem", dir);
	s = show(path);
	q.leaf = s.leaf;
	q.now = time(NULL);
	for (q.trust = CERT_BY_CA; q.trust <= CERT_BY_DANE; q.trust++) {
		cert_judge(&q, &a);
		assert_int_not_equal(a.verdict, CERT_GOOD);
		assert_string_not_equal(a.words, "");
	}
	hide(&s);
}

static void
pins(void **state)
{
	static const char *const bad[] = { "", "sha256/", "sha256/AAAA", "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
		"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "sha256/ AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
	unsigned char pin[CERT_PIN], again[CERT_PIN];
	char text[64];

	(void)state;
	for (size_t i = 0; i < CERT_PIN; i++)
		pin[i] = (unsigned char)(i * 9);
	cert_pin_write(pin, text);
	assert_int_equal(strlen(text), 51);
	assert_int_equal(cert_pin_read(text, again), 0);
	assert_memory_equal(pin, again, CERT_PIN);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(cert_pin_read(bad[i], again), -1);
}

static void
stores(void **state)
{
	char *ca = zoo_text("ca.pem"), *crl = zoo_text("crl.pem"), *broken = strdup(ca);
	struct cert_store *s;
	struct err e;

	(void)state;
	assert_null(cert_store_new("", NULL, &e));
	assert_string_equal(e.text, "no certificate in it");
	assert_null(cert_store_new(ca, "nothing", &e));
	assert_string_equal(e.text, "no revocation list in it");
	assert_null(cert_store_new(crl, NULL, &e));
	memcpy(strstr(broken, "\n") + 5, "!!!!", 4);
	assert_null(cert_store_new(broken, NULL, &e));
	assert_non_null(strstr(e.text, "certificate 1: "));
	s = cert_store_new(NULL, crl, &e);
	assert_non_null(s);
	assert_int_equal(cert_store_anchors(s), 0);
	cert_store_unref(cert_store_ref(s));
	cert_store_unref(s);
	cert_store_unref(NULL);
	free(ca);
	free(crl);
	free(broken);
}

static int
make(void **state)
{
	char command[512];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(command, sizeof(command), "python3 '%s/tests/conformance/chancerytest/zoo.py' %s", TEST_SOURCE, dir);
	return system(command);
}

static int
unmake(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zoo),
		cmocka_unit_test(absent),
		cmocka_unit_test(nobody),
		cmocka_unit_test(pins),
		cmocka_unit_test(stores),
	};

	return cmocka_run_group_tests_name("net/cert", tests, make, unmake);
}
