#include "gateway/address.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "xmpp/jid.h"

#define HEX_MARK "=x"

/* XEP-0106 §3, table 1. */
static const char escaped[] = " \"&'/:<>@\\";

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that "\xx" at s stands for; 0: none. */
static char
unescaped(const char *s)
{
	int hi, lo;

	if (s[0] != '\\' || (hi = digit(s[1])) < 0 || (lo = digit(s[2])) < 0)
		return 0;
	return hi * 16 + lo && strchr(escaped, hi * 16 + lo) ? (char)(hi * 16 + lo) : 0;
}

/* A backslash is escaped only where it would be read as the beginning of an escape (§2.3). */
static int
escape(const char *foreign, char *out)
{
	size_t n = 0;

	for (const char *p = foreign; *p; p++) {
		bool must = *p == '\\' ? unescaped(p) != 0 : strchr(escaped, *p) != NULL;

		if (n + 4 >= ADDRESS_LOCAL_MAX)
			return -1;
		if (must)
			n += (size_t)sprintf(out + n, "\\%02x", (unsigned char)*p);
		else
			out[n++] = *p;
	}
	out[n] = '\0';
	return 0;
}

static int
in_hex(const char *foreign, char *out)
{
	size_t n = strlen(foreign);

	if (2 * n + sizeof(HEX_MARK) >= ADDRESS_LOCAL_MAX)
		return -1;
	memcpy(out, HEX_MARK, 2);
	text_hex(foreign, n, out + 2);
	return 0;
}

int
gateway_address_to_local(const char *foreign, char local[ADDRESS_LOCAL_MAX])
{
	char plain[ADDRESS_LOCAL_MAX], back[NETWORK_ADDRESS_MAX];
	size_t n = strlen(foreign);

	if (n == 0 || n >= NETWORK_ADDRESS_MAX)
		return -1;
	if (strncmp(foreign, HEX_MARK, 2) == 0 || escape(foreign, plain) || jid_prepare_local(plain, strlen(plain), local))
		return in_hex(foreign, local);
	/* What preparation changed beyond case would come back as somebody else. */
	if (gateway_address_from_local(local, back) || (strcmp(back, foreign) && !text_equal_nocase(back, foreign)))
		return in_hex(foreign, local);
	return 0;
}

int
gateway_address_from_local(const char *local, char foreign[NETWORK_ADDRESS_MAX])
{
	size_t n = 0;
	ssize_t len;

	if (strncmp(local, HEX_MARK, 2) == 0) {
		n = strlen(local + 2);
		if (n == 0 || n / 2 >= NETWORK_ADDRESS_MAX || (len = text_unhex(local + 2, n, foreign)) < 0 || !text_is_utf8(foreign, (size_t)len))
			return -1;
		foreign[len] = '\0';
		return 0;
	}
	for (const char *p = local; *p; p++) {
		char c = unescaped(p);

		if (n + 1 >= NETWORK_ADDRESS_MAX)
			return -1;
		foreign[n++] = c ? c : *p;
		if (c)
			p += 2;
	}
	foreign[n] = '\0';
	return n ? 0 : -1;
}
