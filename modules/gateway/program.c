/*
 * program: main of a gateway. Order of start: what it was started with; the stream; the settings; the network; who is registered.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gateway/clients.h"
#include "gateway/parcel.h"
#include "gateway/policy.h"
#include "gateway/priv.h"
#include "gateway/registration.h"
#include "gateway/recall.h"
#include "gateway/report.h"
#include "gateway/room.h"
#include "gateway/store.h"
#include "gateway/transfer.h"
#include "xmpp/parser.h"

#define HURRIED 4       /* turns in a row: one message is as many */
#define ANSWER_MS 3000  /* for a network to answer what it has been given */
#define END_MS 10000    /* for what a network closes */
#define GOODBYE_MS 5000 /* for chanceryd to acknowledge the last of what it was sent */

static void end_when_answered(struct gateway *g);

static void
on_tick(uv_timer_t *t)
{
	struct gateway *g = t->data;

	g->now_ms = uv_now(g->loop);
	link_tick(g);
	messages_tick(g);
	again_tick(g);
	users_tick(g);
	questions_tick(g);
	store_tick(g);
	policy_tick(g);
	recall_tick(g);
	stats_tick(g);
	if (g->held_back && g->running && gateway_takes(g) && g->net->drain)
		g->net->drain(g);
	end_when_answered(g);
}

/*
 * A turn costs the same for one line as for a hundred: asking the kernel what came, writing to chanceryd, hearing that it has it. Where one comes right behind the
 * other they are spread, so that each has more to do. Who says something now and then is served at once.
 */
static void
pace(struct gateway *g)
{
	uint64_t now = uv_hrtime(), least = g->net->turn_us * UINT64_C(1000);
	struct timespec rest = { .tv_nsec = (long)least };

	g->hurried = now - g->turned_ns < least ? g->hurried + 1 : 0;
	if (g->hurried > HURRIED && uv_backend_timeout(g->loop)) {
		nanosleep(&rest, NULL);
		uv_update_time(g->loop);
		now = uv_hrtime();
	}
	g->turned_ns = now;
}

/* Before the loop waits: what the turn has left to do. */
static void
on_turn(uv_prepare_t *p)
{
	struct gateway *g = p->data;

	g->now_ms = uv_now(g->loop);
	users_turn(g);
	parcels_turn(g);
	transfers_turn(g);
	again_turn(g);
	link_turn(g);
	if (g->held_back && g->running && gateway_takes(g) && g->net->drain)
		g->net->drain(g);
	end_when_answered(g);
	if (g->net->turn_us)
		pace(g);
}

static void
on_signal(uv_signal_t *s, int number)
{
	log_info(NULL, "told-to-end", "signal=%d", number);
	program_end(s->data, 0);
}

static void
allocate(uv_handle_t *handle, size_t wished, uv_buf_t *b)
{
	static char bytes[256];

	(void)handle;
	(void)wished;
	*b = uv_buf_init(bytes, sizeof(bytes));
}

static void
on_stdin(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	(void)b;
	if (n < 0) {
		log_info(s->data, "told-to-end", "why=stdin");
		program_end(s->loop->data, 0);
	}
}

/* A thousand users may be a thousand sockets. */
static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r))
		log_warning(NULL, "descriptors", "why=%s", strerror(errno));
}

static void
start_handles(struct gateway *g)
{
	uv_timer_init(g->loop, &g->tick);
	uv_prepare_init(g->loop, &g->turn);
	uv_signal_init(g->loop, &g->terminate);
	uv_signal_init(g->loop, &g->interrupt);
	g->tick.data = g->turn.data = g->terminate.data = g->interrupt.data = g;
	uv_timer_start(&g->tick, on_tick, TICK_MS, TICK_MS);
	uv_prepare_start(&g->turn, on_turn);
	uv_signal_start(&g->terminate, on_signal, SIGTERM);
	uv_signal_start(&g->interrupt, on_signal, SIGINT);
	uv_pipe_init(g->loop, &g->stdin_pipe, 0);
	g->stdin_pipe.data = NULL;
	if (g->start.supervised && !uv_pipe_open(&g->stdin_pipe, STDIN_FILENO))
		uv_read_start((uv_stream_t *)&g->stdin_pipe, allocate, on_stdin);
}

/* The network begins with its settings, once. */
static void
begin(struct gateway *g)
{
	struct err err = { 0 };

	g->reading = false;
	if (g->stopping)
		return;
	if (g->net->start(g, g->settings.network, &err)) {
		log_error(NULL, "settings-refused", "why=%s", err.text);
		program_end(g, 2);
		return;
	}
	g->running = true;
	log_info(NULL, "gateway-started", "name=%s kind=%s domain=%s", g->start.name, g->net->kind, g->start.domain);
	/* Who runs it by hand has nobody registered, if there are no accounts to register. */
	if (g->start.settings && !g->settings.account)
		program_settled(g);
	store_read_users(g);
}

/* What the network says first may be about what its last program was told. */
static void
read_and_begin(struct gateway *g)
{
	g->reading = true;
	recall_read(g, begin);
}

static void
doubt(struct gateway_user *u, void *arg)
{
	(void)arg;
	clients_doubt(u);
}

static void
doubt_all(struct gateway *g)
{
	gateway_user_each(g, doubt, NULL);
}

void
program_settled(struct gateway *g)
{
	if (g->settled || g->stopping)
		return;
	g->settled = true;
	dispatch_early(g);
	users_open(g);
	/* Of who was there when the last program ended some may have gone, or may no more. */
	doubt_all(g);
	policy_review(g);
}

