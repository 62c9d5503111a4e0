/*
 * request: from a line to its verb and back. Called by control.c; owns the parsed line.
 */
#include "admin/request.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"

#define CONNECT_MS 3000
#define DEPTH_MAX 8 /* what the deepest request needs is 4 */

static void
wipe_and_free(void *p)
{
	if (p != NULL)
		crypt_wipe(p, malloc_usable_size(p));
	free(p);
}

void
request_text_free(char *text)
{
	wipe_and_free(text);
}

void
request_setup(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

/* The JSON library parses by recursion: depth is looked at first. */
static bool
is_shallow(const char *s, size_t n)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				in_string = false;
		} else if (s[i] == '"') {
			in_string = true;
		} else if (s[i] == '{' || s[i] == '[') {
			if (++depth > DEPTH_MAX)
				return false;
		} else if ((s[i] == '}' || s[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* Takes the reference. */
static int
send_json(struct request *r, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	int rc = text != NULL ? r->send(r->send_arg, text, strlen(text)) : -1;

	wipe_and_free(text);
	json_decref(line);
	return rc;
}

int
request_row(struct request *r, json_t *row)
{
	if (row == NULL) /* not UTF-8: no place in JSON */
		return err_set(&r->err, 0, "a row cannot be shown");
	if (send_json(r, json_pack("{s:o}", "row", row)) != 0)
		return err_set(&r->err, 0, "the caller is gone");
	return 0;
}

int
request_args(struct request *r, const char *fmt, ...)
{
	json_error_t why;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = json_vunpack_ex(r->args, &why, JSON_STRICT, fmt, ap);
	va_end(ap);
	return rc == 0 ? 0 : err_set(&r->err, 0, "wrong arguments: %s", why.text);
}

int
request_db(struct request *r)
{
	/* Also finds out that a connection of an earlier request has gone. */
	if (sql_connect(r->db, CONNECT_MS, &r->err) == SQL_OK)
		return 0;
	return err_prefix(&r->err, "the database is not available");
}

json_t *
request_time(int64_t us)
{
	char text[32];

	return us == 0 ? json_null() : json_string(clock_format(us, text));
}

static const struct request_verb *
find_verb(const char *noun, const char *verb)
{
	static const struct request_verb *const tables[] = {request_user_verbs, request_people_verbs, request_device_verbs,
							    request_server_verbs, request_announce_verbs,
							    request_invite_verbs, request_room_verbs,
							    request_federation_verbs, request_federation_look_verbs,
							    request_federation_test_verbs, request_scanner_verbs, request_files_verbs};

	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct request_verb *v = tables[t]; v->noun != NULL; v++)
			if (strcmp(v->noun, noun) == 0 && strcmp(v->verb, verb) == 0)
				return v;
	return NULL;
}

/* `root` owns what r->args borrows. */
static int
run_verb(struct request *r, json_t *root)
{
	const char *noun, *verb = "";
	const struct request_verb *v;
	json_t *words, *args = NULL;
	json_error_t why;
	int rc;

	if (json_unpack_ex(root, &why, JSON_STRICT, "{s:o, s?o}", "verb", &words, "args", &args) !=
		    0 ||
	    json_array_size(words) < 1 || json_array_size(words) > 2 ||
	    (noun = json_string_value(json_array_get(words, 0))) == NULL ||
	    (json_array_size(words) == 2 &&
	     (verb = json_string_value(json_array_get(words, 1))) == NULL) ||
	    (args != NULL && !json_is_object(args)))
		return err_set(&r->err, 0,
			       "not a request: expected {\"verb\":[noun,verb],\"args\":{…}}");
	v = find_verb(noun, verb);
	if (v == NULL)
		return err_set(&r->err, 0, "no such verb");
	r->args = args != NULL ? json_incref(args) : json_object();
	rc = v->run(r);
	json_decref(r->args);
	return rc;
}

int
request_run(struct request *r, const char *line, size_t n)
{
	json_t *root = NULL;
	int rc;

	memset(&r->err, 0, sizeof r->err);
	if (is_shallow(line, n))
		root = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	if (root == NULL)
		rc = err_set(&r->err, 0, "not a request: expected one JSON object on a line");
	else
		rc = run_verb(r, root);
	json_decref(root);
	if (rc == 0)
		return send_json(r, json_pack("{s:b}", "done", 1));
	/* What came from elsewhere (PostgreSQL in another encoding) may not be UTF-8. */
	root = json_pack("{s:s}", "error", r->err.text);
	return send_json(r, root != NULL ?
				    root :
				    json_pack("{s:s}", "error", "failed; see the server's log"));
}
