/*
 * desk: the queue of orders and the thread that runs them as requests.
 */
#include "admin/desk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "admin/control.h"
#include "admin/request/request.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "core/module/desk.h"

#define WAITING_MAX 64 /* orders: administrators are few */
#define ROWS_MAX 1000  /* of an answer: it has to fit into a stanza */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct desk_order *first, **last;
	unsigned n;
	bool running;
	atomic_bool stopping;
	pthread_t thread;
	struct access_db *dbs;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static bool
take(struct desk_order *o)
{
	bool taken;

	pthread_mutex_lock(&desk.lock);
	taken = !desk.stopping && desk.n < WAITING_MAX;
	if (taken) {
		o->next = NULL;
		*desk.last = o;
		desk.last = &o->next;
		desk.n++;
		pthread_cond_signal(&desk.more);
	}
	pthread_mutex_unlock(&desk.lock);
	return taken;
}

/* NULL: the end. */
static struct desk_order *
next_order(void)
{
	struct desk_order *o;

	pthread_mutex_lock(&desk.lock);
	while (desk.first == NULL && !desk.stopping)
		pthread_cond_wait(&desk.more, &desk.lock);
	o = desk.first;
	if (o != NULL) {
		desk.first = o->next;
		desk.n--;
		if (desk.first == NULL)
			desk.last = &desk.first;
	}
	pthread_mutex_unlock(&desk.lock);
	return o;
}

/* Answers: lines of JSON, as `chancery` would get them */

static const char *
value_text(struct arena *a, const json_t *v)
{
	struct buf b = {0};
	const char *out;
	json_t *item;
	size_t i;

	if (json_is_string(v))
		return arena_strdup(a, json_string_value(v));
	if (json_is_boolean(v))
		return json_is_true(v) ? "true" : "false";
	if (json_is_integer(v))
		return arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	json_array_foreach(v, i, item)
		buf_addf(&b, "%s%s", i > 0 ? "\n" : "", json_is_string(item) ? json_string_value(item) : "");
	out = arena_strndup(a, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return out;
}

/* The array grows by doubling; what is left behind goes with the arena. */
static struct hook_admin_row *
new_row(struct desk_order *o)
{
	struct hook_admin *ask = o->ask;
	unsigned n = ask->nrows;

	if ((n & (n - 1)) == 0) {
		struct hook_admin_row *more = arena_zalloc(o->arena, (n > 0 ? 2 * n : 1) * sizeof *more);

		if (n > 0)
			memcpy(more, ask->row, n * sizeof *more);
		ask->row = more;
	}
	return &ask->row[ask->nrows++];
}

static void
keep_row(struct desk_order *o, json_t *row)
{
	struct hook_admin_row *r = new_row(o);
	size_t n = json_object_size(row);
	const char *name;
	json_t *value;

	r->name = arena_alloc(o->arena, (n + 1) * sizeof *r->name);
	r->value = arena_alloc(o->arena, (n + 1) * sizeof *r->value);
	json_object_foreach(row, name, value) {
		r->name[r->n] = arena_strdup(o->arena, name);
		r->value[r->n++] = value_text(o->arena, value);
	}
}

static int
take_line(void *arg, const char *line, size_t n)
{
	struct desk_order *o = arg;
	json_t *root = json_loadb(line, n, 0, NULL), *row = json_object_get(root, "row");
	const char *why = json_string_value(json_object_get(root, "error"));
	int rc = 0;

	if (why != NULL)
		o->ask->refusal = arena_strdup(o->arena, why);
	else if (row != NULL && o->ask->nrows < ROWS_MAX)
		keep_row(o, row);
	else if (row != NULL)
		rc = -1;
	json_decref(root);
	return rc;
}

static json_t *
request_of(const struct hook_admin *ask)
{
	json_t *args = json_object();

	for (size_t i = 0; i < sizeof ask->arg / sizeof *ask->arg && ask->arg[i].name != NULL; i++)
		if (ask->arg[i].value != NULL)
			json_object_set_new(args, ask->arg[i].name, json_string(ask->arg[i].value));
	return json_pack("{s:[s,s], s:o}", "verb", ask->noun, ask->verb, "args", args);
}

/* Whoever looks is seen (P6). What changes something is audited by its verb; what only reads is audited here, first. */
static int
audit_look(struct request *r, const struct hook_admin *ask)
{
	static const char *const looks[] = {"list", "show", "names", "count"};
	const char *target = NULL;
	char action[64];
	bool look = false;

	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		look |= strcmp(ask->verb, looks[i]) == 0;
	if (!look)
		return 0;
	if (ask->arg[0].name != NULL && strcmp(ask->arg[0].name, "jid") == 0)
		target = ask->arg[0].value;
	snprintf(action, sizeof action, "%s.%s", ask->noun, ask->verb);
	if (request_db(r) != 0 || audit_write(r->db, r->who, action, target, NULL, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, target != NULL ? target : "");
	return 0;
}

static void
carry_out(struct desk_order *o)
{
	const char *origin = arena_printf(o->arena, "client %s", o->origin);
	struct audit_who who = {.uid = -1, .login = -1, .name = o->who, .origin = origin};
	struct request r = {.server = control_server(), .who = &who, .dbs = desk.dbs, .send = take_line, .send_arg = o};
	json_t *root;
	char *line;

	o->ok = true;
	if (audit_look(&r, o->ask) != 0) {
		o->ask->refusal = arena_strdup(o->arena, r.err.text);
		return;
	}
	root = request_of(o->ask);
	line = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	if (line == NULL)
		o->ask->refusal = "the values are not text";
	else if (request_run(&r, line, strlen(line)) != 0 && o->ask->refusal == NULL)
		o->ask->refusal = "the answer is too long";
	request_text_free(line);
	log_info(NULL, "admin-command", "jid=%s verb=%s-%s done=%d", o->who, o->ask->noun, o->ask->verb,
		 o->ask->refusal == NULL);
}

static void *
run(void *arg)
{
	struct desk_order *o;

	(void)arg;
	while ((o = next_order()) != NULL) {
		if (desk.stopping)
			o->ask->refusal = "the server is stopping";
		else
			carry_out(o);
		reactor_post(o->home, &o->mail);
	}
	return NULL;
}

int
admin_desk_start(const char *conninfo, struct err *e)
{
	desk.first = NULL;
	desk.last = &desk.first;
	desk.stopping = false;
	desk.dbs = access_db_new(conninfo, "chanceryd-desk");
	if (pthread_create(&desk.thread, NULL, run, NULL) != 0) {
		access_db_free(desk.dbs);
		return err_set(e, 0, "cannot start a thread for administrators' commands");
	}
	desk.running = true;
	desk_set(take);
	return 0;
}

void
admin_desk_stop(void)
{
	if (!desk.running)
		return;
	desk_set(NULL);
	pthread_mutex_lock(&desk.lock);
	desk.stopping = true;
	pthread_cond_signal(&desk.more);
	pthread_mutex_unlock(&desk.lock);
	pthread_join(desk.thread, NULL);
	access_db_free(desk.dbs);
	desk.running = false;
}
