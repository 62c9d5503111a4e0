/*
 * service: cuts the text at its colons. Used to check settings, and by the module that announces the services.
 */
#include "base/service.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

/* Ends the part at the next colon; the rest, or NULL when there is none. */
static char *
cut(char *s)
{
	char *colon = strchr(s, ':');

	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

/* RFC 6335 §5.1: letters, digits, hyphen. */
static bool
is_word(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static char *
cut_host(char *s, struct service *out)
{
	char *end;

	if (*s != '[') {
		out->host = s;
		return cut(s);
	}
	out->host = s + 1;
	end = strchr(s, ']');
	if (!end || end[1] != ':')
		return NULL;
	*end = '\0';
	return end + 2;
}

static bool
is_host(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '/' || *c == '[' || *c == '@')
			return false;
	return *s;
}

bool
service_parse(const char *text, struct service *out)
{
	size_t n = strlen(text);
	uint64_t port;
	char *s = out->text;

	if (n >= sizeof(out->text))
		return false;
	memcpy(s, text, n + 1);
	out->type = s;
	if (!(s = cut(s)) || !(s = cut_host(s, out)))
		return false;
	out->port = s;
	if (!(s = cut(s)))
		return false;
	out->transport = s;
	out->file = cut(s);
	return is_word(out->type) && is_host(out->host) && text_u64(out->port, strlen(out->port), 1, 65535, &port) &&
		is_word(out->transport) && (!out->file || out->file[0] == '/');
}
