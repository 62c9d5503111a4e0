/*
 * request: from a line to its verb and back. Called by control.c; owns the parsed line.
 */
#include "admin/request/request.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/access/approval.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/refusal.h"

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

bool
request_is_shallow(const char *s, size_t n)
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

static int
refuse(struct request *r, int status, const char *text)
{
	r->status = status;
	return err_set(&r->err, 0, "%s", text);
}

int
request_row(struct request *r, json_t *row)
{
	if (row == NULL) /* not UTF-8: no place in JSON */
		return refuse(r, 500, "a row cannot be shown");
	if (send_json(r, json_pack("{s:o}", "row", row)) != 0)
		return err_set(&r->err, 0, "the caller is gone");
	return 0;
}

int
request_next(struct request *r, const char *cursor)
{
	if (send_json(r, json_pack("{s:s}", "next", cursor)) != 0)
		return err_set(&r->err, 0, "the caller is gone");
	return 0;
}

bool
request_takes_file(const struct request *r)
{
	return r->file != NULL;
}

int
request_file(struct request *r, int fd, uint64_t size, const char *name, const char *tag)
{
	return r->file(r->send_arg, fd, size, name, tag);
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
	if (rc == 0)
		return 0;
	r->status = 400;
	return err_set(&r->err, 0, "wrong arguments: %s", why.text);
}

static int
connect_db(struct request *r, struct sql *db)
{
	/* Also finds out that a connection of an earlier request has gone. */
	if (sql_connect(db, CONNECT_MS, &r->err) == SQL_OK)
		return 0;
	r->status = 503;
	return err_prefix(&r->err, "the database is not available");
}

int
request_db(struct request *r)
{
	r->db = access_db_as(r->dbs, r->role != 0 ? r->role : ACCESS_ADMIN);
	r->db_used = connect_db(r, r->db) == 0;
	return r->db_used ? 0 : -1;
}

struct sql *
request_server_db(struct request *r)
{
	struct sql *db = access_db_as(r->dbs, ACCESS_ADMIN);

	return connect_db(r, db) == 0 ? db : NULL;
}

int
request_has_room(struct request *r, const char *count, uint64_t most, const char *full)
{
	PGresult *rows;
	int rc = 0;

	if (sql_query(r->db, &r->err, &rows, count, 0) != SQL_OK)
		return -1;
	if ((uint64_t)sql_i64(rows, 0, 0) >= most)
		rc = err_set(&r->err, 0, "%" PRIu64 " %s", most, full);
	PQclear(rows);
	return rc;
}

json_t *
request_time(int64_t us)
{
	char text[32];

	return us == 0 ? json_null() : json_string(clock_format(us, text));
}

#define ROW(name) request_##name##_verbs,
static const struct request_verb *const tables[] = { REQUEST_TABLES(ROW) };

const struct request_verb *
request_verb_at(size_t n)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct request_verb *v = tables[t]; v->noun != NULL; v++)
			if (n-- == 0)
				return v;
	return NULL;
}

const struct request_verb *
request_verb_find(const char *noun, const char *verb)
{
	const struct request_verb *v;

	for (size_t i = 0; (v = request_verb_at(i)) != NULL; i++)
		if (strcmp(v->noun, noun) == 0 && strcmp(v->verb, verb) == 0)
			return v;
	return NULL;
}

unsigned
request_verb_roles(const struct request_verb *v)
{
	return v->roles != 0 ? v->roles : ACCESS_ADMIN;
}

static int
deny(struct request *r, const struct request_verb *v, const char *why)
{
	metric_add(METRIC_ACCESS_DENIED, 1);
	log_warning(NULL, "access-denied", "who=%s role=%s verb=%s.%s why=%s", r->who->name, access_role_name(r->role), v->noun, v->verb, why);
	r->status = 403;
	r->denied = true;
	return -1;
}

static int
check_access(struct request *r, const struct request_verb *v)
{
	if (!(request_verb_roles(v) & r->role)) {
		err_set(&r->err, 0, "not allowed: not for the role %s", access_role_name(r->role));
		return deny(r, v, "role");
	}
	if (r->caller != NULL && !access_in_scope(r->caller, v->noun, v->verb)) {
		err_set(&r->err, 0, "not allowed: the token is not for this (its scope)");
		return deny(r, v, "scope");
	}
	return 0;
}

