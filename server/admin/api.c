/*
 * api: the queue of orders of the API, and the threads that run them as requests.
 */
#include "admin/api.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control.h"
#include "admin/request/request.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "core/web/api.h"
#include "net/http_range.h"

#define TYPE_JSON "application/json"
#define TYPE_LINES "application/x-ndjson"
#define TYPE_PROBLEM "application/problem+json"
#define THREADS_MAX 64

struct worker {
	pthread_t thread;
	uint64_t key;         /* of the token it works for; 0: idle */
	atomic_bool gone;     /* the client has, or the server stops */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct api_order *first, **last;
	unsigned n, nworkers;
	atomic_bool stopping;
	char *conninfo;
	struct worker worker[THREADS_MAX];
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

/* The queue */

/* Whoever shows none (for the description) shares what one token may. */
static uint64_t
key_of(const struct api_order *o)
{
	const char *token = o->token != NULL ? o->token : "";

	return crypt_hash(token, strlen(token)) | 1;
}

/* Waiting and worked on. With the lock held. */
static unsigned
count_of(uint64_t key)
{
	unsigned n = 0;

	for (unsigned i = 0; i < desk.nworkers; i++)
		n += desk.worker[i].key == key;
	for (const struct api_order *o = desk.first; o != NULL; o = o->next)
		n += key_of(o) == key;
	return n;
}

static int
take(struct api_order *o)
{
	struct config *c = config_get();
	uint64_t key = key_of(o);
	int status = 0;

	pthread_mutex_lock(&desk.lock);
	if (desk.stopping || desk.n >= c->limits.api_waiting) {
		status = 503;
	} else if (count_of(key) >= c->limits.api_per_token) {
		status = 429;
	} else {
		o->next = NULL;
		*desk.last = o;
		desk.last = &o->next;
		desk.n++;
		metric_add(METRIC_API_UNDER_WAY, 1);
		pthread_cond_signal(&desk.more);
	}
	pthread_mutex_unlock(&desk.lock);
	config_unref(c);
	return status;
}

/* NULL: the end. */
static struct api_order *
next_order(struct worker *w)
{
	struct api_order *o = NULL;

	pthread_mutex_lock(&desk.lock);
	w->key = 0;
	atomic_store(&w->gone, desk.stopping);
	while (desk.first == NULL && !desk.stopping)
		pthread_cond_wait(&desk.more, &desk.lock);
	o = desk.first;
	if (o != NULL) {
		desk.first = o->next;
		desk.n--;
		if (desk.first == NULL)
			desk.last = &desk.first;
		w->key = key_of(o);
	}
	pthread_mutex_unlock(&desk.lock);
	return o;
}

/* Answers */

/* An order under way. */
struct call {
	struct api_order *o;
	const struct worker *worker;
	struct request r;
	struct access_caller caller;
	uint64_t rows;
	char *next;             /* JSON text */
	bool file;              /* the answer is one */
};

static int
write_text(struct api_order *o, const char *text)
{
	return api_write(o, text, strlen(text));
}

/* RFC 9457, before anything else was written. */
static void
problem(struct api_order *o, int status, const char *detail)
{
	json_t *body = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", http_status_text(status), "status", status, "detail", detail);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	if (status == 401)
		api_field(o, "WWW-Authenticate", "Bearer realm=\"chancery\", error=\"invalid_token\"");
	if (status == 429 || status == 503)
		api_field(o, "Retry-After", status == 429 ? "60" : "5");
	api_status(o, status, TYPE_PROBLEM);
	if (write_text(o, text != NULL ? text : "{}") == 0)
		(void)write_text(o, "\n");
	free(text);
	json_decref(body);
}

/* {"row":…} of a verb: as it is, or as an element of the array. {"next":…} comes behind the rows. */
static int
take_line(void *arg, const char *line, size_t n)
{
	struct call *c = arg;
	bool row = n > 8 && memcmp(line, "{\"row\":", 7) == 0;

	if (c->file)
		return -1;
	if (c->o->lines) {
		c->rows++;
		return api_write(c->o, line, n) == 0 ? write_text(c->o, "\n") : -1;
	}
	if (!row) {
		free(c->next);
		c->next = n > 9 && memcmp(line, "{\"next\":", 8) == 0 ? mem_strndup(line + 8, n - 9) : NULL;
		return 0;
	}
	if (write_text(c->o, c->rows++ == 0 ? "{\"rows\":[" : ",") != 0)
		return -1;
	return api_write(c->o, line + 7, n - 8);
}

static void
end_well(struct call *c)
{
	struct api_order *o = c->o;

	if (c->file) {
		api_end(o, true);
	} else if (o->lines) {
		api_end(o, write_text(o, "{\"done\":true}\n") == 0);
	} else {
		(void)write_text(o, c->rows == 0 ? "{\"rows\":[]" : "]");
		if (c->next != NULL && write_text(o, ",\"next\":") == 0)
			(void)write_text(o, c->next);
		api_end(o, write_text(o, "}\n") == 0);
	}
}

/* Rows that have been sent stay: in lines the error is the last of them, else the answer breaks off. */
static void
end_badly(struct call *c)
{
	int status = c->r.status != 0 ? c->r.status : 422;
	json_t *line;
	char *text;

	log_debug(NULL, "api-refused", "status=%d why=%s", status, c->r.err.text);
	if (c->rows == 0 || (!c->o->lines && api_again(c->o))) {
		problem(c->o, status, c->r.err.text);
		api_end(c->o, true);
		return;
	}
	if (!c->o->lines) {
		api_end(c->o, false);
		return;
	}
	line = json_pack("{s:s, s:i}", "error", c->r.err.text, "status", status);
	text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
	(void)write_text(c->o, text != NULL ? text : "{\"error\":\"failed; see the server's log\"}");
	api_end(c->o, write_text(c->o, "\n") == 0);
	free(text);
	json_decref(line);
}

/* Files: GET /api/v1/exports/ID */

/* For request_file: all of it, or the part that was asked for. Takes the descriptor. */
static int
give_file(void *arg, int fd, uint64_t size, const char *name, const char *tag)
{
	struct call *c = arg;
	struct api_order *o = c->o;
	uint64_t first = 0, last = 0;
	char text[160];
	/* RFC 9110 §13.1.5: a part of the same content only. */
	bool same = o->if_range == NULL || strcmp(o->if_range, tag) == 0;
	enum http_range what = o->method == HTTP_GET && same ? http_range_read(o->range, size, &first, &last) : HTTP_RANGE_WHOLE;

	c->file = true;
	api_field(o, "Accept-Ranges", "bytes");
	api_field(o, "ETag", tag);
	snprintf(text, sizeof text, "attachment; filename=\"%.100s\"", name);
	api_field(o, "Content-Disposition", text);
	if (what == HTTP_RANGE_NONE) {
		close(fd);
		c->file = false;
		snprintf(text, sizeof text, "bytes */%" PRIu64, size);
		api_field(o, "Content-Range", text);
		c->r.status = 416;
		return err_set(&c->r.err, 0, "the export has no such part");
	}
	if (what == HTTP_RANGE_PART) {
		snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, last, size);
		api_field(o, "Content-Range", text);
		size = last - first + 1;
	}
	if (lseek(fd, (off_t)first, SEEK_SET) < 0) {
		close(fd);
		c->file = false;
		return err_set(&c->r.err, 0, "the export cannot be read");
	}
	api_status(o, what == HTTP_RANGE_PART ? 206 : 200, "application/zip");
	api_file(o, fd, size);
	return 0;
}

