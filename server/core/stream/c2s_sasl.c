/*
 * c2s_sasl: an authentication exchange, in the classic profile (RFC 6120 §6) and in that of XEP-0388 (c->sasl2): the same
 * mechanisms, other elements around them. Keys and tokens are looked up by jobs, passwords hashed by others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/stream/auth.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/last_use.h"
#include "core/stream/rounds.h"
#include "core/stream/sasl2.h"
#include "net/listener.h"
#include "store/account.h"
#include "xmpp/ns.h"

static void
write_element(struct c2s *c, const char *element, const char *text)
{
	struct buf *out = c2s_out(c);

	buf_addf(out, "<%s xmlns='%s'", element, c->sasl2 ? NS_SASL2 : NS_SASL);
	if (text && *text)
		buf_addf(out, ">%s</%s>", text, element);
	else
		buf_adds(out, "/>");
	c2s_wrote(c);
}

void
c2s_sasl_fini(struct c2s *c)
{
	sasl_free(c->sasl);
	c->sasl = NULL;
	sasl2_free(c->sasl2);
	c->sasl2 = NULL;
	free(c->last_word);
	c->last_word = NULL;
}

void
c2s_login_name(const struct c2s *c, char out[2304])
{
	const char *user = c->sasl ? sasl_user(c->sasl) : NULL;

	if (c->jid)
		snprintf(out, 2304, "%s", jid_bare(c->jid));
	else
		snprintf(out, 2304, "%s@%s", user ? user : "", c->host->domain);
}

/* `text`: for people; may be NULL. */
static void
write_failure(struct c2s *c, enum sasl_failure why, const char *text)
{
	const char *open = text ? "<text xml:lang='en'>" : "", *close = text ? "</text>" : "";

	if (c->sasl2)
		c2s_writef(c, "<failure xmlns='urn:xmpp:sasl:2'><%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>%s%s%s</failure>",
			sasl_failure_name(why), open, text ? text : "", close);
	else
		c2s_writef(c, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><%s/>%s%s%s</failure>", sasl_failure_name(why), open,
			text ? text : "", close);
}

/* RFC 6120 §6.4.5: some more tries, then the stream ends. A try that did not reach the password (a mechanism or a
 * channel binding that does not work out) counts half: clients go down the list of what we offer. So does a token
 * that has expired. */
static void
refuse(struct c2s *c, enum sasl_failure why, const char *noted, const char *text)
{
	uint64_t most = 2 * home_config()->limits.auth_tries;
	char bare[2304];

	c2s_login_name(c, bare);
	log_info(conn_log(c->conn), "auth-failed", "user=%s why=%s", bare, noted);
	c2s_login_failed(c, noted);
	/* Who has the right password is not guessing: other clients of the account do not suffer for one that cannot do more. */
	if (why == SASL_NOT_AUTHORIZED && !text)
		auth_failed(bare, conn_source(c->conn));
	c2s_note_refusal(c, bare, noted);
	write_failure(c, why, text);
	c2s_sasl_fini(c);
	jid_unref(c->jid);
	c->jid = NULL;
	c->device = 0;
	c->factor = FACTOR_NOT;
	c->state = C2S_AUTH;
	c->tries += why == SASL_NOT_AUTHORIZED ? 2 : 1;
	if (c->tries >= most)
		c2s_end(c, XSTREAM_POLICY_VIOLATION, "too many failed authentications");
}

void
c2s_sasl_refuse(struct c2s *c, enum sasl_failure why)
{
	refuse(c, why, sasl_failure_name(why), NULL);
}

/* Said to nobody who does not have the password. */
static void
refuse_factor(struct c2s *c)
{
	if (c->factor == FACTOR_MISSING)
		refuse(c, SASL_NOT_AUTHORIZED, "second-factor-missing",
			"This account needs a second factor: ask an administrator for one, or for a device password");
	else
		refuse(c, SASL_NOT_AUTHORIZED, "second-factor-needed",
			"This account has a second factor, which this client cannot ask for: use a device password");
}

void
c2s_authenticated(struct c2s *c)
{
	auth_succeeded(jid_bare(c->jid), conn_source(c->conn));
	source_authenticated(conn_source(c->conn));
	c->authenticated = true;
	c->noted = NOTED_NOT;
	log_info(conn_log(c->conn), "authenticated", "jid=%s mechanism=%s", jid_bare(c->jid), c2s_mechanism(c));
}

