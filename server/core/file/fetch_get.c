/*
 * fetch_get: libcurl's multi interface on libuv: libcurl says which sockets and what time it waits for (on_socket, on_timeout), and is told
 * what has happened (step). Nothing but step may end a request: so `done` never runs within a call of libcurl's.
 */
#include "core/file/fetch_get.h"

#include <inttypes.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/config/config.h"
#include "net/address.h"
#include "net/network.h"
#include "net/reactor.h"

#define CONNECT_MS 10000L /* TCP and TLS */
#define SLOW_BYTES 1024L  /* a second, */
#define SLOW_SECONDS 30L  /* for so long: it is given up */
#define HEAD_MAX 65536    /* of all heads and trailers of an answer, which libcurl keeps */
#define FIRST_ROOM 65536  /* of a file whose length is not said */

struct fetch_engine {
	CURLM *multi;
	struct reactor *reactor;
	struct timer timer;
};

struct watch {
	uv_poll_t poll;
	struct fetch_engine *x;
	curl_socket_t fd;
};

bool
fetch_may_reach(const struct sockaddr *sa)
{
	struct config *c = config_get();
	bool may = network_is_public(sa);
	struct network n;

	for (size_t i = 0; !may && i < c->files.fetch_private.n; i++)
		may = network_parse(c->files.fetch_private.item[i], &n) && network_has(&n, sa);
	config_unref(c);
	return may;
}

/* NULL: there is none. */
static const char *
field(const struct fetch_get *t, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) ? NULL : h->value;
}

/* The end */

static bool
leads_on(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool
has_connected(const struct fetch_get *t)
{
	curl_off_t us = 0;

	return !curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &us) && us > 0;
}

/* RFC 9112 §9.8: what is ended by the end of the connection only may have been cut off, unless TLS says that it is the end. */
static bool
is_whole(const struct fetch_get *t)
{
	curl_off_t length = -1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return t->said_end || length >= 0 || field(t, "Transfer-Encoding");
}

static enum fetch_end
end_of(const struct fetch_get *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return t->status != 200 ? GET_STATUS : !is_whole(t) ? GET_BROKEN : t->spool ? GET_DONE : GET_EMPTY;
	case CURLE_PEER_FAILED_VERIFICATION:
		return GET_CERTIFICATE;
	case CURLE_COULDNT_CONNECT:
		return GET_UNREACHED;
	case CURLE_OPERATION_TIMEDOUT:
		return has_connected(t) ? GET_BROKEN : GET_UNREACHED;
	default:
		return GET_BROKEN;
	}
}

static void
finish(struct fetch_get *t, CURLcode code)
{
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	t->location = field(t, "Location");
	t->type = field(t, "Content-Type");
	if (!t->stopped)
		t->end = end_of(t, code);
	if (t->end == GET_STATUS && leads_on(t->status) && t->location)
		t->end = GET_LED_ON;
	if (!*t->why)
		snprintf(t->why, sizeof(t->why), "%s", curl_easy_strerror(code));
	t->done(t);
}

static void
look_for_ends(struct fetch_engine *x)
{
	struct fetch_get *t;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(x->multi, &left))) {
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t))
			continue;
		finish(t, code);
	}
}

/* The loop */

static void
step(struct fetch_engine *x, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(x->multi, fd, what, &running);
	look_for_ends(x);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct reactor *r = w->x->reactor;
	int what = status < 0 ? CURL_CSELECT_ERR : (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);

	reactor_enter(r);
	step(w->x, w->fd, what);
	reactor_leave(r, "fetch");
}

static void
free_watch(uv_handle_t *h)
{
	free(h->data);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct fetch_engine *x = arg;
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
		if (uv_poll_init_socket(reactor_loop(x->reactor), &w->poll, fd)) {
			free(w);
			return -1;
		}
		w->poll.data = w;
		(void)curl_multi_assign(x->multi, fd, w);
	}
	return uv_poll_start(&w->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_ready) ? -1 : 0;
}

