/*
 * web: the thread, its settings, the table of paths, and who may ask (Origin).
 */
#include "core/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/metric.h"
#include "core/host.h"
#include "core/web/api.h"
#include "core/web/bosh.h"
#include "core/web/upload.h"
#include "core/web/web_priv.h"
#include "xmpp/domain.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define GET (1U << HTTP_GET)

static struct reactor *thread;
static _Thread_local struct config *mine;
static _Thread_local struct http_settings settings;

static void front_page(struct http_request *r);

static const struct http_route routes[] = {
	{ "/", GET, front_page, NULL, NULL, NULL, false },
	{ "/.well-known/host-meta", GET, hostmeta_xml, NULL, NULL, NULL, false },
	{ "/.well-known/host-meta.json", GET, hostmeta_json, NULL, NULL, NULL, false },
	{ API_PATH, API_METHODS, api_begin, api_body, api_complete, api_gone, true },
	{ "/chat", GET, chat_redirect, NULL, NULL, NULL, false },
	{ "/chat/", GET, chat_file, NULL, NULL, NULL, false },
	{ "/http-bind", 1U << HTTP_POST | 1U << HTTP_OPTIONS, bosh_begin, bosh_body, bosh_complete, bosh_gone, true },
	{ "/upload/", UPLOAD_METHODS, upload_begin, upload_body, upload_complete, upload_gone, false },
	{ "/ws", GET, websocket_begin, NULL, NULL, NULL, false },
};

struct reactor *
web_reactor(void)
{
	return thread;
}

const struct config *
web_config(void)
{
	return mine;
}

/* Origins */

/* RFC 6454: the page's own host is the one it asks. */
static bool
is_same(const char *origin, const char *host)
{
	return host && !strncasecmp(origin, "https://", 8) && !strcasecmp(origin + 8, host);
}

static bool
is_listed(const char *origin)
{
	const struct config_list *l = &mine->web.origins;

	for (size_t i = 0; i < l->n; i++)
		if (!strcasecmp(l->item[i], origin))
			return true;
	return *mine->web.url && !strcasecmp(mine->web.url, origin);
}

bool
web_origin_is_right(struct http_request *r)
{
	const struct http_head *h = http_head_of(r);
	const char *origin = http_head_get(h, "origin");

	bool given = false;

	for (unsigned i = 0; i < h->nfields; i++)
		given |= !strcmp(h->field[i].name, "origin");
	if (!given)
		return true;
	/* Two of them are as good as a foreign one. */
	if (origin && (is_same(origin, http_head_get(h, "host")) || is_listed(origin)))
		return true;
	metric_add(METRIC_WEB_ORIGIN_REFUSED, 1);
	log_warning(http_log(r), "origin-refused", "origin=%s path=%s", origin ? origin : "several", h->path);
	http_refuse(r, 403);
	return false;
}

void
web_allow_origin(struct http_request *r)
{
	const char *origin = http_head_get(http_head_of(r), "origin");

	http_field(r, "Vary", "Origin");
	if (origin)
		http_field(r, "Access-Control-Allow-Origin", origin);
}

/* ":5280", "" when there is none, NULL when it is not a port. */
static const char *
port_of(const char *host)
{
	const char *colon = host ? strrchr(host, ':') : NULL;

	if (!colon || strchr(colon, ']'))
		return "";
	return strlen(colon + 1) <= 5 && strspn(colon + 1, "0123456789") == strlen(colon + 1) ? colon : NULL;
}

void
web_base(const struct http_request *r, struct buf *out)
{
	const char *asked = http_head_get(http_head_of(r), "host"), *port = port_of(asked);
	size_t n = asked && port ? strlen(asked) - strlen(port) : 0;
	const struct host *h = host_at(0);
	char ascii[1024];

	if (*mine->web.url) {
		buf_adds(out, mine->web.url);
		return;
	}
	/* Whoever asked for another name (an address, a proxy's) is told our first. */
	for (unsigned i = 0; host_at(i); i++)
		if (strlen(host_at(i)->domain) == n && !strncasecmp(host_at(i)->domain, asked, n))
			h = host_at(i);
	if (domain_to_ascii(h->domain, ascii, sizeof(ascii)) < 0)
		snprintf(ascii, sizeof(ascii), "%s", h->domain);
	buf_addf(out, "https://%s%s", ascii, port ? port : "");
}

/* The first page */

static void
front_page(struct http_request *r)
{
	struct buf b = { 0 };

	buf_adds(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Chancery</title></head>\n<body>\n"
		"<h1>Chancery</h1>\n<p>This is the messaging service of ");
	serialize_text(&b, host_at(0)->domain, strlen(host_at(0)->domain));
	buf_adds(&b, ". Any XMPP client can use it.</p>\n");
	if (*mine->web.chat_dir)
		buf_adds(&b, "<p><a href=\"/chat/\">Chat in this browser</a></p>\n");
	buf_adds(&b, "<p>Messages are archived.</p>\n</body>\n</html>\n");
	http_reply(r, 200, TYPE_HTML, buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

/* Start, settings, stop */

static void
take_settings(void *arg)
{
	const struct limits *l;

	(void)arg;
	config_unref(mine);
	mine = config_get();
	l = &mine->limits;
	settings = (struct http_settings){ .head_bytes = l->http_head_bytes, .output_bytes = l->output_bytes, .bodies_bytes = l->http_bodies_bytes,
		.login_ms = (unsigned)l->login_seconds * 1000, .head_ms = (unsigned)l->http_head_seconds * 1000,
		.idle_ms = (unsigned)l->http_idle_seconds * 1000, .proxies = mine->web.proxies.item,
		.nproxies = mine->web.proxies.n, .tls = host_https };
	http_set(&settings);
}

static void
start_here(void *arg)
{
	http_start(routes, sizeof(routes) / sizeof(routes[0]), &settings);
	take_settings(arg);
	bosh_start();
	upload_start();
}

static void
quiet_here(void *arg)
{
	(void)arg;
	(void)http_quiet();
	upload_quiet();
}

static void
stop_here(void *arg)
{
	(void)arg;
	http_stop();
	upload_stop();
	bosh_stop();
	parser_pool_clear();
	config_unref(mine);
	mine = NULL;
}

int
web_start(void)
{
	thread = reactor_start_side("http");
	if (!thread)
		return -1;
	reactor_call(thread, start_here, NULL);
	return 0;
}

void
web_accept(int fd, const struct sockaddr *peer, void *unused)
{
	http_accept(fd, peer, unused);
}

void
web_listen(struct listener *l)
{
	listener_run_on(l, thread);
}

void
web_reload(void)
{
	reactor_call(thread, take_settings, NULL);
}

void
web_quiet(void)
{
	reactor_call(thread, quiet_here, NULL);
}

void
web_stop(void)
{
	reactor_call(thread, stop_here, NULL);
	reactor_stop_side(thread);
	thread = NULL;
}
