/* sip_name: addresses of record. */
#include "sip_name.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define HOST_MAX 255

/* A name, an IPv4 address, or an IPv6 address in brackets; in lower case. */
static bool
take_host(const char *host, size_t n, char *out)
{
	bool brackets = n > 2 && host[0] == '[' && host[n - 1] == ']';

	if (n == 0 || n > HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)host[i];

		if (brackets && i > 0 && i < n - 1 ? !isxdigit(c) && c != ':' && c != '.' :
			!brackets && !(isalnum(c) && c < 0x80) && c != '-' && c != '.')
			return false;
		out[i] = (char)tolower(c);
	}
	out[n] = '\0';
	return brackets || (out[0] != '.' && out[0] != '-' && out[n - 1] != '-' && out[n - 1] != '.' && strstr(out, "..") == NULL);
}

static bool
finish(char out[SIP_NAME_SIZE], size_t user, const char *host, size_t host_len)
{
	if (user == 0 || user + 1 + host_len >= SIP_NAME_SIZE || !text_is_utf8(out, user))
		return false;
	for (size_t i = 0; i < user; i++) {
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			return false;
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] - 'A' + 'a');
	}
	out[user] = '@';
	return take_host(host, host_len, out + user + 1);
}

bool
sip_name_from(const char *user, const char *host, char out[SIP_NAME_SIZE])
{
	size_t n = 0;

	if (user == NULL || host == NULL)
		return false;
	for (; *user != '\0'; user++) {
		char c = *user;

		if (n >= SIP_NAME_SIZE - 2)
			return false;
		if (c == '%') {
			if (text_unhex(user + 1, strnlen(user + 1, 2), &c) != 1)
				return false;
			user += 2;
		}
		out[n++] = c;
	}
	return finish(out, n, host, strlen(host));
}

bool
sip_name_check(const char *text, char out[SIP_NAME_SIZE])
{
	const char *at = strrchr(text, '@');
	size_t user;

	if (at == NULL || (user = (size_t)(at - text)) >= SIP_NAME_SIZE - 2)
		return false;
	memcpy(out, text, user);
	return finish(out, user, at + 1, strlen(at + 1));
}

void
sip_name_uri(struct buf *out, const char *name)
{
	const char *at = strrchr(name, '@');

	buf_adds(out, "sip:");
	for (const char *p = name; p < at; p++) {
		unsigned char c = (unsigned char)*p;

		/* RFC 3261 §25.1: unreserved and user-unreserved. */
		if (c < 0x80 && (isalnum(c) || strchr("-_.!~*'()&=+$,;?/", c) != NULL))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
	buf_adds(out, at);
}

const char *
sip_name_host(const char *name)
{
	return strrchr(name, '@') + 1;
}