static void
on_time(struct timer *timer)
{
	struct fetch_engine *x = (struct fetch_engine *)((char *)timer - offsetof(struct fetch_engine, timer));

	step(x, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timeout(CURLM *multi, long ms, void *arg)
{
	struct fetch_engine *x = arg;

	(void)multi;
	if (ms < 0)
		timer_clear(&x->timer);
	else
		timer_set(&x->timer, ms, on_time);
	return 0;
}

struct fetch_engine *
fetch_engine_new(void)
{
	struct fetch_engine *x = NEW(struct fetch_engine);

	x->reactor = reactor_current();
	x->multi = curl_multi_init();
	if (!x->multi)
		mem_exhausted(0);
	(void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
	(void)curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
	return x;
}

void
fetch_engine_free(struct fetch_engine *x)
{
	if (!x)
		return;
	(void)curl_multi_cleanup(x->multi);
	timer_clear(&x->timer);
	free(x);
}

/* What comes */

static bool
stop(struct fetch_get *t, enum fetch_end why)
{
	t->stopped = true;
	t->end = why;
	return false;
}

static bool
is_encoded(const struct fetch_get *t)
{
	const char *encoding = field(t, "Content-Encoding");

	return encoding && *encoding && !curl_strequal(encoding, "identity");
}

/* The head is there, and a first byte behind it. */
static bool
begin_body(struct fetch_get *t)
{
	curl_off_t length = -1;
	struct err e;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (t->status != 200)
		return stop(t, GET_STATUS);
	if (is_encoded(t))
		return stop(t, GET_ENCODED);
	if (length > 0 && (uint64_t)length > t->max)
		return stop(t, GET_LARGE);
	t->room = length > 0 ? (uint64_t)length : t->max < FIRST_ROOM ? t->max : FIRST_ROOM;
	t->spool = spool_new(t->room, &e);
	if (t->spool)
		return true;
	snprintf(t->why, sizeof(t->why), "%s", e.text);
	return stop(t, GET_NO_ROOM);
}

static bool
take(struct fetch_get *t, const char *p, size_t n)
{
	uint64_t need = spool_size(t->spool) + n;
	struct err e;

	if (need > t->max)
		return stop(t, GET_LARGE);
	if (need > t->room) {
		uint64_t room = t->room > t->max / 2 ? t->max : t->room * 2;

		t->room = room > need ? room : need;
		if (spool_extend(t->spool, t->room, &e))
			goto no_room;
	}
	if (spool_write(t->spool, p, n, &e))
		goto no_room;
	metric_add(METRIC_FETCH_BYTES, (int64_t)n);
	return true;

no_room:
	snprintf(t->why, sizeof(t->why), "%s", e.text);
	return stop(t, GET_NO_ROOM);
}

static size_t
on_head(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_get *t = arg;

	(void)p;
	t->head += size * n;
	return t->head > HEAD_MAX && !stop(t, GET_BROKEN) ? 0 : size * n;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch_get *t = arg;

	n *= size;
	if (n && !((t->spool || begin_body(t)) && take(t, p, n)))
		return 0;
	return n;
}

/* The question */

/* The last word on where it goes: this is what is connected to. */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch_get *t = arg;

	if (purpose != CURLSOCKTYPE_IPCXN || !fetch_may_reach(&a->addr)) {
		snprintf(t->why, sizeof(t->why), "not an address to be fetched from");
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void
on_alert(const SSL *ssl, int where, int value)
{
	struct fetch_get *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (t && where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		t->said_end = true;
}

/* Whom the system trusts, and files.fetch_ca_file; and the name, of which libcurl alone would take the common name for want of another. */
static CURLcode
on_tls(CURL *easy, void *ctx, void *arg)
{
	struct fetch_get *t = arg;
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	const char *host = t->url->host;

	(void)easy;
	if (!store)
		return CURLE_OUT_OF_MEMORY;
	SSL_CTX_set_cert_store(ctx, store);
	/* The folder, in which it looks for the one that it needs: to read all of them takes a tenth of a second. */
	if (X509_STORE_load_path(store, X509_get_default_cert_dir()) != 1 || (*t->ca_file && X509_STORE_load_file(store, t->ca_file) != 1))
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_free(t->tls);
	(void)SSL_CTX_up_ref(ctx);
	t->tls = ctx;
	(void)SSL_CTX_set_app_data(t->tls, t);
	SSL_CTX_set_info_callback(ctx, on_alert);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if ((t->url->literal ? X509_VERIFY_PARAM_set1_ip_asc(param, host) : X509_VERIFY_PARAM_set1_host(param, host, 0)) != 1)
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

/* Whatever the address says: this one is asked, so libcurl looks no name up. */
static struct curl_slist *
connect_to(const struct fetch_get *t)
{
	char address[ADDRESS_TEXT], text[ADDRESS_TEXT + 16];

	address_text((const struct sockaddr *)&t->to, address);
	snprintf(text, sizeof(text), t->to.ss_family == AF_INET6 ? "::[%s]:%u" : "::%s:%u", address, t->url->port);
	return curl_slist_append(NULL, text);
}

/* One that is not known to this libcurl must not go unnoticed. */
static bool
set_options(CURL *c, struct fetch_get *t)
{
	CURLcode bad = CURLE_OK;

#define SET(option, value) (bad = bad ? bad : curl_easy_setopt(c, CURLOPT_##option, value))
	SET(PRIVATE, t);
	SET(URL, t->url->url);
	SET(CONNECT_TO, t->connect_to);
	SET(PROTOCOLS_STR, "https");
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, "");
	SET(NOPROXY, "*");
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(NOSIGNAL, 1L);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(FRESH_CONNECT, 1L);
	SET(FORBID_REUSE, 1L);
	SET(USERAGENT, "Chancery");
	SET(CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(LOW_SPEED_LIMIT, SLOW_BYTES);
	SET(LOW_SPEED_TIME, SLOW_SECONDS);
	SET(ERRORBUFFER, t->why);
	/* TLS */
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(SSL_SESSIONID_CACHE, 0L);
	SET(CAINFO, NULL);
	SET(CAPATH, NULL);
	SET(CA_CACHE_TIMEOUT, 0L); /* else an older libcurl puts the store of another request into the place of on_tls's */
	SET(SSL_CTX_FUNCTION, on_tls);
	SET(SSL_CTX_DATA, t);
	/* Where to, and what comes */
	SET(OPENSOCKETFUNCTION, on_open);
	SET(OPENSOCKETDATA, t);
	SET(HEADERFUNCTION, on_head);
	SET(HEADERDATA, t);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, t);
#undef SET
	if (bad)
		snprintf(t->why, sizeof(t->why), "libcurl: %s", curl_easy_strerror(bad));
	return !bad;
}

void
fetch_get_begin(struct fetch_engine *x, struct fetch_get *t)
{
	t->easy = curl_easy_init();
	if (!t->easy)
		mem_exhausted(0);
	t->connect_to = connect_to(t);
	/* Without its options it fails at once, by its address, when libcurl comes to it. */
	if (!set_options(t->easy, t)) {
		stop(t, GET_BROKEN);
		(void)curl_easy_setopt(t->easy, CURLOPT_URL, "");
	}
	(void)curl_multi_add_handle(x->multi, t->easy);
}

void
fetch_get_clear(struct fetch_engine *x, struct fetch_get *t)
{
	if (!t->easy)
		return;
	/* The connection may outlive this: it then says goodbye. */
	if (t->tls)
		(void)SSL_CTX_set_app_data(t->tls, NULL);
	SSL_CTX_free(t->tls);
	(void)curl_multi_remove_handle(x->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->connect_to);
	t->easy = NULL;
	t->tls = NULL;
	t->connect_to = NULL;
	t->location = t->type = NULL;
}