static void
login_noted(struct c2s *c)
{
	write_element(c, "success", c->last_word);
	c2s_sasl_fini(c);
	c2s_authenticated(c);
	last_use_note(c->device, clock_wall_us(), home_config()->auth.device_details ? conn_address(c->conn) : NULL);
	c->turn = TURN_RESTART;
	c2s_answered(c);
}

static void
accept_login(struct c2s *c, const char *out)
{
	struct jid *jid;
	char bare[2304];

	c2s_login_name(c, bare);
	jid = jid_parse_z(bare);
	if (!jid) {
		c2s_sasl_refuse(c, SASL_NOT_AUTHORIZED);
		return;
	}
	if (c->sasl2 && c->claimed && !jid_equal_bare(c->claimed, jid)) {
		/* XEP-0388 §2.3: it said it was somebody else when it opened the stream. */
		jid_unref(jid);
		c2s_sasl_refuse(c, SASL_INVALID_AUTHZID);
		return;
	}
	c->jid = jid;
	c->mechanism = sasl_chosen(c->sasl);
	c->device = sasl_other(c->sasl);
	/* A device's password stands for a client that was let in by who had passed both. */
	if (c->device)
		c->factor = FACTOR_NOT;
	if (c->factor == FACTOR_MISSING || (c->factor && !c->sasl2)) {
		refuse_factor(c);
		return;
	}
	if (c->sasl2) {
		sasl2_accepted(c, out);
		return;
	}
	c->last_word = mem_strdup(out ? out : "");
	c2s_note_login(c, login_noted);
}

/* Looking up */

struct lookup {
	const char *bare;
	enum scram_hash hash;
	struct account_keys keys;
	const char *password; /* PLAIN */
	size_t password_len;
	bool match;
	int64_t other; /* whose password it is */
	struct device_agent agent; /* SASL2: id NULL when the client did not say */
	struct device_state device;
};

static void step(struct c2s *c, enum sasl_step s, const char *out);

static enum sql_status
lookup_work(struct job *j, struct sql *db)
{
	struct lookup *d = j->data;
	enum sql_status st = rounds_look(db, &j->err);

	if (st == SQL_OK)
		st = account_keys(db, j->arena, d->bare, d->hash, &d->keys, &j->err);
	if (st == SQL_OK && d->agent.id)
		st = device_find(db, d->bare, &d->agent, &d->device, &j->err);
	return st;
}

/* Unknown and disabled accounts get keys that nothing matches, and the same work. */
static bool
real_or_fake(struct lookup *d)
{
	bool real = d->keys.have && !d->keys.account.disabled;

	if (!d->keys.have)
		scram_keys_fake(&d->keys.keys, d->hash, d->bare, auth_secret(),
			rounds_of_nobody(d->bare, (uint32_t)home_config()->auth.iterations));
	return real;
}

static enum sql_status
match_work(struct job *j, struct sql *db)
{
	struct lookup *d = j->data;

	(void)db;
	d->match = scram_keys_match(&d->keys.keys, d->keys.other, d->keys.nothers, d->password, d->password_len, &d->other);
	return SQL_OK;
}

