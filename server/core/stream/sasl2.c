/*
 * sasl2: reads <authenticate/>, and finishes at the user's home:
 *
 *     authenticate → (c2s_sasl: the mechanism) → accepted → (the second factor) → home → recorded → token used, device noted → user loaded → resume, else bind → success
 *
 * Until the last step nothing has been said, and before the record nothing done, so every failure on the way is still a <failure/>.
 */
#include "core/stream/sasl2.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/home.h"
#include "core/session.h"
#include "core/stream/auth.h"
#include "core/stream/bind2.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/last_use.h"
#include "core/stream/resume.h"
#include "store/second_factor.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

struct sasl2 {
	struct stanza *st; /* <authenticate/>; what follows points into it */
	const struct elem *bind, *resume;
	struct device_agent agent;
	bool token;        /* logs in with one */
	bool own;          /* with a password that is a device's own */
	bool task;         /* a one-time code is waited for */
	bool counted, invalidate, news; /* news: of the token, for when the login is recorded */
	uint64_t count;
	struct sasl_proof proof;
	int wanted;        /* mechanism of the token it asks for, or -1 */
	char *data;        /* for <success/> */
	struct device_state found;
	int64_t device;
	char new_token[FAST_TOKEN_SIZE];
	int64_t expires_us;
};

void
sasl2_free(struct sasl2 *s)
{
	if (!s)
		return;
	stanza_unref(s->st);
	free(s->data);
	crypt_wipe(s, sizeof(*s));
	free(s);
}

/* Reading */

/* In lower case, so that one device has one name; NULL when it is not one. */
static const char *
read_uuid(struct arena *a, const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	char *out;

	if (strlen(text) != sizeof(form) - 1)
		return NULL;
	out = arena_strdup(a, text);
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == '-' ? out[i] != '-' : !isxdigit((unsigned char)out[i]))
			return NULL;
		out[i] = (char)tolower((unsigned char)out[i]);
	}
	return out;
}

