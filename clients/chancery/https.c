/*
 * https: requests to a server elsewhere, through its API (server/admin/api.h), with libcurl. The answer comes in the lines of the control socket.
 *
 * HTTPS and nothing else, no redirection, and the certificate is checked against the system's authorities or those of --ca.
 */
#include "https.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"

#define CONNECT_SECONDS 15
#define LINE_MAX_BYTES (4 << 20)

struct https {
	CURL *curl;
	char *url;
};

/* One request under way. */
struct exchange {
	struct buf in;
	json_t *rows;
	char *next;
	bool done;
	struct err *e;
	bool failed;    /* e says why */
	CURL *curl;
};

static int
take_line(struct exchange *x, const char *text, size_t n)
{
	json_t *line = json_loadb(text, n, 0, NULL), *row = json_object_get(line, "row");
	const char *error = json_string_value(json_object_get(line, "error")), *next = json_string_value(json_object_get(line, "next"));

	if (row != NULL)
		json_array_append(x->rows, row);
	else if (next != NULL && x->next == NULL)
		x->next = mem_strdup(next);
	else if (json_is_true(json_object_get(line, "done")))
		x->done = true;
	else
		x->failed = true;
	if (x->failed)
		err_set(x->e, 0, "%s", error != NULL ? error : "the server's answer cannot be read");
	json_decref(line);
	return x->failed ? -1 : 0;
}

/* Other answers than 200 are kept whole, and looked at in the end. */
static size_t
take(char *p, size_t one, size_t n, void *arg)
{
	struct exchange *x = arg;
	const char *end;
	long status = 0;

	n *= one;
	buf_add(&x->in, p, n);
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	while (status == 200 && (end = memchr(buf_data(&x->in), '\n', buf_len(&x->in))) != NULL) {
		size_t line = (size_t)(end - buf_data(&x->in));

		if (take_line(x, buf_data(&x->in), line) != 0)
			return 0;
		buf_consume(&x->in, line + 1);
		if (buf_len(&x->in) == 0)
			break;
	}
	if (buf_len(&x->in) > LINE_MAX_BYTES) {
		x->failed = true;
		err_set(x->e, 0, "the server's answer is too long");
		return 0;
	}
	return n;
}

/* RFC 9457, or whatever somebody in between has said. */
static void
explain(struct exchange *x, long status)
{
	json_t *problem = json_loadb(buf_len(&x->in) ? buf_data(&x->in) : "", buf_len(&x->in), 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));

	if (detail != NULL)
		err_set(x->e, (int)status, "%s", detail);
	else
		err_set(x->e, (int)status, "the server answered with HTTP %ld; is there the API of a Chancery?", status);
	json_decref(problem);
}

static struct curl_slist *
fields_of(const char *token)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	char text[400];

	list = curl_slist_append(list, "Accept: application/x-ndjson");
	snprintf(text, sizeof text, "Authorization: Bearer %.300s", token != NULL ? token : "");
	if (token != NULL)
		list = curl_slist_append(list, text);
	crypt_wipe(text, sizeof text);
	return list;
}

static json_t *
ask(void *arg, const char *noun, const char *verb, json_t *args, const char *token, char **next, struct err *e)
{
	struct https *h = arg;
	struct exchange x = {.rows = json_array(), .e = e, .curl = h->curl};
	char *body = args != NULL ? json_dumps(args, JSON_COMPACT) : mem_strdup("{}"), url[2048], why[CURL_ERROR_SIZE] = "";
	struct curl_slist *fields = fields_of(token);
	long status = 0;
	CURLcode rc;

	snprintf(url, sizeof url, "%s/api/v1/%s%s%s", h->url, noun, verb != NULL && *verb ? "/" : "", verb != NULL ? verb : "");
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &x);
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, why);
	rc = body != NULL ? curl_easy_perform(h->curl) : CURLE_BAD_FUNCTION_ARGUMENT;
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (body == NULL)
		err_set(e, 0, "the arguments are not UTF-8");
	else if (!x.failed && rc != CURLE_OK)
		err_set(e, 0, "%s: %s", h->url, why[0] != '\0' ? why : curl_easy_strerror(rc));
	else if (!x.failed && status == 401 && token == NULL)
		err_set(e, 401, "a token is needed: --token-file FILE, or CHANCERY_TOKEN in the environment");
	else if (!x.failed && status != 200)
		explain(&x, status);
	else if (!x.failed && !x.done)
		err_set(e, 0, "the server's answer has no end");
	if (!x.done || x.failed || rc != CURLE_OK || status != 200) {
		json_decref(x.rows);
		x.rows = NULL;
	}
	*next = x.next;
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(fields);
	if (body != NULL)
		crypt_wipe(body, strlen(body));
	free(body);
	buf_fini(&x.in);
	return x.rows;
}

static void
https_free(void *arg)
{
	struct https *h = arg;

	curl_easy_cleanup(h->curl);
	free(h->url);
	free(h);
}

struct control_client *
https_client_new(const char *url, const char *ca_file, struct err *e)
{
	static const struct control_transport transport = {ask, https_free};
	struct https *h;
	size_t n = strlen(url);

	if (strncmp(url, "https://", 8) != 0 || n > 1024) {
		err_set(e, 0, "--server: expected https://HOST:PORT");
		return NULL;
	}
	h = NEW(struct https);
	h->curl = curl_easy_init();
	if (h->curl == NULL)
		mem_exhausted(0);
	while (n > 8 && url[n - 1] == '/')
		n--;
	h->url = mem_strndup(url, n);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(h->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca_file != NULL)
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, ca_file);
	return control_client_new_over(&transport, h);
}
