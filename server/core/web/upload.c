/* upload: see upload.h; what is common to putting and fetching. */
#include "core/web/upload.h"

#include <string.h>
#include <strings.h>

#include "core/web/upload_priv.h"

/* Nothing here is a page: it may load nothing, run nothing, be in no frame, and is of no origin. Only browsers' own viewers of a picture or a
 * film need something. */
static const char policy[] = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
			     "base-uri 'none'; form-action 'none'; sandbox";

const char *
upload_parse(const char *path, char token[UPLOAD_TOKEN + 1])
{
	const char *s = path + strlen(UPLOAD_PATH), *name;

	if (strlen(s) < UPLOAD_TOKEN + 2)
		return NULL;
	memcpy(token, s, UPLOAD_TOKEN);
	token[UPLOAD_TOKEN] = '\0';
	name = s + UPLOAD_TOKEN + 1;
	return upload_is_token(token) && name[-1] == '/' && !strchr(name, '/') ? name : NULL;
}

void
upload_fields(struct http_request *r)
{
	http_field(r, "Access-Control-Allow-Origin", "*");
	http_field(r, "Access-Control-Expose-Headers", "Accept-Ranges, Content-Disposition, Content-Range, ETag, Retry-After");
	http_field(r, "Cross-Origin-Resource-Policy", "cross-origin");
	http_field(r, "Content-Security-Policy", policy);
}

bool
upload_is_harmless(const char *type)
{
	static const char *const types[] = { "image/png", "image/jpeg", "image/gif", "image/webp" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], type))
			return true;
	return !strncmp(type, "audio/", 6) || !strncmp(type, "video/", 6);
}

static bool
contains(const char *type, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= n; i++)
		if (!strncasecmp(type + i, word, len))
			return true;
	return false;
}

/* A page of this origin, where the chat is too, could run it or style itself with it, whatever it says of itself as an attachment. */
static bool
is_active(const char *type)
{
	static const char *const words[] = { "script", "css", "wasm", "html", "/xml", "+xml", "/xsl" };
	size_t n = strcspn(type, "; \t");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (contains(type, n, words[i]))
			return true;
	return false;
}

const char *
upload_type(const char *true_type, const char *declared)
{
	const char *type = upload_is_harmless(true_type) || !declared ? true_type : declared;

	return !*type || (!upload_is_harmless(true_type) && is_active(type)) ? "application/octet-stream" : type;
}

void
upload_refuse(struct http_request *r, int status, const char *text)
{
	upload_fields(r);
	http_refuse_with(r, status, text);
}

static _Thread_local unsigned looking;

bool
upload_may_look(void)
{
	return looking < web_config()->limits.file_lookups;
}

void
upload_looks(void)
{
	looking++;
}

void
upload_looked(void)
{
	looking--;
}

static void
answer_options(struct http_request *r)
{
	upload_fields(r);
	http_field(r, "Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, PUT");
	http_field(r, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range");
	http_field(r, "Access-Control-Max-Age", "7200");
	http_field(r, "Allow", "OPTIONS, HEAD, GET, PUT");
	http_reply(r, 204, NULL, NULL, 0);
}

void
upload_begin(struct http_request *r)
{
	enum http_method m = http_head_of(r)->method;

	if (m == HTTP_OPTIONS)
		answer_options(r);
	else if (!web_config()->modules.files.on)
		upload_refuse(r, 404, "There are no files here.");
	else if (m == HTTP_PUT)
		upload_put_begin(r);
	else
		upload_get_begin(r);
}

void
upload_body(struct http_request *r, const char *p, size_t n)
{
	if (http_head_of(r)->method == HTTP_PUT)
		upload_put_body(r, p, n);
}

void
upload_complete(struct http_request *r)
{
	if (http_head_of(r)->method == HTTP_PUT)
		upload_put_complete(r);
}

void
upload_gone(struct http_request *r)
{
	if (http_head_of(r)->method == HTTP_PUT)
		upload_put_gone(r);
	else
		upload_get_gone(r);
}

void
upload_start(void)
{
	upload_keep_start();
}

void
upload_quiet(void)
{
	upload_get_flush();
}

void
upload_stop(void)
{
	upload_keep_stop();
	upload_get_stop();
}
