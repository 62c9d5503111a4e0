/*
 * dns: questions to libunbound. Asked by core/federation/find.c and trust.c, started by federation_start.
 *
 * libunbound resolves and validates on a thread that it makes itself; a side reactor ("dns") gives it the questions, waits for its
 * pipe (ub_fd) and keeps the time. So a home only posts a mail and gets one back, and nothing that libunbound does can hold it up.
 *
 *     home ── dns_ask: mail ──▶ side: job, timer, ub_resolve_async ──▶ libunbound's thread
 *     home ◀── mail: done ───── side: on_answer or too_late ◀──────────────┘
 *
 * A job is on the side reactor's list as long as libunbound may call back for it.
 */
#include "net/dns.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/turns.h"

#define CLASS_IN 1
#define RCODE_SERVFAIL 2
#define RCODE_NXDOMAIN 3

struct job {
	struct list link;
	struct timer timer;
	struct dns_question *q;
	int id; /* libunbound's */
};

struct dns {
	struct reactor *side;
	struct ub_ctx *ctx;
	uv_poll_t poll;
	struct list jobs;
	unsigned count;
	atomic_uint waiting;
	unsigned timeout_ms;
	bool closed; /* nothing more is asked; behind the door */
};

/* Whoever asks holds it while he posts, so that nothing is posted behind close_down. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static struct dns *dns;

const char *
dns_status_name(enum dns_status s)
{
	static const char *const names[] = {"found", "none", "bogus", "failed"};

	return names[s];
}

/* Answering */

static void
deliver(struct mail *m)
{
	struct dns_question *q = (struct dns_question *)m;

	q->done(q);
}

/* The question leaves: from here on it belongs to its home. */
static void
answer(struct dns_question *q)
{
	if (q->status == DNS_BOGUS)
		metric_add(METRIC_DNS_BOGUS, 1);
	else if (q->status == DNS_FAILED)
		metric_add(METRIC_DNS_FAILED, 1);
	log_debug(NULL, "dns-answer", "name=%s type=%d status=%s secure=%s records=%zu reason=%s", q->name, (int)q->type,
		dns_status_name(q->status), q->secure ? "yes" : "no", q->n, q->why);
	q->mail.run = deliver;
	reactor_post(q->home, &q->mail);
}

static void
answer_failed(struct dns_question *q, const char *why)
{
	q->status = DNS_FAILED;
	snprintf(q->why, sizeof(q->why), "%s", why);
	answer(q);
}

static void
answer_error(struct dns_question *q, int code)
{
	if (code != UB_SYNTAX) {
		answer_failed(q, ub_strerror(code));
		return;
	}
	/* Too long for a name in the DNS: there cannot be one. */
	q->status = DNS_NONE;
	answer(q);
}

static struct dns_question *
end_job(struct job *j)
{
	struct dns_question *q = j->q;

	timer_clear(&j->timer);
	list_remove(&j->link);
	dns->count--;
	q->job = NULL;
	free(j);
	return q;
}

static void
take_records(struct dns_question *q, const struct ub_result *r)
{
	q->record = arena_alloc(q->arena, DNS_RECORDS * sizeof(*q->record));
	for (; r->data[q->n] && q->n < DNS_RECORDS; q->n++) {
		size_t len = (size_t)r->len[q->n];
		unsigned char *copy = arena_alloc(q->arena, len + 1);

		memcpy(copy, r->data[q->n], len);
		q->record[q->n] = (struct dns_record){copy, len};
	}
	q->status = q->n ? DNS_FOUND : DNS_NONE;
}

static void
take_result(struct dns_question *q, const struct ub_result *r)
{
	q->secure = r->secure;
	q->ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	if (r->bogus) {
		q->status = DNS_BOGUS;
		snprintf(q->why, sizeof(q->why), "%s", r->why_bogus ? r->why_bogus : "its signatures are not right");
	} else if (r->havedata && r->data) {
		take_records(q, r);
	} else if (r->rcode == 0 || r->rcode == RCODE_NXDOMAIN) {
		q->status = DNS_NONE;
	} else {
		q->status = DNS_FAILED;
		q->secure = false;
		snprintf(q->why, sizeof(q->why), r->rcode == RCODE_SERVFAIL ? "no name server gave a usable answer"
									    : "the name server refused (code %d)", r->rcode);
	}
	answer(q);
}

