/*
 * component_stream: the stream of a component, from its header to its end (XEP-0114 §3).
 *
 * It begins on the reactor that accepted it; with the right secret it moves to the home of its domain, and only there
 * <handshake/> is said. What is sent on it is component_way's, its acknowledgement component_sm's; whether anybody is
 * there, component_alive's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/component/component.h"
#include "core/component/component_priv.h"
#include "core/component/component_rules.h"
#include "core/component/component_way.h"
#include "core/component/privilege.h"
#include "core/component/watch.h"
#include "core/gateway/gateway.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/lane.h"
#include "core/route/packet.h"
#include "core/service/service.h"
#include "core/stream/stream.h"
#include "net/conn.h"
#include "net/listener.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define LINGER_MS 3000
#define HASH_BYTES 20 /* SHA-1 */

static _Thread_local struct list streams;
static _Thread_local bool quiet; /* the server is stopping: nothing more is read, */
static _Thread_local bool deaf;  /* but what they confirm */

static void on_secured(struct conn *conn, void *owner);
static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_opened(void *owner, const struct parser_header *h);
static void on_stanza(void *owner, struct stanza *st);
static void on_closed(void *owner);
static void on_timer(struct timer *t);

static const struct conn_ops conn_ops = { on_data, on_secured, on_ended, on_flushed };
static const struct parser_ops parser_ops = { on_opened, on_stanza, on_closed };

/* Birth and death */

void
component_accept(int fd, const struct sockaddr *peer, void *arg)
{
	const struct limits *m = &home_config()->limits;
	struct parser_limits l = stream_limits_unauthenticated(true);
	struct component *c = NEW(struct component);
	struct tls_set *tls;

	/* component_stream_send keeps below half of it. */
	c->conn = conn_new(fd, peer, &conn_ops, c, 2 * (m->component_queue_bytes + m->stanza_bytes));
	c->parser = parser_new(&parser_ops, c, &l);
	list_append(&streams, &c->link);
	list_init(&c->sm.answers);
	timer_set(&c->timer, (int64_t)m->login_seconds * 1000, on_timer);
	c->source_counted = source_joined(conn_source(c->conn));
	if (!c->source_counted || quiet) {
		on_ended(c->conn, c, CONN_ERROR, "not now");
	} else if (*(bool *)arg) {
		tls = host_tls();
		if (conn_start_tls(c->conn, tls, false, 0))
			on_ended(c->conn, c, CONN_ERROR, "no TLS");
		tls_set_unref(tls);
	}
}

static void
on_secured(struct conn *conn, void *owner)
{
	(void)conn;
	(void)owner; /* its header follows */
}

static void
watch(struct component *c, bool on)
{
	if (on && !c->watches)
		watch_begin(c->jid);
	else if (!on && c->watches)
		watch_end(c->jid);
	c->watches = on;
}

/* From here on nobody sends to it, and nothing of it is waited for. */
static void
withdraw(struct component *c)
{
	watch(c, false);
	if (c->way) {
		component_way_leave(c);
		metric_add(METRIC_COMPONENTS, -1);
		log_info(conn_log(c->conn), "component-gone", "domain=%s", jid_domain(c->jid));
	}
	if (c->lane)
		lane_orphan(c->lane);
	c->lane = NULL;
}

static void
component_free(struct component *c)
{
	withdraw(c);
	timer_clear(&c->timer);
	timer_clear(&c->throttle);
	component_alive_stop(c);
	component_sm_fini(c);
	if (c->source_counted)
		source_left(conn_source(c->conn), c->authenticated);
	conn_close(c->conn);
	parser_free(c->parser);
	list_remove(&c->link);
	jid_unref(c->jid);
	component_rules_unref(c->rules);
	reactor_free_later(reactor_current(), free, c);
}