/* -1: not taken, `err` says why. */
static int
take_settings(struct gateway *g, const json_t *o, struct err *err)
{
	struct gateway_settings now = { 0 };

	if (gateway_settings_read(&now, o, err))
		return -1;
	if (g->running && g->net->change && g->net->change(g, now.network, err)) {
		gateway_settings_free(&now);
		return -1;
	}
	gateway_settings_free(&g->settings);
	g->settings = now;
	users_review(g);
	return 0;
}

int
program_settings(struct gateway *g, const char *text, struct err *err)
{
	json_error_t e;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	int result;

	if (!o)
		return err_set(err, 0, "settings, line %d: %s", e.line, e.text);
	result = take_settings(g, o, err);
	json_decref(o);
	return result;
}

static void
on_settings(struct gateway *g, const char *text)
{
	struct err err = { 0 };

	if (g->running || g->reading || g->stopping)
		return;
	if (program_settings(g, text, &err)) {
		log_error(NULL, "settings-refused", "why=%s", err.text);
		program_end(g, 2);
		return;
	}
	read_and_begin(g);
}

void
program_stream_up(struct gateway *g)
{
	if (g->running) {
		store_stream_up(g);
		doubt_all(g);
		policy_review(g);
	} else if (g->reading) {
		store_stream_up(g);
	} else if (g->start.settings) {
		read_and_begin(g);
	} else {
		store_ask_settings(g, on_settings);
	}
}

static void
force(uv_timer_t *t)
{
	log_warning(NULL, "handles-left", "");
	uv_stop(t->loop);
}

static void
close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* Everything else is closed: now the stream. */
static void
finish(struct gateway *g)
{
	link_stop(g);
	close_handle((uv_handle_t *)&g->turn);
	close_handle((uv_handle_t *)&g->terminate);
	close_handle((uv_handle_t *)&g->interrupt);
	close_handle((uv_handle_t *)&g->stdin_pipe);
	/* The loop ends when the last handle has been closed, or after this. */
	uv_timer_start(&g->tick, force, END_MS, 0);
	uv_unref((uv_handle_t *)&g->tick);
}

static void
on_patience(uv_timer_t *t)
{
	finish(t->data);
}

static void
stop(struct gateway *g)
{
	g->stopping = true;
	users_end(g);
	parcels_end(g);
	transfers_end(g);
	if (g->running)
		g->net->stop(g);
	/* What people at the network said last is to arrive. */
	uv_timer_start(&g->tick, on_patience, g->link.state == LINK_OPEN && g->link.waiting ? GOODBYE_MS : 0, 0);
}

/*
 * What a network has been given, and has not answered, is not acknowledged, nor is what was sent behind it: all that would be sent once more by the next program. So its answers
 * are waited for, for a while; nothing more is given to it meanwhile.
 */
static void
end_when_answered(struct gateway *g)
{
	if (!g->ending || g->stopping)
		return;
	if (g->status || !g->running || g->link.state != LINK_OPEN || g->now_ms >= g->end_ms || !messages_are_given(g))
		stop(g);
}

void
program_end(struct gateway *g, int status)
{
	if (g->ending)
		return;
	g->ending = true;
	g->status = status;
	g->end_ms = g->now_ms + ANSWER_MS;
	end_when_answered(g);
}

void
program_all_arrived(struct gateway *g)
{
	uv_timer_start(&g->tick, on_patience, 0, 0);
}

static void
free_all(struct gateway *g)
{
	close_handle((uv_handle_t *)&g->tick);
	uv_run(g->loop, UV_RUN_NOWAIT);
	if (uv_loop_close(g->loop))
		log_warning(NULL, "loop-not-closed", "");
	g->running = false;
	dispatch_early(g);
	incoming_end(g);
	reports_end(g);
	parcels_end(g);
	rooms_end();
	seen_free(&g->seen);
	jids_free(&g->jids);
	ids_free(&g->ids);
	questions_free(g);
	store_free(g);
	registration_free(g);
	ledger_reset(&g->ledger);
	gateway_settings_free(&g->settings);
	gateway_start_free(&g->start);
	write_end();
	parser_pool_clear();
	free(g);
}

int
gateway_main(const struct network *n, int argc, char **argv)
{
	struct gateway *g = NEW(struct gateway);
	struct err err = { 0 };
	json_t *none = json_object();
	uv_loop_t loop;
	int status;

	log_setup(LOG_INFO, LOG_TEXT);
	g->net = n;
	if (gateway_start_read(&g->start, argc, argv, &err) ||
	    gateway_settings_read(&g->settings, g->start.settings ? g->start.settings : none, &err)) {
		fprintf(stderr, "%s\n", err.text);
		gateway_start_free(&g->start);
		json_decref(none);
		free(g);
		return 2;
	}
	json_decref(none);
	signal(SIGPIPE, SIG_IGN);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	raise_descriptors();
	uv_loop_init(&loop);
	loop.data = g;
	g->loop = &loop;
	g->limits = &g->settings.limits;
	g->now_ms = uv_now(&loop);
	users_init(g);
	ledger_init(&g->ledger);
	questions_init(&g->questions);
	recall_init(g);
	store_init(g);
	link_init(g);
	again_init(&g->again);
	start_handles(g);
	link_start(g);
	uv_run(&loop, UV_RUN_DEFAULT);
	status = g->status;
	free_all(g);
	curl_global_cleanup();
	return status;
}

uv_loop_t *
gateway_loop(struct gateway *g)
{
	return g->loop;
}

const char *
gateway_host(const struct gateway *g)
{
	return g->start.host;
}

uint64_t
gateway_backoff_ms(unsigned n)
{
	uint64_t ms = 1000, spread;

	for (unsigned i = 1; i < n && ms < 300000; i++)
		ms *= 2;
	if (ms > 300000)
		ms = 300000;
	crypt_random(&spread, sizeof(spread));
	return ms / 2 + spread % (ms / 2 + 1);
}
