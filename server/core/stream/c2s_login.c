/*
 * c2s_login: from the first features to a bound resource: STARTTLS (RFC 6120 §5), SASL (§6), binding (§7),
 * resumption (XEP-0198 §5).
 *
 * What may be said in which state is the table at the end of this file. A step that waits (keys, password hash,
 * the user's data) sets LOOKING_UP and pauses the connection; its answer finds the stream by a pointer that is
 * cleared when the stream goes first.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/stream/auth.h"
#include "core/stream/c2s_priv.h"
#include "core/module/disco.h"
#include "core/home.h"
#include "core/route/iq.h"
#include "core/module/modules.h"
#include "core/stream/resume.h"
#include "core/route/router.h"
#include "core/session.h"
#include "net/listener.h"
#include "store/account.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

/* Features */

/* tls-unique is for clients that do not know this list: accepted (RFC 5802 §6.1), not recommended. */
static void
write_binding_types(struct buf *out, const struct scram_binding *b)
{
	buf_adds(out, "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>");
	for (int i = 0; i < 2; i++)
		if (b->type_names[i])
			buf_addf(out, "<channel-binding type='%s'/>", b->type_names[i]);
	buf_adds(out, "</sasl-channel-binding>");
}

/* What this connection can bind to (RFC 9266, RFC 5929); true when anything. */
static bool
find_bindings(struct c2s *c, struct scram_binding *b)
{
	static const char *const names[TLS_BINDINGS] = { [TLS_EXPORTER] = "tls-exporter",
		[TLS_SERVER_END_POINT] = "tls-server-end-point", [TLS_UNIQUE] = "tls-unique" };

	memset(b, 0, sizeof(*b));
	if (!home_config()->auth.channel_binding)
		return false;
	for (int i = 0; i < TLS_BINDINGS; i++)
		if (tls_can_bind(conn_ssl(c->conn), (enum tls_binding)i))
			b->type_names[i] = names[i];
	return b->type_names[0] || b->type_names[1];
}

/* The data themselves cost a hash or two: only for a mechanism that uses them. */
static void
fill_bindings(struct c2s *c, struct scram_binding *b)
{
	for (int i = 0; i < TLS_BINDINGS; i++) {
		int n = b->type_names[i] ? tls_channel_binding(conn_ssl(c->conn), (enum tls_binding)i, b->data[i]) : -1;

		b->data_len[i] = n > 0 ? (size_t)n : 0;
	}
}

static sasl_set
mechanisms(bool plus)
{
	sasl_set set = 0;

	for (int m = 0; m < SASL_MECHANISMS; m++)
		if (m == SASL_PLAIN ? home_config()->auth.plain : plus || !sasl_is_plus((enum sasl_mechanism)m))
			set |= 1U << m;
	return set;
}