/* Called in ub_process. */
static void
on_answer(void *arg, int code, struct ub_result *r)
{
	struct dns_question *q = end_job(arg);

	if (code || !r)
		answer_error(q, code);
	else
		take_result(q, r);
	ub_resolve_free(r);
}

static void
too_late(struct timer *t)
{
	struct job *j = LIST_ENTRY(t, struct job, timer);

	(void)ub_cancel(dns->ctx, j->id);
	answer_failed(end_job(j), "no answer in time");
}

/* Asking, on the side reactor */

static void
begin(struct dns_question *q)
{
	struct job *j = NEW(struct job);
	int code;

	j->q = q;
	q->job = j;
	list_append(&dns->jobs, &j->link);
	dns->count++;
	metric_add(METRIC_DNS_QUESTIONS, 1);
	code = ub_resolve_async(dns->ctx, q->name, q->type, CLASS_IN, j, on_answer, &j->id);
	if (!code) {
		timer_set(&j->timer, dns->timeout_ms, too_late);
		return;
	}
	answer_error(end_job(j), code);
}

static void
take_question(struct mail *m)
{
	struct dns_question *q = (struct dns_question *)m;

	if (dns->count >= atomic_load_explicit(&dns->waiting, memory_order_relaxed))
		answer_failed(q, "too many questions wait for the name servers");
	else
		begin(q);
}

void
dns_ask(struct dns_question *q)
{
	bool asked = false;

	q->home = reactor_current();
	q->job = NULL;
	q->record = NULL;
	q->n = 0;
	q->ttl = 0;
	q->secure = false;
	q->why[0] = '\0';
	assert(q->home);
	pthread_mutex_lock(&door);
	if (dns && !dns->closed) {
		q->mail.run = take_question;
		reactor_post(dns->side, &q->mail);
		asked = true;
	}
	pthread_mutex_unlock(&door);
	if (!asked)
		answer_failed(q, "there is no resolver");
}

void
dns_set_waiting(unsigned waiting)
{
	pthread_mutex_lock(&door);
	if (dns)
		atomic_store_explicit(&dns->waiting, waiting, memory_order_relaxed);
	pthread_mutex_unlock(&door);
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	int code = status < 0 ? UB_PIPE : 0;

	(void)h;
	(void)events;
	reactor_enter(dns->side);
	if (!code)
		code = ub_process(dns->ctx);
	if (code) {
		log_error(NULL, "dns-lost", "reason=%s", ub_strerror(code));
		uv_poll_stop(&dns->poll);
	}
	reactor_leave(dns->side, "dns");
}

/* Start and stop */

struct option {
	const char *name, *value;
};

static const struct option options[] = {
	/* RFC 6761 has resolvers deny these; an organisation may have its own all the same, and who asks us means it. */
	{"local-zone:", "test. transparent"},
	{"local-zone:", "localhost. transparent"},
	{"local-zone:", "home.arpa. transparent"},
	{"do-not-query-localhost:", "no"},
	{"val-permissive-mode:", "no"},
	/* A name server that was away is asked again soon, and so is a name that has just been entered. */
	{"infra-host-ttl:", "30"},
	{"infra-keep-probing:", "yes"},
	{"cache-max-ttl:", "3600"},
	{"cache-max-negative-ttl:", "60"},
	{"msg-cache-size:", "2m"},
	{"rrset-cache-size:", "4m"},
	/* The library's defaults are for one question at a time; after a restart there are hundreds. */
	{"outgoing-range:", "128"},
	{"outgoing-num-tcp:", "16"},
	{"num-queries-per-thread:", "1024"},
};

static int
set_options(struct ub_ctx *ctx, struct err *e)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int code = ub_ctx_set_option(ctx, options[i].name, options[i].value);

		if (code)
			return err_set(e, 0, "libunbound: %s %s: %s", options[i].name, options[i].value, ub_strerror(code));
	}
	ub_ctx_debugout(ctx, NULL);
	ub_ctx_async(ctx, 1);
	return 0;
}

