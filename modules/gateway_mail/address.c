/*
 * address: what RFC 5321 allows, made narrower: each address has one form.
 */
#include "address.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/text.h"

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* RFC 5322 §3.2.3: dot-atom-text. */
static bool
is_dot_atom(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] == '.' ? i == 0 || i + 1 == n || s[i - 1] == '.' : !is_alnum(s[i]) && (!s[i] || !strchr("!#$%&'*+-/=?^_`{|}~", s[i])))
			return false;
	return n > 0;
}

static bool
is_domain(const char *s)
{
	size_t n = strlen(s), label = 0, dots = 0;

	if (n > ADDRESS_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (s[i] == '.' || !s[i]) {
			if (label == 0 || label > 63 || s[i - 1] == '-')
				return false;
			dots += s[i] == '.';
			label = 0;
		} else if (!is_alnum(s[i]) && (s[i] != '-' || label == 0)) {
			return false;
		} else {
			label++;
		}
	}
	return dots > 0;
}

const char *
address_clean(struct arena *a, const char *address)
{
	const char *at = strrchr(address, '@');
	char *out;

	if (!at || at - address > ADDRESS_LOCAL_MAX || !is_dot_atom(address, (size_t)(at - address)) || !is_domain(at + 1))
		return NULL;
	out = arena_strdup(a, address);
	for (char *p = out; *p; p++)
		*p = lower(*p);
	return out;
}

/* Users */

const char *
address_of_user(struct arena *a, const char *user)
{
	struct buf b = { 0 };
	const char *out = NULL;
	size_t n = strlen(user);

	for (size_t i = 0; i < n; i++) {
		char c = user[i];
		bool dot = c == '.' && i > 0 && i + 1 < n && user[i - 1] != '.';

		if ((is_alnum(c) && lower(c) == c) || c == '-' || c == '_' || dot)
			buf_addc(&b, c);
		else
			buf_addf(&b, "=%02x", (unsigned)(unsigned char)c);
	}
	if (n > 0 && buf_len(&b) <= ADDRESS_LOCAL_MAX)
		out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

const char *
address_user(struct arena *a, const char *local, size_t n)
{
	char *out = arena_alloc(a, n + 1), *o = out;
	const char *back;
	uint8_t byte;

	for (size_t i = 0; i < n; i++) {
		if (local[i] != '=') {
			*o++ = lower(local[i]);
		} else if (n - i < 3 || text_unhex(local + i + 1, 2, &byte) != 1 || !byte) {
			return NULL;
		} else {
			*o++ = (char)byte;
			i += 2;
		}
	}
	*o = '\0';
	/* One user, one address. */
	back = text_is_utf8(out, (size_t)(o - out)) ? address_of_user(a, out) : NULL;
	return back && strlen(back) == n && !strncasecmp(back, local, n) ? out : NULL;
}

/* Tokens */

void
address_token(const uint8_t *key, const char *what, const char *one, const char *two, char out[TOKEN_CHARS + 1])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t mac[EVP_MAX_MD_SIZE] = { 0 };
	struct buf b = { 0 };
	unsigned n = 0, bits = 0, o = 0;
	uint32_t v = 0;

	/* With the NULs: no two lists of texts are the same bytes. */
	buf_add(&b, what, strlen(what) + 1);
	buf_add(&b, one, strlen(one) + 1);
	buf_add(&b, two, strlen(two) + 1);
	if (!HMAC(EVP_sha256(), key, ADDRESS_KEY, (const unsigned char *)buf_data(&b), buf_len(&b), mac, &n))
		crypt_random(mac, sizeof(mac)); /* of no use to anybody */
	buf_fini(&b);
	for (unsigned i = 0; o < TOKEN_CHARS; i++) {
		v = v << 8 | mac[i];
		for (bits += 8; bits >= 5 && o < TOKEN_CHARS; bits -= 5)
			out[o++] = digits[v >> (bits - 5) & 31];
	}
	out[o] = '\0';
}

int
address_read(struct arena *a, const char *address, const char *domain, const char **user, const char **token)
{
	const char *at = strrchr(address, '@'), *plus;
	char *t;

	if (!at || strcasecmp(at + 1, domain) || !is_dot_atom(address, (size_t)(at - address)))
		return -1;
	plus = memchr(address, '+', (size_t)(at - address));
	t = plus ? arena_strndup(a, plus + 1, (size_t)(at - plus) - 1) : arena_strdup(a, "");
	for (char *p = t; *p; p++)
		*p = lower(*p);
	*token = t;
	*user = address_user(a, address, (size_t)((plus ? plus : at) - address));
	return *user ? 0 : -1;
}

/* Domains */

bool
address_is_below(const char *domain, const char *parent)
{
	size_t n = strlen(domain), m = strlen(parent);

	return m > 0 && n >= m && !strcasecmp(domain + n - m, parent) && (n == m || domain[n - m - 1] == '.');
}