static void
write_header(struct component *c)
{
	struct buf *out = conn_out(c->conn);

	crypt_random_hex(c->id, 16);
	buf_addf(out, "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' id='%s'", NS_COMPONENT, NS_STREAMS, c->id);
	if (c->jid) {
		buf_adds(out, " from='");
		serialize_attr(out, jid_domain(c->jid), strlen(jid_domain(c->jid)));
		buf_addc(out, '\'');
	}
	buf_addc(out, '>');
	conn_wrote(c->conn);
	c->opened = true;
}

void
component_stream_end(struct component *c, enum xstream_error e, const char *text)
{
	struct buf *out;

	if (c->state == STATE_CLOSING)
		return;
	if (!c->opened)
		write_header(c);
	component_alive_stop(c);
	component_sm_goodbye(c);
	out = conn_out(c->conn);
	if (e != XSTREAM_NONE) {
		xstream_error_write(out, e, text);
		log_info(conn_log(c->conn), "stream-error", "condition=%s text=%s", xstream_error_name(e), text);
	}
	buf_adds(out, "</stream:stream>");
	conn_wrote(c->conn);
	c->state = STATE_CLOSING;
	withdraw(c);
	if (c->paused)
		conn_resume(c->conn);
	c->paused = false;
	component_throttle_end(c);
	conn_shutdown(c->conn, LINGER_MS, true);
	timer_set(&c->timer, LINGER_MS + 1000, on_timer);
}

static void
refused(const struct component *c, const char *domain, const char *why)
{
	metric_add(METRIC_COMPONENT_REFUSED, 1);
	log_warning(conn_log(c->conn), "component-refused", "domain=%s why=%s", domain, why);
}

static void
on_timer(struct timer *t)
{
	struct component *c = LIST_ENTRY(t, struct component, timer);

	if (c->state == STATE_CLOSING) {
		component_free(c);
		return;
	}
	refused(c, c->jid ? jid_domain(c->jid) : "", "connection-timeout");
	component_stream_end(c, XSTREAM_CONNECTION_TIMEOUT, "no handshake");
}

static void
on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why)
{
	log_debug(conn_log(conn), "connection-ended", "how=%d why=%s", how, why);
	component_free(owner);
}

/* Header and handshake */

/* Who has become a host or a service of ours since it was made a component's is nobody's any more. */
static struct component_rules *
rules_of(const struct jid *domain)
{
	return host_is_local(domain) || service_of(domain) ? NULL : component_rules_get(jid_domain(domain));
}

static void
on_opened(void *owner, const struct parser_header *h)
{
	struct component *c = owner;
	struct jid *to = h->to ? jid_parse_z(h->to) : NULL;
	enum xstream_error e = XSTREAM_NONE;

	if (to && jid_is_domain(to))
		c->rules = rules_of(to);
	if (!h->ns || strcmp(h->ns, NS_COMPONENT))
		e = XSTREAM_INVALID_NAMESPACE;
	else if (!c->rules || !c->rules->enabled)
		e = XSTREAM_HOST_UNKNOWN;
	else
		c->jid = jid_ref(to);
	jid_unref(to);
	write_header(c);
	c->state = STATE_HANDSHAKE;
	if (e == XSTREAM_NONE)
		return;
	refused(c, h->to ? h->to : "", xstream_error_name(e));
	parser_stop(c->parser);
	component_stream_end(c, e, NULL);
}

