/* fetch_url: see fetch_url.h. */
#include "core/file/fetch_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "xmpp/domain.h"

#define URL_MAX 8192 /* bytes */
#define HOST_MAX 254 /* with its NUL */

/* NULL: it has no such part. */
static const char *
part_of(CURLU *u, CURLUPart part, unsigned flags, struct arena *a)
{
	char *text;
	const char *copy;

	if (curl_url_get(u, part, &text, flags))
		return NULL;
	copy = arena_strdup(a, text);
	curl_free(text);
	return copy;
}

/* An address in numbers; of IPv6 in brackets, as libcurl gives it. */
static bool
read_literal(struct fetch_url *out, struct arena *a, const char *host)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->address;
	struct sockaddr_in *in = (struct sockaddr_in *)&out->address;
	size_t n = strlen(host);

	out->host = *host == '[' ? arena_strndup(a, host + 1, n - 2) : host;
	if (*host == '[' && inet_pton(AF_INET6, out->host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(out->port);
		return true;
	}
	if (*host == '[' || inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return false;
	in->sin_family = AF_INET;
	in->sin_port = htons(out->port);
	return true;
}

static bool
read_host(CURLU *u, struct arena *a, struct fetch_url *out)
{
	const char *host = part_of(u, CURLUPART_HOST, 0, a);
	char prepared[1024], ascii[1024];

	if (!host || !*host || part_of(u, CURLUPART_ZONEID, 0, a))
		return false;
	out->literal = read_literal(out, a, host);
	if (out->literal)
		return true;
	if (*host == '[' || domain_prepare(host, strlen(host), prepared, sizeof(prepared)) < 0 || *prepared == '[' ||
			domain_to_ascii(prepared, ascii, sizeof(ascii)) < 0 || strlen(ascii) >= HOST_MAX)
		return false;
	out->host = arena_strdup(a, ascii);
	/* What it is now may be an address, in digits of another script. */
	out->literal = read_literal(out, a, out->host);
	return !curl_url_set(u, CURLUPART_HOST, out->host, 0);
}

static const char *
name_of(CURLU *u, struct arena *a)
{
	const char *path = part_of(u, CURLUPART_PATH, 0, a), *last = path ? strrchr(path, '/') : NULL, *name = NULL;
	char *text;
	int n;

	if (!last || !last[1])
		return NULL;
	text = curl_easy_unescape(NULL, last + 1, 0, &n);
	if (text && n > 0 && text_is_utf8(text, (size_t)n))
		name = arena_strndup(a, text, (size_t)n);
	curl_free(text);
	return name;
}

static bool
read_parts(CURLU *u, struct arena *a, const char *base, const char *text, struct fetch_url *out)
{
	const char *scheme, *port;
	uint64_t n;

	if ((base && curl_url_set(u, CURLUPART_URL, base, 0)) || curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER | CURLU_URLENCODE))
		return false;
	scheme = part_of(u, CURLUPART_SCHEME, 0, a);
	port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, a);
	if (!scheme || strcmp(scheme, "https") != 0 || !port || !text_u64(port, strlen(port), 1, 65535, &n))
		return false;
	out->port = (uint16_t)n;
	if (!read_host(u, a, out) || curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0))
		return false;
	out->name = name_of(u, a);
	out->url = part_of(u, CURLUPART_URL, 0, a);
	return out->url;
}

bool
fetch_url_read(struct arena *a, const char *base, const char *text, struct fetch_url *out)
{
	CURLU *u;
	bool ok;

	memset(out, 0, sizeof(*out));
	if (strlen(text) > URL_MAX)
		return false;
	/* libcurl takes more slashes, and fewer. */
	if (!base && (strncasecmp(text, "https://", 8) != 0 || text[8] == '/'))
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '\\' || *c == 0x7f)
			return false;
	u = curl_url();
	ok = u && read_parts(u, a, base, text, out);
	curl_url_cleanup(u);
	return ok;
}