/* Again before the answer is looked at: many exchanges may have been begun before the first of them failed. */
bool
c2s_sasl_throttled(struct c2s *c)
{
	char bare[2304];

	c2s_login_name(c, bare);
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
	if (c2s_sasl_throttled(c)) {
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
		return;
	}
	next = sasl_checked(c->sasl, d->match && d->keys.have && !d->keys.account.disabled, d->other, &out);
	step(c, next, out);
	c2s_answered(c);
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

/* True when there is no answer. */
static bool
lookup_failed(struct c2s *c, const struct job *j)
{
	if (j->status == JOB_OK)
		return false;
	log_warning(conn_log(c->conn), "auth-unavailable", "why=%s", j->err.text);
	c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
	c2s_answered(c);
	return true;
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
	if (lookup_failed(c, j))
		return;
	if (c->sasl2)
		sasl2_know_device(c->sasl2, &d->device);
	c->factor = d->keys.second_factor ? FACTOR_NEEDED : home_config()->auth.require_second_factor ? FACTOR_MISSING : FACTOR_NOT;
	real = real_or_fake(d);
	if (sasl_chosen(c->sasl) == SASL_PLAIN) {
		check_password(c, d);
		return;
	}
	sasl_set_others(c->sasl, d->keys.other, d->keys.nothers);
	next = sasl_keys(c->sasl, &d->keys.keys, real, &out);
	step(c, next, out);
	c2s_answered(c);
}

static enum sql_status
token_work(struct job *j, struct sql *db)
{
	return fast_check(db, j->data, &j->err);
}

static void
token_done(struct job *j)
{
	struct fast_claim *d = j->data;
	struct c2s *c = j->owner;
	const char *out = NULL;
	enum sasl_step next;

	if (!c)
		return;
	c->job = NULL;
	if (lookup_failed(c, j))
		return;
	if (c2s_sasl_throttled(c)) {
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
		return;
	}
	if (d->match)
		sasl2_take_claim(c->sasl2, d);
	metric_add(d->match ? METRIC_FAST_OK : METRIC_FAST_REFUSED, 1);
	next = sasl_token(c->sasl, d->match ? d->token : NULL, strlen(d->token), d->why, &out);
	step(c, next, out);
	crypt_wipe(d->token, sizeof(d->token));
	crypt_wipe(d->login.token, sizeof(d->login.token));
	c2s_answered(c);
}

/* False: it may not try now. */
static bool
submit(struct c2s *c, struct job *j, const char *bare)
{
	j->owner = c;
	c->job = j;
	c->moment = auth_moment();
	c2s_wait(c);
	pool_submit(j, crypt_hash(bare, strlen(bare)));
	return true;
}

static void
look_up(struct c2s *c, const char *bare)
{
	struct job *j = job_new(sizeof(struct lookup));
	struct lookup *d = j->data;

	d->bare = arena_strdup(j->arena, bare);
	d->hash = sasl_chosen(c->sasl) == SASL_PLAIN ? SCRAM_SHA256 : sasl_hash(sasl_chosen(c->sasl));
	if (c->sasl2)
		sasl2_agent(c->sasl2, j->arena, &d->agent);
	j->work = lookup_work;
	j->done = lookup_done;
	submit(c, j, bare);
}

static void
look_up_token(struct c2s *c, const char *bare)
{
	struct job *j = job_new(sizeof(struct fast_claim));

	sasl2_claim(c, j->arena, bare, j->data);
	j->work = token_work;
	j->done = token_done;
	submit(c, j, bare);
}

static void
need(struct c2s *c, bool token)
{
	char bare[2304];

	c2s_login_name(c, bare);
	if (!auth_may_try(bare, conn_source(c->conn)))
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
	else if (token)
		look_up_token(c, bare);
	else
		look_up(c, bare);
}

static void
step(struct c2s *c, enum sasl_step s, const char *out)
{
	switch (s) {
	case SASL_SEND:
		write_element(c, "challenge", out);
		c->state = C2S_CHALLENGED;
		break;
	case SASL_NEED_KEYS:
	case SASL_NEED_CHECK:
		need(c, false);
		break;
	case SASL_NEED_TOKEN:
		need(c, true);
		break;
	case SASL_SUCCESS:
		accept_login(c, out);
		break;
	case SASL_FAIL:
		c2s_sasl_refuse(c, sasl_why(c->sasl));
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

void
c2s_sasl_begin(struct c2s *c, sasl_set offered, const char *mechanism, const char *initial)
{
	const char *out = NULL;
	char names[SASL_NAMES_MAX], types[64];
	struct scram_binding b;
	enum sasl_step next;
	int m = mechanism ? sasl_mechanism_parse(mechanism) : -1;

	if (c2s_bindings(c, &b) && m >= 0 && (sasl_is_plus((enum sasl_mechanism)m) || sasl_is_token((enum sasl_mechanism)m)))
		c2s_fill_bindings(c, &b);
	c->factor = FACTOR_NOT;
	b.mechanisms = sasl_set_names(offered, names);
	b.bindings = binding_names(&b, types);
	c->sasl = sasl_new(offered, &b, c->host->domain);
	next = sasl_auth(c->sasl, mechanism ? mechanism : "", initial, &out);
	step(c, next, out);
}

void
c2s_sasl_response(struct c2s *c, const char *text)
{
	const char *out = NULL;
	enum sasl_step next;

	if (sasl_user(c->sasl) && c2s_sasl_throttled(c)) {
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	next = sasl_response(c->sasl, text, &out);
	step(c, next, out);
}
