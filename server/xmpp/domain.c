/*
 * domain: the domainpart of an address. Called by jid.c for every address, so plain host names
 * are judged here byte by byte, and ICU is asked only for names with other characters or with
 * a label that may be an A-label.
 */
#include "xmpp/domain.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "base/log.h"
#include "xmpp/precis.h"

#define LABEL_MAX 63   /* RFC 1035 §2.3.4 */
#define INPUT_MAX 4096 /* far above what jid.c lets through */

/* The length of DNS names is no rule of ours: RFC 7622 §3.2 has its own, and names within a
 * network need not be in the DNS. */
#define IDNA_IGNORED UIDNA_ERROR_DOMAIN_NAME_TOO_LONG

static pthread_once_t once = PTHREAD_ONCE_INIT;
static UIDNA *idna; /* immutable once opened; lives as long as the process */

static void
open_idna(void)
{
	UErrorCode st = U_ZERO_ERROR;

	idna = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
				       UIDNA_CHECK_CONTEXTO | UIDNA_NONTRANSITIONAL_TO_ASCII |
				       UIDNA_NONTRANSITIONAL_TO_UNICODE,
			       &st);
	if (U_FAILURE(st)) {
		log_error(NULL, "idna-unavailable", "error=%s", u_errorName(st));
		idna = NULL;
	}
}

/* [v6], without zone or future forms (RFC 7622 §3.2). */
static int
prepare_ipv6(const char *s, size_t n, char *out, size_t max)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len;

	if (n < 4 || n - 2 >= sizeof(text) || s[n - 1] != ']')
		return -1;
	memcpy(text, s + 1, n - 2);
	text[n - 2] = '\0';
	if (strlen(text) != n - 2 || inet_pton(AF_INET6, text, &addr) != 1 ||
	    !inet_ntop(AF_INET6, &addr, text, sizeof(text)))
		return -1;
	len = strlen(text);
	if (len + 3 > max)
		return -1;
	out[0] = '[';
	memcpy(out + 1, text, len);
	memcpy(out + 1 + len, "]", 2);
	return (int)len + 2;
}

/* A label of letters, digits and hyphens. Hyphens in the third and fourth place are left to
 * ICU, which knows A-labels. */
static bool
is_plain_label(const char *s, size_t n)
{
	if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	return n < 4 || s[2] != '-' || s[3] != '-';
}

/* Lower-case ASCII names need nothing else; IPv4 addresses are among them. -1: not plain. */
static int
prepare_plain(const char *s, size_t n, char *out, size_t max)
{
	size_t start = 0;

	if (n > 0 && s[n - 1] == '.')
		n--;
	if (n == 0 || n >= max)
		return -1;
	for (size_t i = 0; i <= n; i++) {
		char c = i < n ? s[i] : '.';

		if (c == '.') {
			if (!is_plain_label(s + start, i - start))
				return -1;
			start = i + 1;
		} else if (c >= 'A' && c <= 'Z') {
			c = (char)(c - 'A' + 'a');
		} else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
			return -1;
		}
		if (i < n)
			out[i] = c;
	}
	out[n] = '\0';
	return (int)n;
}

/* True when, after mapping, a label ends in a hyphen. Checked on the input, since an A-label
 * that encodes nothing ("xn--abc-") would otherwise be another spelling of "abc" (UTS 46 §4 as
 * of revision 31). */
static bool
has_final_hyphen(const char *s, size_t n)
{
	UErrorCode st = U_ZERO_ERROR;
	const UNormalizer2 *fold = unorm2_getNFKCCasefoldInstance(&st);
	UChar in[INPUT_MAX], out[INPUT_MAX];
	int32_t in_n, out_n;

	u_strFromUTF8(in, INPUT_MAX, &in_n, s, (int32_t)n, &st);
	out_n = unorm2_normalize(fold, in, in_n, out, INPUT_MAX, &st);
	if (U_FAILURE(st))
		return true;
	for (int32_t i = 0; i < out_n; i++) {
		bool last = i + 1 == out_n || out[i + 1] == '.' || out[i + 1] == 0x3002;

		if (out[i] == '-' && last)
			return true;
	}
	return false;
}

/* UTS 46 lets symbols pass that IDNA2008 does not. What it has mapped is case-folded and in
 * NFKC, and there IDNA2008's PVALID and PRECIS's IdentifierClass agree (RFC 5892 §3, RFC 8264
 * §8). */
static bool
is_idna2008(const char *s, int32_t n)
{
	for (int32_t i = 0; i < n;) {
		UChar32 cp;

		U8_NEXT(s, i, n, cp);
		if (cp < 0 || (cp >= 0x80 && !precis_in_identifier(cp)))
			return false;
	}
	return true;
}

/* ICU measures labels only when it makes A-labels. */
static bool
labels_fit(const char *s, int32_t n)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode st = U_ZERO_ERROR;
	char ascii[INPUT_MAX];

	uidna_nameToASCII_UTF8(idna, s, n, ascii, sizeof(ascii), &info, &st);
	return U_SUCCESS(st) && (info.errors & ~(uint32_t)IDNA_IGNORED) == 0;
}

static int
prepare_idn(const char *s, size_t n, char *out, size_t max)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode st = U_ZERO_ERROR;
	int32_t len;

	pthread_once(&once, open_idna);
	if (!idna || n > INPUT_MAX || max > INT32_MAX || memchr(s, '\0', n))
		return -1;
	if (!precis_is_stream_safe(s, n) || has_final_hyphen(s, n))
		return -1;
	len = uidna_nameToUnicodeUTF8(idna, s, (int32_t)n, out, (int32_t)max, &info, &st);
	if (U_FAILURE(st) || (info.errors & ~(uint32_t)IDNA_IGNORED))
		return -1;
	if (len > 0 && out[len - 1] == '.')
		len--;
	if (len <= 0 || (size_t)len >= max || !is_idna2008(out, len) || !labels_fit(out, len))
		return -1;
	out[len] = '\0';
	return len;
}

int
domain_prepare(const char *s, size_t n, char *out, size_t max)
{
	int len;

	if (n == 0)
		return -1;
	if (s[0] == '[')
		return prepare_ipv6(s, n, out, max);
	len = prepare_plain(s, n, out, max);
	return len >= 0 ? len : prepare_idn(s, n, out, max);
}

int
domain_to_ascii(const char *prepared, char *out, size_t max)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode st = U_ZERO_ERROR;
	int32_t n;

	pthread_once(&once, open_idna);
	if (!idna)
		return -1;
	n = uidna_nameToASCII_UTF8(idna, prepared, (int32_t)strlen(prepared), out, (int32_t)max, &info, &st);
	return U_FAILURE(st) || info.errors || n <= 0 || (size_t)n >= max ? -1 : n;
}