/* SHA-1 of stream id and secret, in hexadecimal (§3). */
static bool
knows_secret(const struct component *c, const struct elem *handshake)
{
	const char *said = elem_text(handshake, reactor_scratch(reactor_current()));
	char text[32 + COMPONENT_SECRET_MAX + 1], hex[2 * HASH_BYTES + 1];
	uint8_t hash[SCRAM_MAX];
	bool equal;
	int n;

	n = snprintf(text, sizeof(text), "%s%s", c->id, c->rules->secret);
	digest_hash(SCRAM_SHA1, text, (size_t)n, hash);
	for (int i = 0; i < HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	equal = strlen(said) == strlen(hex) && crypt_equal(said, hex, strlen(hex));
	crypt_wipe(text, sizeof(text));
	return equal;
}

static void
on_handshake(struct component *c, const struct elem *e)
{
	if (!elem_is(e, NS_COMPONENT, "handshake") || !knows_secret(c, e)) {
		refused(c, jid_domain(c->jid), "not-authorized");
		metric_add(METRIC_AUTH_FAILED, 1);
		component_stream_end(c, XSTREAM_NOT_AUTHORIZED, NULL);
		return;
	}
	source_authenticated(conn_source(c->conn));
	c->authenticated = true;
	c->state = STATE_MOVING;
	conn_pause(c->conn);
}

static void
left(void *owner)
{
	component_sm_handled(owner);
}

/* The lane is full, or has room again. */
static void
lane_changed(void *owner)
{
	struct component *c = owner;
	bool full = lane_is_full(c->lane);

	if (full == c->paused)
		return;
	if (full)
		conn_pause(c->conn);
	else if (!quiet)
		conn_resume(c->conn);
	c->paused = full || quiet;
}

/* What it may in the name of users (XEP-0356 §4.2): when that changes, in its turn; */
static void
say_privileges(struct component *c)
{
	const struct host *h;

	for (unsigned i = 0; (h = host_at(i)); i++)
		component_way_tell(c, privilege_message(c->rules, h->jid, c->jid));
}

/* and where there is anything, when it comes, before all that waits for it. Nothing is counted yet (component_sm). */
static void
begin_with_privileges(struct component *c)
{
	const struct host *h;

	for (unsigned i = 0; *c->rules->grants && (h = host_at(i)); i++) {
		struct packet *p = privilege_message(c->rules, h->jid, c->jid);

		(void)component_stream_write(c, p);
		packet_unref(p);
	}
}

/* Takes the rules that are in force. False: they do not let it stay. */
static bool
follow_rules(struct component *c)
{
	struct component_rules *now = rules_of(c->jid);
	bool tell = false, known = now && now->enabled, same = known && !strcmp(now->secret, c->rules->secret);

	if (known) {
		if (c->way && same && strcmp(now->grants, c->rules->grants))
			tell = true;
		component_rules_unref(c->rules);
		c->rules = now;
	} else {
		component_rules_unref(now);
	}
	if (!same) {
		component_stream_end(c, known ? XSTREAM_NOT_AUTHORIZED : XSTREAM_HOST_GONE, known ? "the secret has been changed" : NULL);
	} else if (tell) {
		say_privileges(c);
		watch(c, c->rules->presence);
	}
	return same;
}

static void
arrived(struct conn *conn, void *owner)
{
	struct component *c = owner;
	struct parser_limits l = home_parser_limits();

	list_append(&streams, &c->link);
	conn_resume(conn);
	if (quiet) {
		component_stream_end(c, XSTREAM_SYSTEM_SHUTDOWN, NULL);
		return;
	}
	if (!follow_rules(c))
		return;
	if (!component_way_join(c)) {
		refused(c, jid_domain(c->jid), "conflict");
		component_stream_end(c, XSTREAM_CONFLICT, "the component is connected already");
		return;
	}
	c->gateway = gateway_is(jid_domain(c->jid));
	c->state = STATE_OPEN;
	c->lane = lane_new_for(&(struct lane_owner){ .changed = lane_changed, .left = left }, c);
	stream_rate_init(&c->rate, home_config()->limits.component_stanzas_burst);
	parser_set_limits(c->parser, &l);
	metric_add(METRIC_COMPONENTS, 1);
	log_info(conn_log(conn), "component-connected", "domain=%s address=%s", jid_domain(c->jid), conn_address(conn));
	conn_write(conn, "<handshake/>", 12);
	begin_with_privileges(c);
	component_way_ready(c);
	component_alive_start(c);
	watch(c, c->rules->presence);
}

static void
go_home(struct component *c)
{
	timer_clear(&c->timer);
	list_remove(&c->link);
	conn_move(c->conn, component_home(jid_domain(c->jid)), arrived);
}

/* Stanzas */

static void
on_stanza(void *owner, struct stanza *st)
{
	struct component *c = owner;

	if (c->state == STATE_OPEN && component_is_stanza(st->root) && !deaf) {
		component_take_stanza(c, st);
	} else {
		if (c->state == STATE_HANDSHAKE)
			on_handshake(c, st->root);
		else if (c->state == STATE_OPEN && !component_is_stanza(st->root))
			component_take_other(c, st->root);
		stanza_unref(st);
	}
	if (c->state == STATE_MOVING || c->state == STATE_CLOSING || c->paused || timer_is_set(&c->throttle))
		parser_stop(c->parser);
}

static void
on_closed(void *owner)
{
	component_stream_end(owner, XSTREAM_NONE, NULL);
}

static void
on_data(struct conn *conn, void *owner, const char *p, size_t n)
{
	struct component *c = owner;
	enum parser_error e;
	size_t used = 0;

	if (c->state == STATE_CLOSING)
		return;
	component_alive_heard(c);
	e = parser_feed(c->parser, p, n, &used);
	if (c->state == STATE_CLOSING)
		return;
	if (e != PARSER_OK) {
		component_stream_end(c, stream_parser_error(e), parser_error_text(e));
		return;
	}
	if (used < n)
		conn_keep_rest(conn, used);
	if (c->state == STATE_MOVING)
		go_home(c);
}

/* Going out */

static void
on_flushed(struct conn *conn, void *owner, uint64_t upto)
{
	(void)conn;
	component_way_flushed(owner, upto);
}

uint64_t
component_stream_write(struct component *c, struct packet *p)
{
	uint64_t upto;

	metric_add(METRIC_STANZAS_OUT, 1);
	if (c->gateway)
		packet_write_gateway(conn_out(c->conn), p);
	else
		packet_write_away(conn_out(c->conn), p);
	conn_wrote(c->conn);
	upto = conn_mark(c->conn);
	component_sm_sent(c);
	return upto;
}

/* The reactor's streams */

void
component_home_start(void)
{
	list_init(&streams);
	component_way_home_start();
}

void
component_home_reload(void)
{
	LIST_EACH(l, &streams) {
		struct component *c = LIST_ENTRY(l, struct component, link);

		if (c->way)
			(void)follow_rules(c);
	}
	component_way_review();
}

void
component_home_quiet(void)
{
	quiet = true;
	LIST_EACH(l, &streams) {
		struct component *c = LIST_ENTRY(l, struct component, link);

		if (c->state == STATE_CLOSING || c->paused)
			continue;
		conn_pause(c->conn);
		c->paused = true;
	}
}

unsigned
component_home_confirm(void)
{
	bool first = !deaf;
	unsigned n = 0;

	deaf = true;
	LIST_EACH(l, &streams) {
		struct component *c = LIST_ENTRY(l, struct component, link);

		if (c->state != STATE_OPEN || !c->sm.on || !component_way_written(c))
			continue;
		n++;
		if (!first)
			continue;
		component_sm_ask(c);
		if (c->paused)
			conn_resume(c->conn);
		c->paused = false;
		component_throttle_end(c);
	}
	return n;
}

unsigned
component_home_shutdown(void)
{
	unsigned n = 0;

	LIST_EACH(l, &streams) {
		component_stream_end(LIST_ENTRY(l, struct component, link), XSTREAM_SYSTEM_SHUTDOWN, NULL);
		n++;
	}
	return n;
}

void
component_home_stop(void)
{
	LIST_EACH(l, &streams)
		component_free(LIST_ENTRY(l, struct component, link));
	component_way_home_stop();
}