static void
write_sasl_features(struct c2s *c, struct buf *out)
{
	struct scram_binding b;
	bool plus = find_bindings(c, &b);

	c->offered = mechanisms(plus);
	buf_adds(out, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
	for (int m = 0; m < SASL_MECHANISMS; m++)
		if (c->offered & 1U << m)
			buf_addf(out, "<mechanism>%s</mechanism>", sasl_mechanism_name((enum sasl_mechanism)m));
	buf_adds(out, "</mechanisms>");
	if (plus)
		write_binding_types(out, &b);
}

static void
write_bind_features(struct c2s *c, struct buf *out)
{
	(void)c;
	buf_adds(out, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
		"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
		"<sm xmlns='urn:xmpp:sm:3'/>"
		"<ver xmlns='urn:xmpp:features:rosterver'/>"
		"<sub xmlns='urn:xmpp:features:pre-approval'/>");
	disco_write_caps(out);
}

/* RFC 6121 §1.4: the session request of RFC 3921 does nothing any more. */
static enum xerror
on_session(const struct iq_call *call)
{
	router_reply(packet_new(packet_result(call->p), call->p->to, call->p->from));
	return XERROR_NONE;
}

void
c2s_start(void)
{
	iq_handle(TYPE_SET, NS_SESSION, "session", IQ_TO_SERVER | IQ_TO_ACCOUNT, on_session, NULL);
}

void
c2s_write_features(struct c2s *c)
{
	struct buf *out = conn_out(c->conn);
	struct hook h = { .stage = HOOK_STREAM_FEATURES, .features = out, .authenticated = c->authenticated };

	buf_adds(out, "<stream:features>");
	if (c->state == C2S_PLAIN)
		buf_adds(out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
	else if (c->state == C2S_AUTH)
		write_sasl_features(c, out);
	else
		write_bind_features(c, out);
	if (c->state != C2S_PLAIN && modules_want(HOOK_STREAM_FEATURES))
		(void)modules_run(&h, NULL);
	buf_adds(out, "</stream:features>");
	conn_wrote(c->conn);
}

/* STARTTLS */

static void
on_starttls(struct c2s *c, const struct elem *e)
{
	(void)e;
	c->turn = TURN_STARTTLS; /* <proceed/> is said when nothing came behind it */
}

/* SASL */

static void
write_sasl(struct c2s *c, const char *element, const char *text)
{
	struct buf *out = conn_out(c->conn);

	buf_addf(out, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'", element);
	if (text && *text)
		buf_addf(out, ">%s</%s>", text, element);
	else
		buf_adds(out, "/>");
	conn_wrote(c->conn);
}

static void
sasl_end(struct c2s *c)
{
	sasl_free(c->sasl);
	c->sasl = NULL;
}

static void
bare_of(const struct c2s *c, char out[2304])
{
	const char *user = c->sasl ? sasl_user(c->sasl) : NULL;

	snprintf(out, 2304, "%s@%s", user ? user : "", c->host->domain);
}

/* RFC 6120 §6.4.5: some more tries, then the stream ends. A try that did not reach the password (a mechanism or a
 * channel binding that does not work out) counts half: clients go down the list of what we offer. */
static void
auth_refuse(struct c2s *c, enum sasl_failure why)
{
	uint64_t most = 2 * home_config()->limits.auth_tries;
	char bare[2304];

	bare_of(c, bare);
	log_info(conn_log(c->conn), "auth-failed", "user=%s why=%s", bare, sasl_failure_name(why));
	if (why == SASL_NOT_AUTHORIZED)
		auth_failed(bare, conn_source(c->conn));
	sasl_end(c);
	c2s_writef(c, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><%s/></failure>", sasl_failure_name(why));
	c->state = C2S_AUTH;
	c->tries += why == SASL_NOT_AUTHORIZED ? 2 : 1;
	if (c->tries >= most)
		c2s_end(c, XSTREAM_POLICY_VIOLATION, "too many failed authentications");
}

static void
auth_accept(struct c2s *c, const char *out)
{
	char bare[2304];

	bare_of(c, bare);
	c->jid = jid_parse_z(bare);
	if (!c->jid) {
		auth_refuse(c, SASL_NOT_AUTHORIZED);
		return;
	}
	c->mechanism = sasl_chosen(c->sasl);
	auth_succeeded(bare, conn_source(c->conn));
	source_authenticated(conn_source(c->conn));
	c->authenticated = true;
	write_sasl(c, "success", out);
	log_info(conn_log(c->conn), "authenticated", "jid=%s mechanism=%s", bare, c2s_mechanism(c));
	sasl_end(c);
	c->turn = TURN_RESTART;
}

struct lookup {
	const char *bare;
	enum scram_hash hash;
	struct account_keys keys;
	const char *password; /* PLAIN */
	size_t password_len;
	bool match;
};

static void step(struct c2s *c, enum sasl_step s, const char *out);

static void
wait_begin(struct c2s *c)
{
	c->state = C2S_LOOKING_UP;
	c2s_pause(c);
}

static enum sql_status
lookup_work(struct job *j, struct sql *db)
{
	struct lookup *d = j->data;

	return account_keys(db, j->arena, d->bare, d->hash, &d->keys, &j->err);
}

/* Unknown and disabled accounts get keys that nothing matches, and the same work. */
static bool
real_or_fake(struct lookup *d)
{
	bool real = d->keys.have && !d->keys.account.disabled;

	if (!d->keys.have)
		scram_keys_fake(&d->keys.keys, d->hash, d->bare, auth_secret(), (uint32_t)home_config()->auth.iterations);
	return real;
}

static enum sql_status
match_work(struct job *j, struct sql *db)
{
	struct lookup *d = j->data;

	(void)db;
	d->match = scram_keys_match(&d->keys.keys, d->password, d->password_len);
	return SQL_OK;
}

/* An answer came outside a data callback: go on reading, or begin the new stream. */
static void
after_answer(struct c2s *c)
{
	if (c->state == C2S_CLOSING)
		return;
	if (c->turn == TURN_RESTART) {
		c->turn = TURN_NONE;
		c2s_restart(c);
	} else if (c->state != C2S_LOOKING_UP && !(c->session && lane_is_full(c->session->lane))) {
		c2s_resume_reading(c);
	}
}

/* Again before the answer is looked at: many exchanges may have been begun before the first of them failed. */
static bool
is_throttled(struct c2s *c)
{
	char bare[2304];

	bare_of(c, bare);
	return !auth_may_try(bare, conn_source(c->conn));
}

static void
match_done(struct job *j)
{
	struct lookup *d = j->data;
	struct c2s *c = j->owner;
	const char *out = NULL;
	enum sasl_step next;

	crypt_wipe((void *)d->password, d->password_len);
	if (!c)
		return;
	c->job = NULL;
	if (is_throttled(c)) {
		auth_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		after_answer(c);
		return;
	}
	next = sasl_checked(c->sasl, d->match && d->keys.have && !d->keys.account.disabled, &out);
	step(c, next, out);
	after_answer(c);
}

static void
check_password(struct c2s *c, const struct lookup *found)
{
	struct job *j = job_new(sizeof(struct lookup));
	struct lookup *d = j->data;
	size_t n;
	const char *password = sasl_password(c->sasl, &n);

	*d = *found;
	d->password = arena_strndup(j->arena, password, n);
	d->password_len = n;
	j->work = match_work;
	j->done = match_done;
	j->owner = c;
	c->job = j;
	pool_submit_cpu(j);
}

static void
lookup_done(struct job *j)
{
	struct lookup *d = j->data;
	struct c2s *c = j->owner;
	const char *out = NULL;
	enum sasl_step next;
	bool real;

	if (!c)
		return;
	c->job = NULL;
	if (j->status != JOB_OK) {
		log_warning(conn_log(c->conn), "auth-unavailable", "why=%s", j->err.text);
		auth_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		after_answer(c);
		return;
	}
	real = real_or_fake(d);
	if (sasl_chosen(c->sasl) == SASL_PLAIN) {
		check_password(c, d);
		return;
	}
	next = sasl_keys(c->sasl, &d->keys.keys, real, &out);
	step(c, next, out);
	after_answer(c);
}

static void
look_up(struct c2s *c)
{
	struct job *j;
	struct lookup *d;
	char bare[2304];

	bare_of(c, bare);
	if (!auth_may_try(bare, conn_source(c->conn))) {
		auth_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	j = job_new(sizeof(*d));
	d = j->data;
	d->bare = arena_strdup(j->arena, bare);
	d->hash = sasl_chosen(c->sasl) == SASL_PLAIN ? SCRAM_SHA256 : sasl_hash(sasl_chosen(c->sasl));
	j->work = lookup_work;
	j->done = lookup_done;
	j->owner = c;
	c->job = j;
	wait_begin(c);
	pool_submit(j, crypt_hash(bare, strlen(bare)));
}

static void
step(struct c2s *c, enum sasl_step s, const char *out)
{
	switch (s) {
	case SASL_SEND:
		write_sasl(c, "challenge", out);
		c->state = C2S_CHALLENGED;
		break;
	case SASL_NEED_KEYS:
	case SASL_NEED_CHECK:
		look_up(c);
		break;
	case SASL_SUCCESS:
		auth_accept(c, out);
		break;
	case SASL_FAIL:
		auth_refuse(c, sasl_why(c->sasl));
		break;
	}
}

/* Announced again in SCRAM, so that nobody can have taken something out on the way (XEP-0474). */
static const char *
binding_names(const struct scram_binding *b, char out[64])
{
	if (!b->type_names[0] && !b->type_names[1])
		return NULL;
	snprintf(out, 64, "%s%s%s", b->type_names[0] ? b->type_names[0] : "",
		b->type_names[0] && b->type_names[1] ? "," : "", b->type_names[1] ? b->type_names[1] : "");
	return out;
}

static void
on_auth(struct c2s *c, const struct elem *e)
{
	struct arena *a = reactor_scratch(reactor_current());
	const char *mechanism = elem_get(e, "mechanism"), *out = NULL;
	char names[SASL_NAMES_MAX], types[64];
	struct scram_binding b;
	enum sasl_step next;
	int m;

	m = mechanism ? sasl_mechanism_parse(mechanism) : -1;
	if (find_bindings(c, &b) && m >= 0 && sasl_is_plus((enum sasl_mechanism)m))
		fill_bindings(c, &b);
	b.mechanisms = sasl_set_names(c->offered, names);
	b.bindings = binding_names(&b, types);
	c->sasl = sasl_new(c->offered, &b, c->host->domain);
	next = sasl_auth(c->sasl, mechanism ? mechanism : "", elem_text(e, a), &out);
	step(c, next, out);
}

static void
on_response(struct c2s *c, const struct elem *e)
{
	const char *out = NULL;
	enum sasl_step next;

	if (sasl_user(c->sasl) && is_throttled(c)) {
		auth_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	next = sasl_response(c->sasl, elem_text(e, reactor_scratch(reactor_current())), &out);
	step(c, next, out);
}

static void
on_abort(struct c2s *c, const struct elem *e)
{
	(void)e;
	auth_refuse(c, SASL_ABORTED);
}

/* To the user's home */

static void
arrived(struct conn *conn, void *owner)
{
	struct c2s *c = owner;
	struct parser_limits l = home_parser_limits();

	(void)conn;
	parser_set_limits(c->parser, &l);
	c2s_moved(c, false);
}

void
c2s_move_home(struct c2s *c)
{
	c2s_moved(c, true);
	conn_move(c->conn, home_of(c->jid), arrived);
}

/* Binding */

struct bind_wait {
	struct user_wait wait;
	struct resume_wait later; /* a session that is not ready to be resumed */
	struct c2s *c;      /* NULL: the stream has gone */
	struct stanza *st;
};

static void
bind_error(struct c2s *c, const struct stanza *st, enum xerror e, const char *type, const char *text)
{
	struct stanza *reply = xerror_reply(st, e, type, text);
	struct packet *p;

	c->state = C2S_BIND;
	if (!reply)
		return;
	p = packet_new(reply, NULL, NULL);
	c2s_send(c, p);
	packet_unref(p);
}

static struct jid *
wanted_resource(struct c2s *c, const struct elem *bind)
{
	const struct elem *r = elem_child(bind, NS_BIND, "resource");
	const char *text = r ? elem_text(r, reactor_scratch(reactor_current())) : "";
	char made[17];

	if (*text)
		return jid_with_resource(c->jid, text);
	crypt_random_hex(made, 8);
	return jid_with_resource(c->jid, made);
}

/* Makes room: the oldest detached session goes before a login is refused. */
static bool
has_room(struct user *u)
{
	uint64_t most = home_config()->limits.sessions_per_account;

	if (u->nsessions < most)
		return true;
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!s->detached)
			continue;
		session_close(s, XSTREAM_NONE, NULL);
		return true;
	}
	return false;
}

static void
bind_resource(struct c2s *c, struct user *u, const struct stanza *st)
{
	struct jid *full = wanted_resource(c, elem_first(st->root));
	struct session *old;
	struct stanza *reply;
	struct elem *e;
	struct packet *p;

	if (!full) {
		bind_error(c, st, XERROR_BAD_REQUEST, NULL, "not a resource");
		return;
	}
	/* RFC 6120 §7.7.2.2, third way: the newer one wins. */
	old = user_session(u, jid_resource(full));
	if (old)
		session_close(old, XSTREAM_CONFLICT, "another stream bound this resource");
	if (!has_room(u)) {
		jid_unref(full);
		bind_error(c, st, XERROR_RESOURCE_CONSTRAINT, "wait", "too many sessions");
		return;
	}
	reply = stanza_new(NS_CLIENT, "iq");
	elem_set(reply, reply->root, "type", "result");
	elem_set(reply, reply->root, "id", elem_get(st->root, "id"));
	e = elem_add(reply, elem_add(reply, reply->root, NS_BIND, "bind"), NS_BIND, "jid");
	elem_add_text(reply, e, jid_full(full), jid_full_len(full));
	p = packet_new(reply, NULL, NULL);
	c2s_send(c, p);
	packet_unref(p);
	(void)session_new(u, full, c);
	c2s_bound(c);
	jid_unref(full);
}

static void
with_user(struct c2s *c, struct user *u, struct stanza *st)
{
	bool resume = st->root->ns == NS_SM;

	if (!u && resume)
		c2s_end(c, XSTREAM_INTERNAL_SERVER_ERROR, "the database is not available");
	else if (!u)
		bind_error(c, st, XERROR_RESOURCE_CONSTRAINT, "wait", "the database is not available, try again later");
	else if (u->state == USER_ABSENT || u->disabled || u->stale)
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "no such account");
	else if (!resume)
		bind_resource(c, u, st);
	else if (resume_try(c, u, st->root))
		c2s_bound(c);
	else
		c->state = C2S_BIND;
}

static void
user_ready(struct user_wait *w, struct user *u)
{
	struct bind_wait *b = LIST_ENTRY(w, struct bind_wait, wait);
	struct c2s *c = b->c;

	if (c && u && u->state == USER_READY && b->st->root->ns == NS_SM &&
		resume_must_wait(u, b->st->root, &b->later))
		return;
	if (c) {
		c->wait = NULL;
		with_user(c, u, b->st);
		after_answer(c);
	}
	stanza_unref(b->st);
	free(b);
}

static void
ask_for_user(struct bind_wait *b)
{
	struct c2s *c = b->c;

	if (c && user_with(c->jid, &b->wait))
		return;
	stanza_unref(b->st);
	free(b);
	if (!c)
		return;
	c->wait = NULL;
	c2s_end(c, XSTREAM_RESOURCE_CONSTRAINT, NULL);
}

static void
ask_again(struct resume_wait *w)
{
	ask_for_user(LIST_ENTRY(w, struct bind_wait, later));
}

static void
wait_for_user(struct c2s *c, struct stanza *st)
{
	struct bind_wait *b = NEW(struct bind_wait);

	b->c = c;
	b->st = stanza_ref(stanza_seal(st));
	b->wait.run = user_ready;
	b->later.run = ask_again;
	c->wait = b;
	wait_begin(c);
	ask_for_user(b);
}

static void
on_iq(struct c2s *c, struct stanza *st)
{
	const struct elem *child = elem_first(st->root);
	const char *type = elem_get(st->root, "type");

	if (type && !strcmp(type, "set") && elem_get(st->root, "id") && elem_is(child, NS_BIND, "bind"))
		wait_for_user(c, st);
	else if (type && !strcmp(type, "set") && elem_is(child, NS_BIND, "bind"))
		bind_error(c, st, XERROR_BAD_REQUEST, NULL, NULL);
	else
		/* RFC 6120 §7.1: nothing else before binding. */
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "bind first");
}

static void
on_nonza_sm(struct c2s *c, struct stanza *st)
{
	if (!strcmp(st->root->name, "resume"))
		wait_for_user(c, st);
	else
		resume_nonza(c, NULL, st->root);
}

/* What may be said when. An element of a known kind in another state, or an unknown one, ends the stream. */

static const struct {
	enum c2s_state state;
	const char *ns, *name;
	void (*fn)(struct c2s *c, const struct elem *e);
} elements[] = {
	{ C2S_PLAIN, NS_TLS, "starttls", on_starttls },
	{ C2S_AUTH, NS_SASL, "auth", on_auth },
	{ C2S_CHALLENGED, NS_SASL, "response", on_response },
	{ C2S_CHALLENGED, NS_SASL, "abort", on_abort },
};

static bool
is_known_too_early(const struct elem *e)
{
	return e->ns == NS_CLIENT || e->ns == NS_SM || e->ns == NS_BIND;
}

static void
out_of_place(struct c2s *c, const struct elem *e)
{
	if (e->ns == NS_SASL && (c->state == C2S_AUTH || c->state == C2S_CHALLENGED))
		auth_refuse(c, SASL_MALFORMED_REQUEST);
	else if (is_known_too_early(e) || e->ns == NS_SASL)
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, NULL);
	else
		c2s_end(c, XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

void
c2s_negotiate(struct c2s *c, struct stanza *st)
{
	const struct elem *e = st->root;
	size_t i, n = sizeof(elements) / sizeof(elements[0]);

	for (i = 0; i < n; i++)
		if (elements[i].state == c->state && elem_is(e, elements[i].ns, elements[i].name))
			break;
	if (i < n)
		elements[i].fn(c, e);
	else if (c->state == C2S_BIND && elem_is(e, NS_CLIENT, "iq"))
		on_iq(c, st);
	else if (c->state == C2S_BIND && e->ns == NS_SM)
		on_nonza_sm(c, st);
	else
		out_of_place(c, e);
	stanza_unref(st);
}

bool
c2s_is_login_of(const struct c2s *c, const struct jid *bare)
{
	char name[2304];

	if (c->session)
		return false;
	if (c->jid)
		return jid_equal_bare(c->jid, bare);
	if (!c->sasl)
		return false;
	bare_of(c, name);
	return !strcmp(name, jid_bare(bare));
}

void
c2s_login_fini(struct c2s *c)
{
	sasl_end(c);
	if (c->job)
		c->job->owner = NULL;
	if (c->wait)
		c->wait->c = NULL;
	c->job = NULL;
	c->wait = NULL;
}
