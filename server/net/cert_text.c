/*
 * cert_text: what is in a certificate, fit to be shown: names and dates. Whoever made the certificate chose every byte of it, and what
 * we say of it goes to logs, terminals, the database and stream errors.
 */
#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "net/cert_priv.h"

/* Bytes of the UTF-8 sequence at p, 0 when it is none or nothing that may be shown: controls, characters that turn the direction of
 * writing or cannot be seen, and those that XML does not have. */
static size_t
sequence(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n > left || !text_is_utf8((const char *)p, n))
		return 0;
	c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c & 0xfffe) == 0xfffe)
		return 0;
	return n;
}

void
cert_text_clean(const void *p, size_t n, char *out, size_t max)
{
	const unsigned char *s = p;
	size_t len = 0;

	for (size_t i = 0; i < n;) {
		size_t k = sequence(s + i, n - i);

		if (len + (k ? k : 1) + 1 > max)
			break;
		if (k)
			memcpy(out + len, s + i, k);
		else
			out[len] = '?';
		len += k ? k : 1;
		i += k ? k : 1;
	}
	out[len] = '\0';
}

static void
entry_text(const X509_NAME_ENTRY *entry, char *out, size_t max)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

	cert_text_clean(n > 0 ? utf8 : (const unsigned char *)"", n > 0 ? (size_t)n : 0, out, max);
	OPENSSL_free(utf8);
}

void
cert_text_whole(const X509_NAME *n, char *out, size_t max)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;
	long len = 0;

	/* RFC 4514, most significant last, but with readable non-ASCII letters. */
	if (b && X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
		len = BIO_get_mem_data(b, &p);
	cert_text_clean(len > 0 ? p : "", len > 0 ? (size_t)len : 0, out, max);
	BIO_free(b);
}

void
cert_text_name(const X509_NAME *n, char *out, size_t max)
{
	static const int nids[] = { NID_commonName, NID_organizationalUnitName, NID_organizationName };

	for (size_t i = 0; i < sizeof(nids) / sizeof(*nids); i++) {
		int at = X509_NAME_get_index_by_NID(n, nids[i], -1);

		if (at < 0)
			continue;
		entry_text(X509_NAME_get_entry(n, at), out, max);
		if (*out)
			return;
	}
	cert_text_whole(n, out, max);
	if (!*out)
		snprintf(out, max, "(nameless)");
}

int64_t
cert_text_seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

const char *
cert_text_day(int64_t seconds, char out[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%d", &tm) == 0)
		snprintf(out, 32, "an unknown day");
	return out;
}