static int
refuse(struct call *c, int status, const char *text)
{
	c->r.status = status;
	return err_set(&c->r.err, 0, "%s", text);
}

static int
get(struct call *c)
{
	static const char exports[] = "exports/";
	const char *path = c->o->path;
	json_t *args;
	int64_t id;
	int rc;

	if (strncmp(path, exports, sizeof exports - 1) != 0 || !text_i64(path + sizeof exports - 1, strlen(path) - (sizeof exports - 1), 1, INT64_MAX, &id))
		return refuse(c, 404, "there is nothing of that name; verbs are asked for by POST");
	args = json_pack("{s:I}", "export", (json_int_t)id);
	c->r.file = give_file;
	rc = request_call(&c->r, "export", "fetch", args);
	json_decref(args);
	if (rc == 0 && !c->file)
		rc = refuse(c, 404, "there is no such export");
	return rc;
}

/* Requests */

/* "noun/verb", or "noun". */
static int
split(struct call *c, char noun[64], char verb[64])
{
	const char *path = c->o->path, *slash = strchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) : strlen(path);

	if (n == 0 || n >= 64 || (slash != NULL && (strlen(slash + 1) >= 64 || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)))
		return refuse(c, 404, "no such verb");
	snprintf(noun, 64, "%.*s", (int)n, path);
	snprintf(verb, 64, "%s", slash != NULL ? slash + 1 : "");
	return 0;
}

