/*
 * api: see api.h.
 *
 * What the thread writes waits in `out` until the reactor has room for it, bounded by AHEAD; one mail is under way at a time. An answer that is all there
 * before any of it was sent goes with its length, a longer one in chunks. Lines (NDJSON) are sent as they come: who wants them wants to see progress.
 */
#include "core/web/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/web/web_priv.h"

#define AHEAD 131072       /* bytes of an answer that wait for the client */
#define WHOLE_MAX 65536    /* an answer up to this waits for its end, and goes with its length */
#define LOOK_MS 200        /* who waits for room looks so often whether the server stops */
#define TOKEN_MAX 512
#define PROBLEM "application/problem+json"

static int (*_Atomic taker)(struct api_order *o);

void
api_set(int (*take)(struct api_order *o))
{
	atomic_store(&taker, take);
}

/* Life */

static void
order_free(struct api_order *o)
{
	if (o->token) {
		crypt_wipe(o->token, strlen(o->token));
		free(o->token);
	}
	if (o->file >= 0)
		close(o->file);
	free(o->path);
	free(o->address);
	free(o->source);
	free(o->range);
	free(o->if_range);
	if (o->body.data)
		crypt_wipe(o->body.data, o->body.cap);
	buf_fini(&o->body);
	buf_fini(&o->out);
	buf_fini(&o->fields);
	pthread_cond_destroy(&o->room);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static char *
copy_field(const struct http_head *h, const char *name)
{
	const char *value = http_head_get(h, name);

	return value ? mem_strdup(value) : NULL;
}

/* RFC 6750 §2.1 */
static char *
bearer(const struct http_head *h)
{
	const char *value = http_head_get(h, "authorization");

	if (!value || strncasecmp(value, "Bearer ", 7) != 0 || strlen(value) > TOKEN_MAX)
		return NULL;
	return mem_strdup(value + 7 + strspn(value + 7, " "));
}

/* Refusals before anybody has taken it */

/* RFC 9457. `detail` has nothing that would have to be escaped. */
static void
refuse(struct http_request *r, int status, const char *detail)
{
	struct buf b = { 0 };

	metric_add(METRIC_API_REFUSED, 1);
	if (status == 401)
		http_field(r, "WWW-Authenticate", "Bearer realm=\"chancery\"");
	if (status == 503 || status == 429)
		http_field(r, "Retry-After", status == 429 ? "1" : "5");
	buf_addf(&b, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n", http_status_text(status), status, detail);
	http_reply(r, status, PROBLEM, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

/* The whole request is refused: it has no order yet, or gives it up. */
static void
give_up(struct http_request *r, int status, const char *detail)
{
	struct api_order *o = http_data(r);

	http_set_data(r, NULL);
	if (o)
		order_free(o);
	refuse(r, status, detail);
}

static bool
is_json(const char *type)
{
	size_t n = type ? strcspn(type, "; \t") : 0;

	return n == 16 && !strncasecmp(type, "application/json", n);
}

/* Who shows no token is not queued. The description is for everybody. */
static bool
is_anonymous(const struct http_head *h)
{
	char *token = bearer(h);
	bool none = !token || !*token;

	if (token) {
		crypt_wipe(token, strlen(token));
		free(token);
	}
	return none && strcmp(h->path, API_PATH "openapi.json") != 0;
}

/* 0, or a status and why. */
static int
check(const struct http_head *h, uint64_t most, const char **why)
{
	*why = "there is no API here";
	if (!web_config()->compliance.api)
		return 404;
	*why = "a token is needed: Authorization: Bearer TOKEN";
	if (is_anonymous(h))
		return 401;
	*why = "a POST has a JSON object for its body: Content-Type: application/json";
	if (h->method == HTTP_POST && !is_json(http_head_get(h, "content-type")))
		return 415;
	*why = "the body is too long (limits.api_body_bytes)";
	return h->length > most ? 413 : 0;
}

void
api_begin(struct http_request *r)
{
	const struct http_head *h = http_head_of(r);
	uint64_t most = web_config()->limits.api_body_bytes;
	struct api_order *o;
	const char *why;
	int status;

	/* For every answer: nobody else's page may read it, and no cache keep it (http_reply says so of all). */
	http_field(r, "Cross-Origin-Resource-Policy", "same-origin");
	if (!web_origin_is_right(r))
		return;
	status = check(h, most, &why);
	if (status) {
		refuse(r, status, why);
		return;
	}
	o = NEW(struct api_order);
	o->file = -1;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->room, NULL);
	o->r = r;
	o->method = h->method;
	o->path = mem_strdup(h->path + strlen(API_PATH));
	o->token = bearer(h);
	o->address = mem_strdup(http_address(r));
	o->source = mem_strdup(http_source(r));
	o->range = copy_field(h, "range");
	o->if_range = copy_field(h, "if-range");
	o->lines = http_head_lists(h, "accept", "application/x-ndjson");
	http_set_data(r, o);
	/* What is longer in chunks is told so here, in our words, when it has come. */
	http_body_max(r, most + WHOLE_MAX);
}

void
api_body(struct http_request *r, const char *p, size_t n)
{
	struct api_order *o = http_data(r);

	if (o->method != HTTP_POST)
		give_up(r, 413, "a GET has no body");
	else if (buf_len(&o->body) + n > web_config()->limits.api_body_bytes)
		give_up(r, 413, "the body is too long (limits.api_body_bytes)");
	else
		buf_add(&o->body, p, n);
}

static void arrived(struct mail *m);

void
api_complete(struct http_request *r)
{
	int (*take)(struct api_order *) = atomic_load(&taker);
	struct api_order *o = http_data(r);
	int status;

	o->mail.run = arrived;
	status = take ? take(o) : 503;
	if (status == 429)
		give_up(r, status, "too many requests with this token at a time (limits.api_per_token)");
	else if (status)
		give_up(r, status, take ? "too many requests are waiting (limits.api_waiting)" : "the server is stopping");
}

/* The answer, on the reactor */

/* The thread is done, nothing is under way, and nobody waits for more. With the lock held, which goes. */
static void
leave(struct api_order *o)
{
	bool over = o->ended && !o->posted && !o->r;

	pthread_mutex_unlock(&o->lock);
	if (over)
		order_free(o);
}

static void
say_fields(struct api_order *o)
{
	const char *p = buf_data(&o->fields), *end = p ? p + buf_len(&o->fields) : NULL;

	while (p < end) {
		http_field(o->r, p, p + strlen(p) + 1);
		p += strlen(p) + 1;
		p += strlen(p) + 1;
	}
}

static void more(struct http_request *r);

/* All of it is here. The request goes with the answer. */
static void
answer_whole(struct api_order *o)
{
	struct http_request *r = o->r;
	int fd = o->file;

	o->r = NULL;
	o->file = -1;
	http_set_data(r, NULL);
	if (!o->complete)
		refuse(r, 500, "the answer could not be made");
	else if (fd >= 0)
		http_reply_file(r, o->status, o->type, fd, o->file_size);
	else
		http_reply(r, o->status, o->type, buf_data(&o->out), buf_len(&o->out));
}

static void
give_pieces(struct api_order *o)
{
	size_t n = http_reply_room(o->r);

	if (n > buf_len(&o->out))
		n = buf_len(&o->out);
	if (n) {
		http_reply_piece(o->r, buf_data(&o->out), n);
		buf_consume(&o->out, n);
		pthread_cond_signal(&o->room);
	}
	if (o->ended && !buf_len(&o->out)) {
		struct http_request *r = o->r;

		o->r = NULL;
		http_set_data(r, NULL);
		http_reply_end(r, o->complete);
	}
}

/* With the lock held. */
static void
go_on(struct api_order *o)
{
	if (!o->r || (!o->begun && !o->ended && !o->lines && buf_len(&o->out) < WHOLE_MAX))
		return;
	if (!o->begun) {
		o->begun = true;
		say_fields(o);
		if (o->ended) {
			answer_whole(o);
			return;
		}
		http_reply_begin(o->r, o->status, o->type, more);
	}
	give_pieces(o);
}

static void
more(struct http_request *r)
{
	struct api_order *o = http_data(r);

	pthread_mutex_lock(&o->lock);
	go_on(o);
	leave(o);
}

static void
arrived(struct mail *m)
{
	struct api_order *o = (struct api_order *)((char *)m - offsetof(struct api_order, mail));

	pthread_mutex_lock(&o->lock);
	o->posted = false;
	go_on(o);
	leave(o);
}

/* Before it was handed over, it is ours alone; afterwards the thread finds out when it writes, and its queries are cut. */
void
api_gone(struct http_request *r)
{
	struct api_order *o = http_data(r);

	if (!o)
		return;
	http_set_data(r, NULL);
	if (!o->mail.run) {
		order_free(o);
		return;
	}
	pthread_mutex_lock(&o->lock);
	o->r = NULL;
	o->gone = true;
	/* Behind the end it is about another order. */
	if (o->heard && !o->ended)
		atomic_store(o->heard, true);
	pthread_cond_signal(&o->room);
	leave(o);
}

/* The answer, on the thread that works on it */

static void
post(struct api_order *o)
{
	if (o->posted)
		return;
	o->posted = true;
	reactor_post(web_reactor(), &o->mail);
}

void
api_listen(struct api_order *o, atomic_bool *gone)
{
	pthread_mutex_lock(&o->lock);
	o->heard = gone;
	if (o->gone)
		atomic_store(gone, true);
	pthread_mutex_unlock(&o->lock);
}

void
api_status(struct api_order *o, int status, const char *type)
{
	pthread_mutex_lock(&o->lock);
	o->status = status;
	o->type = type;
	pthread_mutex_unlock(&o->lock);
}

void
api_field(struct api_order *o, const char *name, const char *value)
{
	pthread_mutex_lock(&o->lock);
	buf_add(&o->fields, name, strlen(name) + 1);
	buf_add(&o->fields, value, strlen(value) + 1);
	pthread_mutex_unlock(&o->lock);
}

static void
wait_for_room(struct api_order *o)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += LOOK_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&o->room, &o->lock, &t);
}

int
api_write(struct api_order *o, const char *p, size_t n)
{
	bool left;

	pthread_mutex_lock(&o->lock);
	while (buf_len(&o->out) >= AHEAD && !o->gone && atomic_load(&taker))
		wait_for_room(o);
	/* What fits is taken while the server stops, too: it may be why not. */
	left = o->gone || buf_len(&o->out) >= AHEAD;
	if (!left) {
		buf_add(&o->out, p, n);
		if (o->begun || o->lines || buf_len(&o->out) >= WHOLE_MAX)
			post(o);
	}
	pthread_mutex_unlock(&o->lock);
	return left ? -1 : 0;
}

bool
api_again(struct api_order *o)
{
	bool can;

	pthread_mutex_lock(&o->lock);
	can = !o->begun;
	if (can)
		buf_clear(&o->out);
	pthread_mutex_unlock(&o->lock);
	return can;
}

void
api_file(struct api_order *o, int fd, uint64_t size)
{
	pthread_mutex_lock(&o->lock);
	o->file = fd;
	o->file_size = size;
	pthread_mutex_unlock(&o->lock);
}

void
api_whole(struct api_order *o, const char *p, size_t n)
{
	pthread_mutex_lock(&o->lock);
	buf_add(&o->out, p, n);
	o->ended = o->complete = true;
	post(o);
	pthread_mutex_unlock(&o->lock);
}

void
api_end(struct api_order *o, bool complete)
{
	pthread_mutex_lock(&o->lock);
	o->ended = true;
	o->complete = complete;
	post(o);
	pthread_mutex_unlock(&o->lock);
}
