/*
 * submit: libcurl says which sockets and what time it waits for (on_socket, on_timeout), and is told what has happened (step). Nothing but step ends a
 * transfer, so no callback runs within a call of libcurl's.
 */
#include "submit.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#define WHY 400
#define FIRST_AGAIN_MS 2000
#define AGAIN_MAX_MS 30000
#define TICK_MS 500

struct submitter {
	uv_loop_t *loop;
	const struct mail_settings *settings;
	CURLM *multi;
	uv_timer_t timer;  /* libcurl's */
	uv_timer_t tick;   /* looks for those whose time has come */
	unsigned closing;  /* of these two, that are not closed yet */
	struct list waiting, running, later; /* submissions */
	unsigned nrunning;
};

struct submission {
	struct list in;
	struct submitter *x;
	CURL *easy;      /* while it runs */
	struct curl_slist *to;
	char *from, *rcpt;
	struct buf mail;
	size_t at;       /* bytes of it that are sent */
	int64_t give_up_ms, again_ms;
	unsigned tries;
	char why[WHY];
	submit_fn *fn;
	void *arg;
};

struct watch {
	uv_poll_t poll;
	struct submitter *x;
	curl_socket_t fd;
};

static void pump(struct submitter *x);

/* One mail */

static void
end_transfer(struct submission *m)
{
	if (!m->easy)
		return;
	(void)curl_multi_remove_handle(m->x->multi, m->easy);
	curl_easy_cleanup(m->easy);
	curl_slist_free_all(m->to);
	m->easy = NULL;
	m->to = NULL;
	m->x->nrunning--;
}

static void
free_submission(struct submission *m)
{
	end_transfer(m);
	list_remove(&m->in);
	buf_fini(&m->mail);
	free(m->from);
	free(m->rcpt);
	free(m);
}

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct submission *m = arg;
	size_t left = buf_len(&m->mail) - m->at;

	n *= size;
	if (n > left)
		n = left;
	if (n)
		memcpy(p, buf_data(&m->mail) + m->at, n);
	m->at += n;
	return n;
}

/* libcurl begins again when it had kept a connection that is dead. */
static int
on_seek(void *arg, curl_off_t at, int origin)
{
	struct submission *m = arg;

	if (origin != SEEK_SET || at < 0 || (size_t)at > buf_len(&m->mail))
		return CURL_SEEKFUNC_FAIL;
	m->at = (size_t)at;
	return CURL_SEEKFUNC_OK;
}

/* What the mail system says: the last line is kept, but of a refusal the refusal, not what follows it (QUIT). */
static size_t
on_reply(char *p, size_t size, size_t n, void *arg)
{
	struct submission *m = arg;
	size_t len = 0;

	n *= size;
	if ((*m->why == '4' || *m->why == '5') && n > 0 && *p != '4' && *p != '5')
		return n;
	for (size_t i = 0; i < n && len + 1 < sizeof(m->why); i++)
		if (p[i] >= ' ' && p[i] <= '~')
			m->why[len++] = p[i];
	m->why[len] = '\0';
	return n;
}

static void
prepare(struct submission *m)
{
	const struct mail_settings *s = m->x->settings;
	char url[1024], path[340];
	CURL *c = m->easy;

	/* What libcurl greets with is the path. */
	snprintf(url, sizeof(url), "%s/%s", s->relay, s->helo);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(s->relay_plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (s->ca_file)
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file);
	if (s->user) {
		(void)curl_easy_setopt(c, CURLOPT_USERNAME, s->user);
		(void)curl_easy_setopt(c, CURLOPT_PASSWORD, s->password);
	}
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)s->limits.submit_seconds * 1000);
	snprintf(path, sizeof(path), "<%s>", m->from);
	(void)curl_easy_setopt(c, CURLOPT_MAIL_FROM, path);
	snprintf(path, sizeof(path), "<%s>", m->rcpt);
	m->to = curl_slist_append(NULL, path);
	(void)curl_easy_setopt(c, CURLOPT_MAIL_RCPT, m->to);
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)buf_len(&m->mail));
	(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(c, CURLOPT_READDATA, m);
	(void)curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(c, CURLOPT_SEEKDATA, m);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_reply);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, m);
	(void)curl_easy_setopt(c, CURLOPT_PRIVATE, m);
}

static void
begin(struct submission *m)
{
	struct submitter *x = m->x;

	list_remove(&m->in);
	list_append(&x->running, &m->in);
	x->nrunning++;
	m->tries++;
	m->at = 0;
	m->why[0] = '\0';
	m->easy = curl_easy_init();
	if (!m->easy)
		mem_exhausted(0);
	prepare(m);
	(void)curl_multi_add_handle(x->multi, m->easy);
}

/* The end of a transfer */

static bool
is_refused(CURLcode code, long reply)
{
	/* A wrong password, or a certificate that is not right, is the administrator's to put right: that may not take long. */
	return reply >= 500 && reply <= 599 && (code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UPLOAD_FAILED ||
						code == CURLE_RECV_ERROR || code == CURLE_REMOTE_ACCESS_DENIED);
}