static int
post(struct call *c)
{
	const struct buf *body = &c->o->body;
	char noun[64], verb[64];
	json_t *args = NULL;
	int rc;

	if (split(c, noun, verb) != 0)
		return -1;
	if (buf_len(body) > 0 && request_is_shallow(buf_data(body), buf_len(body)))
		args = json_loadb(buf_data(body), buf_len(body), JSON_REJECT_DUPLICATES, NULL);
	if (buf_len(body) > 0 && !json_is_object(args))
		rc = refuse(c, 400, "the body is not one JSON object");
	else
		rc = request_call(&c->r, noun, verb, args);
	json_decref(args);
	return rc;
}

static void
describe(struct api_order *o)
{
	json_t *page = admin_api_describe();
	char *text = json_dumps(page, JSON_INDENT(1) | JSON_PRESERVE_ORDER);

	api_status(o, 200, TYPE_JSON);
	if (text != NULL)
		api_whole(o, text, strlen(text));
	else
		api_end(o, false);
	free(text);
	json_decref(page);
}

static void
serve(struct call *c)
{
	struct api_order *o = c->o;
	char origin[100];
	const struct audit_who shown_by = {.uid = -1, .login = -1, .name = "https", .origin = origin};
	int rc;

	snprintf(origin, sizeof origin, "https %s", o->address);
	c->r.server = control_server();
	c->r.send = take_line;
	c->r.send_arg = c;
	if (o->token == NULL)
		rc = refuse(c, 401, "a token is needed: Authorization: Bearer TOKEN");
	else
		rc = access_identify(access_db_as(c->r.dbs, ACCESS_ADMIN), o->token, &shown_by, o->source, &c->caller, &c->r.status, &c->r.err);
	if (rc == 0) {
		c->r.caller = &c->caller;
		api_status(o, 200, o->lines ? TYPE_LINES : TYPE_JSON);
		rc = o->method == HTTP_POST ? post(c) : get(c);
	}
	if (rc == 0)
		end_well(c);
	else
		end_badly(c);
}

static bool
is_gone(void *arg)
{
	const struct call *c = arg;

	return atomic_load(&c->worker->gone);
}

static void
carry_out(struct worker *w, struct api_order *o, struct access_db *dbs)
{
	struct call c = {.o = o, .worker = w, .r = {.dbs = dbs, .gone = is_gone}};

	metric_add(METRIC_API_REQUESTS, 1);
	if (o->method != HTTP_POST && strcmp(o->path, "openapi.json") == 0)
		describe(o);
	else if (atomic_load(&w->gone))
		api_end(o, false);
	else
		serve(&c);
	access_caller_fini(&c.caller);
	free(c.next);
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct access_db *dbs = access_db_new(desk.conninfo, "chanceryd api");
	struct api_order *o;

	access_db_set_stop(dbs, &w->gone);
	while ((o = next_order(w)) != NULL) {
		if (atomic_load(&desk.stopping)) {
			problem(o, 503, "the server is stopping");
			api_end(o, true);
		} else {
			api_listen(o, &w->gone);
			carry_out(w, o, dbs);
		}
		metric_add(METRIC_API_UNDER_WAY, -1);
	}
	access_db_free(dbs);
	return NULL;
}

/* Start and stop */

int
admin_api_start(const char *conninfo, struct err *e)
{
	struct config *c = config_get();
	unsigned wanted = (unsigned)c->limits.api_at_once;

	config_unref(c);
	desk.first = NULL;
	desk.last = &desk.first;
	desk.n = desk.nworkers = 0;
	desk.stopping = false;
	desk.conninfo = mem_strdup(conninfo);
	while (desk.nworkers < wanted && desk.nworkers < THREADS_MAX) {
		if (pthread_create(&desk.worker[desk.nworkers].thread, NULL, run, &desk.worker[desk.nworkers]) != 0) {
			admin_api_stop();
			return err_set(e, 0, "cannot start a thread for the API");
		}
		desk.nworkers++;
	}
	api_set(take);
	return 0;
}

void
admin_api_stop(void)
{
	if (desk.conninfo == NULL)
		return;
	api_set(NULL);
	pthread_mutex_lock(&desk.lock);
	desk.stopping = true;
	atomic_store(&control_server()->stopping, true);
	for (unsigned i = 0; i < desk.nworkers; i++)
		atomic_store(&desk.worker[i].gone, true);
	pthread_cond_broadcast(&desk.more);
	pthread_mutex_unlock(&desk.lock);
	for (unsigned i = 0; i < desk.nworkers; i++)
		pthread_join(desk.worker[i].thread, NULL);
	crypt_wipe(desk.conninfo, strlen(desk.conninfo));
	free(desk.conninfo);
	desk.conninfo = NULL;
}