static int
set_servers(struct ub_ctx *ctx, const char *servers, struct err *e)
{
	char *copy, *rest, *server;
	int code = 0;

	if (!servers || !*servers) {
		if (ub_ctx_resolvconf(ctx, NULL))
			log_warning(NULL, "dns-without-servers", "file=%s reason=%s", "/etc/resolv.conf",
				"cannot be read: the root servers are asked");
		return 0;
	}
	rest = copy = mem_strdup(servers);
	while (!code && (server = strsep(&rest, " ")))
		if (*server && (code = ub_ctx_set_fwd(ctx, server)))
			err_set(e, 0, "name server %s: not ADDRESS or ADDRESS@PORT", server);
	free(copy);
	return code ? -1 : 0;
}

static int
set_anchors(struct ub_ctx *ctx, const char *file, struct err *e)
{
	FILE *f;
	int code;

	if (!file || !*file)
		return 0;
	if (!(f = fopen(file, "re"))) {
		code = errno;
		return err_set(e, code, "DNSSEC trust anchors %s: %s", file, strerror(code));
	}
	fclose(f);
	if ((code = ub_ctx_add_ta_file(ctx, file)))
		return err_set(e, 0, "DNSSEC trust anchors %s: %s", file, ub_strerror(code));
	return 0;
}

/* All files are read when the context is used for the first time; this uses it without asking anything. */
static int
finalize(struct ub_ctx *ctx, const char *anchors, struct err *e)
{
	int code = ub_ctx_zone_remove(ctx, "unused.invalid.");

	if (!code)
		return 0;
	if (anchors && *anchors)
		return err_set(e, 0, "DNSSEC trust anchors %s: not DS or DNSKEY records", anchors);
	return err_set(e, 0, "libunbound: %s", ub_strerror(code));
}

static struct ub_ctx *
make_context(const struct dns_settings *s, struct err *e)
{
	struct ub_ctx *ctx = ub_ctx_create();

	if (!ctx) {
		err_set(e, errno, "libunbound cannot be set up");
		return NULL;
	}
	if (!set_options(ctx, e) && !set_servers(ctx, s->servers, e) && !set_anchors(ctx, s->anchors, e) &&
		!finalize(ctx, s->anchors, e))
		return ctx;
	ub_ctx_delete(ctx);
	return NULL;
}

static void
watch_pipe(void *arg)
{
	struct dns *d = arg;

	turns_long(0); /* libunbound's thread is made by this one, and begins with what it has */
	if (uv_poll_init(reactor_loop(d->side), &d->poll, ub_fd(d->ctx)) || uv_poll_start(&d->poll, UV_READABLE, on_readable))
		log_error(NULL, "dns-lost", "reason=%s", "its pipe cannot be polled");
}

int
dns_start(const struct dns_settings *s, struct err *e)
{
	struct dns *d = NEW(struct dns);

	assert(!dns);
	list_init(&d->jobs);
	d->timeout_ms = s->timeout_ms;
	atomic_init(&d->waiting, s->waiting);
	if (!(d->ctx = make_context(s, e)))
		goto fail;
	if (!(d->side = reactor_start_side("dns"))) {
		err_set(e, 0, "no thread for the resolver");
		ub_ctx_delete(d->ctx);
		goto fail;
	}
	dns = d;
	reactor_call(d->side, watch_pipe, d);
	return 0;
fail:
	free(d);
	return -1;
}

/* On the side reactor, behind every question that was asked before. */
static void
close_down(void *arg)
{
	struct dns *d = arg;

	LIST_EACH(pos, &d->jobs) {
		struct job *j = LIST_ENTRY(pos, struct job, link);

		(void)ub_cancel(d->ctx, j->id);
		answer_failed(end_job(j), "the server is being stopped");
	}
	uv_close((uv_handle_t *)&d->poll, NULL);
}

void
dns_stop(void)
{
	struct dns *d = dns;

	if (!d)
		return;
	pthread_mutex_lock(&door);
	d->closed = true;
	pthread_mutex_unlock(&door);
	reactor_call(d->side, close_down, d);
	reactor_stop_side(d->side);
	pthread_mutex_lock(&door);
	dns = NULL;
	pthread_mutex_unlock(&door);
	ub_ctx_delete(d->ctx);
	free(d);
}