int
request_perform(struct request *r, const struct request_verb *v, json_t *args)
{
	size_t begun;
	int rc;

	r->db = access_db_as(r->dbs, r->role);
	r->args = args != NULL ? json_incref(args) : json_object();
	begun = audit_begin();
	rc = approval_is_needed(r, v) ? approval_ask(r, v) : v->run(r);
	audit_end(begun, r->db, r->who, rc == 0 ? NULL : &r->err);
	json_decref(r->args);
	r->args = NULL;
	if (rc != 0 && r->status == 0)
		r->status = (r->db_used && !sql_is_connected(r->db)) || r->err.code == EAGAIN ? 503 : 422;
	return rc;
}

/* In bounded numbers. Approvals that were refused are told by approval.c. */
static void
note_denial(const struct request *r, const char *noun, const char *verb)
{
	char target[160];

	snprintf(target, sizeof target, "%s%s%s", noun, *verb != '\0' ? "." : "", verb);
	refusal_note(&(struct refusal){.action = "access.denied", .person = r->who->name, .role = r->who->role, .uid = r->who->uid, .login = r->who->login,
		.source = r->caller != NULL ? "token" : "local", .origin = r->who->origin, .target = target, .why = r->err.text});
}

int
request_call(struct request *r, const char *noun, const char *verb, json_t *args)
{
	const struct request_verb *v = request_verb_find(noun, verb);
	int rc;

	r->status = 0;
	r->denied = r->db_used = false;
	r->role = r->caller != NULL ? r->caller->role : ACCESS_ADMIN;
	r->person = r->caller != NULL ? r->caller->person : 0;
	if (r->caller != NULL)
		r->who = &r->caller->who;
	if (v == NULL)
		return refuse(r, 404, "no such verb");
	rc = check_access(r, v) == 0 ? request_perform(r, v, args) : -1;
	if (rc != 0 && r->denied)
		note_denial(r, noun, verb);
	return rc;
}

/* A line: {"verb":[noun,verb],"args":{…},"token":"…"} */

struct parsed {
	const char *noun, *verb, *token;
	json_t *args;
};

/* What is found belongs to `root`. */
static int
parse(struct request *r, json_t *root, struct parsed *p)
{
	json_error_t why;
	json_t *words;

	*p = (struct parsed){.verb = ""};
	if (json_unpack_ex(root, &why, JSON_STRICT, "{s:o, s?o, s?s}", "verb", &words, "args", &p->args, "token", &p->token) != 0 ||
	    json_array_size(words) < 1 || json_array_size(words) > 2 ||
	    (p->noun = json_string_value(json_array_get(words, 0))) == NULL ||
	    (json_array_size(words) == 2 && (p->verb = json_string_value(json_array_get(words, 1))) == NULL) ||
	    (p->args != NULL && !json_is_object(p->args)))
		return refuse(r, 400, "not a request: expected {\"verb\":[noun,verb],\"args\":{…}}");
	return 0;
}

static int
run_parsed(struct request *r, const struct parsed *p)
{
	const struct audit_who *who = r->who;
	struct access_caller caller = {0};
	int rc;

	r->caller = NULL;
	if (p->token != NULL) {
		/* Who may connect here is known to the kernel: their tries are not bounded. */
		if (access_identify(access_db_as(r->dbs, ACCESS_ADMIN), p->token, who, NULL, &caller, &r->status, &r->err) != 0)
			return -1;
		r->caller = &caller;
	}
	rc = request_call(r, p->noun, p->verb, p->args);
	r->caller = NULL;
	r->who = who;
	access_caller_fini(&caller);
	return rc;
}

int
request_run(struct request *r, const char *line, size_t n)
{
	struct parsed p;
	json_t *root = NULL;
	int rc;

	memset(&r->err, 0, sizeof r->err);
	if (request_is_shallow(line, n))
		root = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	if (root == NULL)
		rc = err_set(&r->err, 0, "not a request: expected one JSON object on a line");
	else if ((rc = parse(r, root, &p)) == 0)
		rc = run_parsed(r, &p);
	json_decref(root);
	if (rc == 0)
		return send_json(r, json_pack("{s:b}", "done", 1));
	/* What came from elsewhere (PostgreSQL in another encoding) may not be UTF-8. */
	root = json_pack("{s:s}", "error", r->err.text);
	return send_json(r, root != NULL ?
				    root :
				    json_pack("{s:s}", "error", "failed; see the server's log"));
}