static void
finish(struct submission *m, CURLcode code)
{
	int64_t now = clock_mono_ms(), pause = FIRST_AGAIN_MS << (m->tries < 5 ? m->tries - 1 : 4);
	struct submitter *x = m->x;
	long reply = 0;
	char why[WHY];
	enum submit_end end;

	(void)curl_easy_getinfo(m->easy, CURLINFO_RESPONSE_CODE, &reply);
	end_transfer(m);
	if (code != CURLE_OK && (reply < 400 || !*m->why))
		snprintf(m->why, sizeof(m->why), "%s", curl_easy_strerror(code));
	end = code == CURLE_OK ? SUBMIT_TAKEN : is_refused(code, reply) ? SUBMIT_REFUSED : SUBMIT_GAVE_UP;
	pause = pause > AGAIN_MAX_MS ? AGAIN_MAX_MS : pause;
	if (end != SUBMIT_TAKEN)
		log_warning(NULL, end == SUBMIT_REFUSED ? "mail-refused" : "mail-not-taken", "to=%s try=%u why=%s", m->rcpt, m->tries, m->why);
	if (end == SUBMIT_GAVE_UP && now + pause < m->give_up_ms) {
		m->again_ms = now + pause;
		list_remove(&m->in);
		list_append(&x->later, &m->in);
		return;
	}
	memcpy(why, m->why, sizeof(why));
	list_remove(&m->in);
	m->fn(m->arg, end, why);
	free_submission(m);
}

static void
look_for_ends(struct submitter *x)
{
	struct submission *m;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(x->multi, &left))) {
		CURLcode code = msg->data.result;

		if (msg->msg == CURLMSG_DONE && !curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&m))
			finish(m, code);
	}
	pump(x);
}

/* The loop */

static void
step(struct submitter *x, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(x->multi, fd, what, &running);
	look_for_ends(x);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	step(w->x, w->fd, status < 0 ? CURL_CSELECT_ERR : (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void
free_watch(uv_handle_t *h)
{
	free(h->data);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct submitter *x = arg;
	struct watch *w = known;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (!w)
			return 0;
		(void)uv_poll_stop(&w->poll);
		(void)curl_multi_assign(x->multi, fd, NULL);
		uv_close((uv_handle_t *)&w->poll, free_watch);
		return 0;
	}
	if (!w) {
		w = NEW(struct watch);
		w->x = x;
		w->fd = fd;
		if (uv_poll_init_socket(x->loop, &w->poll, fd)) {
			free(w);
			return -1;
		}
		w->poll.data = w;
		(void)curl_multi_assign(x->multi, fd, w);
	}
	return uv_poll_start(&w->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_ready) ? -1 : 0;
}

static void
on_time(uv_timer_t *timer)
{
	step(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timeout(CURLM *multi, long ms, void *arg)
{
	struct submitter *x = arg;

	(void)multi;
	if (ms < 0)
		(void)uv_timer_stop(&x->timer);
	else
		(void)uv_timer_start(&x->timer, on_time, (uint64_t)ms, 0);
	return 0;
}

static void
on_tick(uv_timer_t *timer)
{
	struct submitter *x = timer->data;
	int64_t now = clock_mono_ms();

	LIST_EACH(l, &x->later)
	{
		struct submission *m = LIST_ENTRY(l, struct submission, in);

		if (m->again_ms > now)
			continue;
		list_remove(&m->in);
		list_append(&x->waiting, &m->in);
	}
	pump(x);
}

static void
pump(struct submitter *x)
{
	while (x->nrunning < x->settings->limits.submissions && !list_is_empty(&x->waiting))
		begin(LIST_ENTRY(x->waiting.next, struct submission, in));
}

/* Begin and end */

struct submitter *
submitter_new(uv_loop_t *loop, const struct mail_settings *s)
{
	struct submitter *x = NEW(struct submitter);

	x->loop = loop;
	x->settings = s;
	list_init(&x->waiting);
	list_init(&x->running);
	list_init(&x->later);
	x->multi = curl_multi_init();
	if (!x->multi)
		mem_exhausted(0);
	(void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	(void)curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
	(void)uv_timer_init(loop, &x->timer);
	(void)uv_timer_init(loop, &x->tick);
	x->timer.data = x->tick.data = x;
	(void)uv_timer_start(&x->tick, on_tick, TICK_MS, TICK_MS);
	return x;
}

void
submitter_change(struct submitter *x, const struct mail_settings *s)
{
	x->settings = s;
}

static void
on_closed(uv_handle_t *h)
{
	struct submitter *x = h->data;

	if (!--x->closing)
		free(x);
}

static void
drop_all(struct list *l)
{
	while (!list_is_empty(l))
		free_submission(LIST_ENTRY(l->next, struct submission, in));
}

void
submitter_free(struct submitter *x)
{
	if (!x)
		return;
	drop_all(&x->waiting);
	drop_all(&x->running);
	drop_all(&x->later);
	(void)curl_multi_cleanup(x->multi);
	x->closing = 2;
	uv_close((uv_handle_t *)&x->timer, on_closed);
	uv_close((uv_handle_t *)&x->tick, on_closed);
}

struct submission *
submit(struct submitter *x, const char *from, const char *to, struct buf *mail, submit_fn *fn, void *arg)
{
	struct submission *m = NEW(struct submission);

	m->x = x;
	m->from = mem_strdup(from);
	m->rcpt = mem_strdup(to);
	m->mail = *mail;
	*mail = (struct buf){ 0 };
	m->fn = fn;
	m->arg = arg;
	m->give_up_ms = clock_mono_ms() + (int64_t)x->settings->limits.retry_seconds * 1000;
	list_append(&x->waiting, &m->in);
	pump(x);
	return m;
}

void
submission_cancel(struct submission *m)
{
	struct submitter *x = m->x;

	free_submission(m);
	pump(x);
}