/* A name of the client's choice, for people to read: cut where it is too long, NULL where there is none. */
static const char *
read_name(struct arena *a, const struct elem *agent, const char *which)
{
	const struct elem *e = elem_child(agent, NS_SASL2, which);
	const char *text = e ? elem_text(e, a) : "";
	size_t n = strlen(text), most = home_config()->limits.user_agent_bytes;

	if (n > most)
		for (n = most; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	return n && home_config()->auth.device_details ? arena_strndup(a, text, n) : NULL;
}

static bool
read_agent(struct sasl2 *s)
{
	struct arena *a = s->st->arena;
	const struct elem *e = elem_child(s->st->root, NS_SASL2, "user-agent");
	const char *id = e ? elem_get(e, "id") : NULL;

	if (!id)
		return true;
	s->agent = (struct device_agent){ read_uuid(a, id), read_name(a, e, "software"), read_name(a, e, "device") };
	return s->agent.id != NULL;
}

static bool
is_true(const char *v)
{
	return v && (!strcmp(v, "true") || !strcmp(v, "1"));
}

/* XEP-0484 §3.4, §4.1: a login with a token says which device it is. */
static bool
read_fast(struct sasl2 *s)
{
	const struct elem *e = elem_child(s->st->root, NS_FAST, "fast");
	const char *count = e ? elem_get(e, "count") : NULL;

	if (!s->token)
		return true;
	if (!e || !s->agent.id || (count && !text_u64(count, strlen(count), 1, INT64_MAX, &s->count)))
		return false;
	s->counted = count != NULL;
	s->invalidate = is_true(elem_get(e, "invalidate"));
	return true;
}

/* What we do not offer, or cannot give (no device), is left out of the answer: the client goes on without. */
static void
read_wish(struct sasl2 *s, sasl_set offered)
{
	const struct elem *e = elem_child(s->st->root, NS_FAST, "request-token");
	const char *name = e ? elem_get(e, "mechanism") : NULL;
	int m = name && s->agent.id ? sasl_mechanism_parse(name) : -1;

	s->wanted = m >= 0 && offered & 1U << m ? m : -1;
}

/* XEP-0388 §2.2: the element's absence says that there is none; an empty one is empty. */
static const char *
initial_of(const struct elem *e, struct arena *a)
{
	const struct elem *i = elem_child(e, NS_SASL2, "initial-response");
	const char *text = i ? elem_text(i, a) : NULL;

	return text && !*text ? "=" : text;
}

void
sasl2_authenticate(struct c2s *c, struct stanza *st)
{
	struct sasl2 *s = NEW(struct sasl2);
	const char *mechanism = elem_get(st->root, "mechanism"), *initial = initial_of(st->root, st->arena);
	sasl_set tokens = c2s_token_mechanisms(c);
	int m = mechanism ? sasl_mechanism_parse(mechanism) : -1;

	c->sasl2 = s;
	s->st = stanza_ref(st);
	s->bind = elem_child(st->root, NS_BIND2, "bind");
	s->resume = elem_child(st->root, NS_SM, "resume");
	s->token = m >= 0 && sasl_is_token((enum sasl_mechanism)m);
	if (!read_agent(s) || !read_fast(s)) {
		c2s_sasl_refuse(c, SASL_MALFORMED_REQUEST);
		return;
	}
	read_wish(s, tokens);
	stanza_seal(st);
	c2s_sasl_begin(c, s->token ? tokens : c->offered, mechanism, initial);
}

/* For jobs */

static const char *
copy(struct arena *a, const char *text)
{
	return text ? arena_strdup(a, text) : NULL;
}

void
sasl2_agent(const struct sasl2 *s, struct arena *a, struct device_agent *out)
{
	*out = (struct device_agent){ copy(a, s->agent.id), copy(a, s->agent.software), copy(a, s->agent.device) };
}

static void
fill_login(struct c2s *c, struct arena *a, const char *bare, struct fast_login *l)
{
	const struct config *cf = home_config();
	const struct sasl2 *s = c->sasl2;

	l->bare = arena_strdup(a, bare);
	sasl2_agent(s, a, &l->agent);
	l->address = cf->auth.device_details ? arena_strdup(a, conn_address(c->conn)) : NULL;
	l->wanted = s->wanted;
	l->now_us = clock_wall_us();
	l->lifetime_us = (int64_t)cf->auth.token_lifetime_ms * 1000;
	l->rotate_us = (int64_t)cf->auth.token_rotate_ms * 1000;
	l->most = cf->limits.devices_per_account;
	l->keep_us = l->now_us - (int64_t)cf->auth.device_keep_ms * 1000;
}

void
sasl2_claim(struct c2s *c, struct arena *a, const char *bare, struct fast_claim *out)
{
	struct sasl2 *s = c->sasl2;

	fill_login(c, a, bare, &out->login);
	if (c->sasl)
		s->proof = *sasl_proof(c->sasl);
	out->mechanism = c->sasl ? sasl_chosen(c->sasl) : c->mechanism;
	out->proof = s->proof;
	out->counted = s->counted;
	out->count = s->count;
	out->invalidate = s->invalidate;
	out->why = SASL_NOT_AUTHORIZED;
}

void
sasl2_know_device(struct sasl2 *s, const struct device_state *d)
{
	s->found = *d;
}

static void
take_login(struct sasl2 *s, const struct fast_login *l)
{
	s->device = l->device;
	memcpy(s->new_token, l->token, sizeof(s->new_token));
	s->expires_us = l->expires_us;
}

void
sasl2_take_claim(struct sasl2 *s, const struct fast_claim *c)
{
	take_login(s, &c->login);
	s->news = c->news;
}

/* The second factor */

/* XEP-0388 §2.5. What the mechanism says with success is said here, and not again. */
static void
ask_code(struct c2s *c)
{
	struct sasl2 *s = c->sasl2;
	struct buf *out = c2s_out(c);

	buf_adds(out, "<continue xmlns='urn:xmpp:sasl:2'>");
	if (*s->data)
		buf_addf(out, "<additional-data>%s</additional-data>", s->data);
	buf_adds(out, "<tasks><task>TOTP</task></tasks><text>A one-time code is needed</text></continue>");
	c2s_wrote(c);
	*s->data = '\0';
	s->task = true;
	c->state = C2S_CHALLENGED;
	c2s_login_within(c, home_config()->limits.second_factor_seconds);
}

bool
sasl2_has_task(const struct c2s *c)
{
	return c->sasl2 && c->sasl2->task;
}

static enum sql_status
code_work(struct job *j, struct sql *db)
{
	return second_factor_check(db, j->arena, j->data, &j->err);
}

static void
code_done(struct job *j)
{
	struct second_factor *f = j->data;
	struct c2s *c = j->owner;

	crypt_wipe((char *)f->code, strlen(f->code));
	if (!c)
		return;
	c->job = NULL;
	if (j->status != JOB_OK)
		log_warning(conn_log(c->conn), "code-not-checked", "why=%s", j->err.text);
	/* Again: many may have been begun before the first of them failed. */
	if (j->status != JOB_OK || f->how == SECOND_FACTOR_LOCKED || f->how == SECOND_FACTOR_LOST || c2s_sasl_throttled(c)) {
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
	} else if (f->how != SECOND_FACTOR_DONE) {
		c2s_sasl_refuse(c, SASL_NOT_AUTHORIZED);
	} else {
		c->sasl2->task = false;
		c->turn = TURN_HOME;
	}
	c2s_answered(c);
}

static void
check_code(struct c2s *c, const char *code)
{
	const struct limits *l = &home_config()->limits;
	struct job *j = job_new(sizeof(struct second_factor));

	*(struct second_factor *)j->data = (struct second_factor){ .bare = arena_strdup(j->arena, jid_bare(c->jid)), .steps = l->second_factor_steps,
		.most_wrong = l->second_factor_failures, .now_us = clock_wall_us(), .code = arena_strdup(j->arena, code) };
	j->work = code_work;
	j->done = code_done;
	j->owner = c;
	c->job = j;
	c2s_wait(c);
	pool_submit(j, crypt_hash(jid_bare(c->jid), jid_bare_len(c->jid)));
}

void
sasl2_next(struct c2s *c, const struct elem *e)
{
	const char *task = elem_get(e, "task");
	const struct elem *code = elem_child(e, NS_TOTP, "totp");

	if (!task || strcmp(task, "TOTP") || !code)
		c2s_sasl_refuse(c, SASL_MALFORMED_REQUEST);
	else if (c2s_sasl_throttled(c))
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
	else
		check_code(c, elem_text(code, reactor_scratch(reactor_current())));
}

/* Home */

void
sasl2_accepted(struct c2s *c, const char *data)
{
	struct sasl2 *s = c->sasl2;

	s->data = mem_strdup(data);
	s->own = c->device != 0;
	if (s->own)
		s->device = c->device;
	sasl_free(c->sasl);
	c->sasl = NULL;
	if (c->factor) {
		ask_code(c);
		return;
	}
	c->turn = TURN_HOME;
	c2s_wait(c);
}

/* XEP-0388 §2.4: nothing may have been sent ahead of <success/>. */
void
sasl2_go_home(struct c2s *c)
{
	if (c->early)
		c2s_end(c, XSTREAM_POLICY_VIOLATION, "data during authentication");
	else
		c2s_move_home(c);
}

static void
refuse(struct c2s *c, enum sasl_failure why)
{
	c2s_sasl_refuse(c, why);
}

/* Answering */

static void
begin_success(const struct sasl2 *s, struct buf *out, const struct jid *who)
{
	buf_adds(out, "<success xmlns='urn:xmpp:sasl:2'>");
	if (*s->data)
		buf_addf(out, "<additional-data>%s</additional-data>", s->data);
	buf_adds(out, "<authorization-identifier>");
	serialize_text(out, jid_full(who), jid_full_len(who));
	buf_adds(out, "</authorization-identifier>");
}

static void
end_success(const struct sasl2 *s, struct buf *out)
{
	char time[32];

	if (s->new_token[0])
		buf_addf(out, "<token xmlns='urn:xmpp:fast:0' expiry='%s' token='%s'/>", clock_format(s->expires_us, time),
			s->new_token);
	buf_adds(out, "</success>");
}

/* The stream is somebody's from here on. */
static void
settle(struct c2s *c)
{
	const struct sasl2 *s = c->sasl2;
	const struct device_agent *a = &s->agent;

	c->device = s->device;
	if (a->software || a->device) {
		struct buf b = { 0 };

		buf_addf(&b, "%s%s%s", a->software ? a->software : "", a->software && a->device ? ", " : "",
			a->device ? a->device : "");
		free(c->client);
		c->client = mem_strdup(buf_str(&b));
		buf_fini(&b);
	}
	c2s_authenticated(c);
	c2s_full_limits(c);
	/* A login by the account's password has just been noted. */
	if ((s->token || s->own) && s->device)
		last_use_note(s->device, clock_wall_us(), home_config()->auth.device_details ? conn_address(c->conn) : NULL);
}

static void
done(struct c2s *c)
{
	sasl2_free(c->sasl2);
	c->sasl2 = NULL;
}

static void
go_on_with(struct c2s *c, struct session *old)
{
	struct sasl2 *s = c->sasl2;
	struct buf before = { 0 }, after = { 0 };

	settle(c);
	begin_success(s, &before, old->jid);
	end_success(s, &after);
	c->sasl2 = NULL;
	resume_go(c, old, s->resume, buf_str(&before), buf_str(&after));
	sasl2_free(s);
	crypt_wipe(after.data, after.cap);
	buf_fini(&before);
	buf_fini(&after);
	c2s_bound(c);
}

/* Nobody to go on with: `failure` says why when that was asked for. */
static void
begin_anew(struct c2s *c, struct user *u, const struct resume_failure *failure)
{
	struct sasl2 *s = c->sasl2;
	struct buf bound = { 0 }, *out;
	struct session *made = NULL;

	c->device = s->own ? 0 : s->device; /* whose other sessions end: a password alone is not one client */
	if (s->bind && !bind2_may(c, u)) {
		refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	settle(c);
	c->state = C2S_BIND;
	if (s->bind)
		made = bind2(c, u, s->bind, s->agent.id, &bound);
	out = c2s_out(c);
	begin_success(s, out, made ? made->jid : c->jid);
	if (failure)
		resume_add_failed(out, failure);
	if (made)
		buf_add(out, buf_data(&bound), buf_len(&bound));
	end_success(s, out);
	c2s_wrote(c);
	buf_fini(&bound);
	done(c);
	c2s_write_features(c);
	if (!made)
		return;
	c2s_bound(c);
	session_announce(made);
}

static void
finish(struct c2s *c, struct user *u, struct stanza *st)
{
	struct sasl2 *s = c->sasl2;
	struct resume_failure failure;
	struct session *old;

	(void)st;
	if (!u || auth_revoked_since(jid_bare(c->jid), c->moment)) {
		refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	if (!c2s_may_bind(u)) {
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "no such account");
		return;
	}
	old = s->resume ? resume_find(u, s->resume, &failure) : NULL;
	if (old)
		go_on_with(c, old);
	else
		begin_anew(c, u, s->resume ? &failure : NULL);
}

/* The device */

static enum sql_status
note_work(struct job *j, struct sql *db)
{
	return fast_after_password(db, j->data, &j->err);
}

static void
note_done(struct job *j)
{
	struct fast_login *l = j->data;
	struct c2s *c = j->owner;

	if (c)
		c->job = NULL;
	if (c && j->status == JOB_OK && l->device) {
		take_login(c->sasl2, l);
		c2s_need_user(c, c->sasl2->st, c->sasl2->resume, finish);
	} else if (c) {
		log_warning(conn_log(c->conn), "device-not-noted", "why=%s", j->err.text);
		refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
	}
	crypt_wipe(l->token, sizeof(l->token));
}

static void
note_device(struct c2s *c)
{
	struct job *j = job_new(sizeof(struct fast_login));

	fill_login(c, j->arena, jid_bare(c->jid), j->data);
	j->work = note_work;
	j->done = note_done;
	j->owner = c;
	c->job = j;
	pool_submit(j, crypt_hash(jid_bare(c->jid), jid_bare_len(c->jid)));
}

/* The token */

static enum sql_status
use_work(struct job *j, struct sql *db)
{
	return fast_use(db, j->data, &j->err);
}

static void
use_done(struct job *j)
{
	struct fast_claim *d = j->data;
	struct c2s *c = j->owner;

	if (c)
		c->job = NULL;
	if (c && j->status == JOB_OK && d->match) {
		take_login(c->sasl2, &d->login);
		c2s_need_user(c, c->sasl2->st, c->sasl2->resume, finish);
	} else if (c) {
		if (j->status != JOB_OK)
			log_warning(conn_log(c->conn), "token-not-used", "why=%s", j->err.text);
		refuse(c, j->status == JOB_OK ? d->why : SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
	}
	crypt_wipe(d->token, sizeof(d->token));
	crypt_wipe(d->login.token, sizeof(d->login.token));
}

/* Somebody else may have used it meanwhile, or ended it. */
static void
use_token(struct c2s *c)
{
	struct job *j = job_new(sizeof(struct fast_claim));

	sasl2_claim(c, j->arena, jid_bare(c->jid), j->data);
	j->work = use_work;
	j->done = use_done;
	j->owner = c;
	c->job = j;
	pool_submit(j, crypt_hash(jid_bare(c->jid), jid_bare_len(c->jid)));
}

/* With the account's password: only what the database does not know yet is written, so that a login is mostly one that reads. */
static bool
has_news(const struct sasl2 *s)
{
	return !s->token && !s->own && s->agent.id &&
		(s->wanted >= 0 || !s->found.id || !s->found.unchanged || !s->found.password);
}

static void
login_noted(struct c2s *c)
{
	struct sasl2 *s = c->sasl2;

	if (s->token && s->news) {
		use_token(c);
		return;
	}
	if (has_news(s)) {
		note_device(c);
		return;
	}
	/* Whose the password is, is who it is, whatever the client says; and a token would outlive it. */
	if (!s->token && !s->own)
		s->device = s->found.id;
	c2s_need_user(c, s->st, s->resume, finish);
}

void
sasl2_arrived(struct c2s *c)
{
	c2s_note_login(c, login_noted);
}
