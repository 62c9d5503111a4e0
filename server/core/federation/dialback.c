/*
 * dialback: XEP-0220, for partners whose entry allows it, and only on streams whose certificate is good for the domain. It stands in for
 * SASL EXTERNAL with servers that cannot do that; it is no way round the certificate.
 *
 *     originating     we send a key on our stream; its result must come on the same stream, for the same two domains
 *     receiving       a key came on their stream: we ask the server of that domain, over a connection of its own that is made for this
 *                     question (its certificate has to be good too), and take nothing else from their stream meanwhile
 *     authoritative   somebody asks about a key of ours
 *
 * A key is made from a secret of this process, the two domains and the stream's id (XEP-0185), so it is of no use for another
 * stream. One stream is good for one pair of domains; who wants another pair is told to make another stream. What nobody has asked for ends
 * the stream (§4.1).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/federation/federation.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "xmpp/digest.h"
#include "xmpp/serialize.h"

#define NS_DIALBACK "jabber:server:dialback"
#define KEY_LEN 64            /* HMAC-SHA-256 in hexadecimal */
#define KEY_MAX 1024          /* theirs may be anything */
#define QUESTIONS_MAX 10      /* about keys, before a stream is authenticated */

struct dialback {
	struct s2s *s;           /* out: a key was sent on it; in: one came on it */
	char *key;               /* in */
	struct attempt *asking;  /* in: the connection on which we ask about it */
};

/* Keys */

static char secret[2 * SHA256_SIZE + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* XEP-0185: SHA256(secret) in hexadecimal; a random string of each start. */
static void
draw_secret(void)
{
	uint8_t random[32], hash[SHA256_SIZE];

	crypt_random(random, sizeof(random));
	crypt_sha256(random, sizeof(random), hash);
	text_hex(hash, sizeof(hash), secret);
	crypt_wipe(random, sizeof(random));
}

static void
make_key(const char *receiving, const char *originating, const char *id, char key[KEY_LEN + 1])
{
	struct digest_part part[] = { { receiving, strlen(receiving) }, { " ", 1 }, { originating, strlen(originating) }, { " ", 1 },
		{ id, strlen(id) } };
	uint8_t mac[SCRAM_MAX];

	pthread_once(&once, draw_secret);
	digest_hmac(SCRAM_SHA256, secret, strlen(secret), part, 5, mac);
	text_hex(mac, SHA256_SIZE, key);
}

/* The text without the white space that people put around it. */
static const char *
text_of(const struct elem *e, size_t *n)
{
	const char *p = elem_text(e, reactor_scratch(reactor_current()));

	p += strspn(p, " \t\r\n");
	*n = strlen(p);
	while (*n && strchr(" \t\r\n", p[*n - 1]))
		--*n;
	return p;
}

/* Words */

static void
write_attr(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s='", name);
	serialize_attr(out, value, strlen(value));
	buf_addc(out, '\'');
}

/* <db:result/> or <db:verify/>, up to its attributes' end. */
static struct buf *
begin(struct s2s *s, const char *name, const char *from, const char *to, const char *id, const char *type)
{
	struct buf *out = conn_out(s->conn);

	buf_addf(out, "<db:%s", name);
	write_attr(out, "from", from);
	write_attr(out, "to", to);
	if (id)
		write_attr(out, "id", id);
	if (type)
		write_attr(out, "type", type);
	return out;
}

static void
say_key(struct s2s *s, const char *name, const char *id, const char *key, size_t n)
{
	struct buf *out = begin(s, name, jid_domain(s->local), jid_domain(s->remote), id, NULL);

	buf_addc(out, '>');
	serialize_text(out, key, n);
	buf_addf(out, "</db:%s>", name);
	conn_wrote(s->conn);
}

/* The answer to e, to whom it says it is from (§2.4). */
static void
say_answer(struct s2s *s, const struct elem *e, const char *type)
{
	struct buf *out = begin(s, e->name, elem_get(e, "to"), elem_get(e, "from"), elem_get(e, "id"), type);

	buf_adds(out, "/>");
	conn_wrote(s->conn);
}

static void
add_error(struct buf *out, const char *name, enum xerror condition, const char *type)
{
	buf_addf(out, "><error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:%s>", type, xerror_name(condition), name);
}

static void
say_error(struct s2s *s, const struct elem *e, enum xerror condition, const char *type)
{
	struct buf *out = begin(s, e->name, elem_get(e, "to"), elem_get(e, "from"), elem_get(e, "id"), "error");

	add_error(out, e->name, condition, type);
	conn_wrote(s->conn);
	metric_error("dialback", xerror_name(condition));
	log_info(conn_log(s->conn), "dialback-refused", "remote=%s element=%s condition=%s", jid_domain(s->remote), e->name, xerror_name(condition));
}

/* Whom it is from and to */

static bool
is_domain(const char *text, const struct jid *domain)
{
	struct jid *j = text ? jid_parse_z(text) : NULL;
	bool same = j && jid_equal(j, domain);

	jid_unref(j);
	return same;
}

static bool
is_ours(const char *text)
{
	struct jid *j = jid_parse_z(text);
	bool ours = j && jid_is_domain(j) && !federation_is_remote(j);

	jid_unref(j);
	return ours;
}

/* Of the two domains of this stream, from them to us. */
static bool
is_of_stream(const struct s2s *s, const struct elem *e)
{
	return is_domain(elem_get(e, "from"), s->remote) && is_domain(elem_get(e, "to"), s->local);
}

/* An answer that nobody waits for: it may be a forgery, and is a fault in any case (§4.1). */
static void
unsolicited(struct s2s *s, const struct elem *e)
{
	log_warning(conn_log(s->conn), "dialback-unsolicited", "remote=%s element=%s", jid_domain(s->remote), e->name);
	s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "dialback", "an answer to a question that was not asked");
}

/* Originating */

static void
new_dialback(struct s2s *s)
{
	s->dialback = NEW(struct dialback);
	s->dialback->s = s;
}

void
dialback_free(struct s2s *s)
{
	struct dialback *d = s->dialback;

	s->dialback = NULL;
	if (d->asking)
		attempt_cancel(d->asking);
	free(d->key);
	free(d);
}

void
dialback_begin(struct s2s *s)
{
	char key[KEY_LEN + 1];

	if (!s->peer_id || !*s->peer_id) {
		s2s_end(s, XSTREAM_BAD_FORMAT, "its server gave the stream no id, which dialback needs");
		return;
	}
	new_dialback(s);
	make_key(jid_domain(s->remote), jid_domain(s->local), s->peer_id, key);
	say_key(s, "result", NULL, key, KEY_LEN);
}

static void
take_result(struct s2s *s, const struct elem *e, const char *type)
{
	const struct elem *error = elem_first(e), *condition = error ? elem_first(error) : NULL;
	char words[200];

	if (!s->dialback || s->state != S2S_AUTH || !is_of_stream(s, e)) {
		unsolicited(s, e);
		return;
	}
	dialback_free(s);
	if (!strcmp(type, "valid")) {
		s->authenticated = true;
		s->how = "dialback";
		s2s_ready(s);
		return;
	}
	/* §2.1.1: what waits goes back, with these errors. */
	if (strcmp(type, "error")) {
		s2s_out_not_let_in(s, XERROR_INTERNAL_SERVER_ERROR, "its server was told that our dialback key is not valid");
		return;
	}
	snprintf(words, sizeof(words), "its server could not verify who we are (dialback): %.64s", condition ? condition->name : "no reason given");
	s2s_out_not_let_in(s, XERROR_REMOTE_SERVER_TIMEOUT, words);
}

/* Receiving */

static void
refuse_key(struct s2s *s)
{
	struct buf *out = begin(s, "result", jid_domain(s->local), jid_domain(s->remote), NULL, "invalid");

	buf_adds(out, "/>");
	conn_wrote(s->conn);
	metric_add(METRIC_AUTH_FAILED, 1);
	s2s_refuse(s, XSTREAM_NOT_AUTHORIZED, "dialback", "the dialback key is not valid");
}

static void
take_key(struct s2s *s, const struct elem *e)
{
	size_t n;
	const char *key = text_of(e, &n);

	if (!is_domain(elem_get(e, "from"), s->remote)) {
		say_error(s, e, XERROR_NOT_AUTHORIZED, "auth"); /* its certificate is for another */
	} else if (!is_ours(elem_get(e, "to"))) {
		say_error(s, e, XERROR_ITEM_NOT_FOUND, "cancel");
	} else if (!is_domain(elem_get(e, "to"), s->local)) {
		say_error(s, e, XERROR_RESOURCE_CONSTRAINT, "wait"); /* another stream, please */
	} else if (s->authenticated) {
		say_answer(s, e, "valid");
	} else if (!n || n > KEY_MAX) {
		refuse_key(s);
	} else {
		new_dialback(s);
		s->dialback->key = mem_strndup(key, n);
		s->dialback->asking = attempt_to_ask(s->dialback, s->local, s->remote);
		s2s_wait(s, true);
	}
}

void
dialback_ask(struct dialback *d, struct s2s *asker)
{
	say_key(asker, "verify", d->s->id, d->key, strlen(d->key));
}

/* §2.4: not fatal: it may try again, some times. */
void
dialback_not_asked(struct dialback *d, bool no_such)
{
	struct s2s *s = d->s;
	struct buf *out = begin(s, "result", jid_domain(s->local), jid_domain(s->remote), NULL, "error");

	add_error(out, "result", no_such ? XERROR_REMOTE_SERVER_NOT_FOUND : XERROR_REMOTE_SERVER_TIMEOUT, no_such ? "cancel" : "wait");
	conn_wrote(s->conn);
	log_warning(conn_log(s->conn), "dialback-not-asked", "remote=%s", jid_domain(s->remote));
	d->asking = NULL;
	dialback_free(s);
	if (++s->tries >= home_config()->limits.auth_tries)
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "dialback", "too many failed authentications");
	else
		s2s_wait(s, false);
}

static void
let_in(struct s2s *s)
{
	struct buf *out = begin(s, "result", jid_domain(s->local), jid_domain(s->remote), NULL, "valid");

	buf_adds(out, "/>");
	conn_wrote(s->conn);
	s2s_in_authenticated(s, "dialback");
	s2s_go_home(s);
}

/* On the connection that was made to ask: the answer is about the stream d->s. */
static void
take_verified(struct s2s *asker, const struct elem *e, const char *type)
{
	struct dialback *d = asker->attempt ? attempt_asks(asker->attempt) : NULL;
	const char *id = elem_get(e, "id");
	bool valid = !strcmp(type, "valid"), error = !strcmp(type, "error");
	struct s2s *s;

	if (!d || asker->state != S2S_AUTH || !is_of_stream(asker, e) || !id || strcmp(id, d->s->id)) {
		unsolicited(asker, e);
		return;
	}
	s = d->s;
	attempt_cancel(d->asking);
	d->asking = NULL;
	if (error) {
		dialback_not_asked(d, true); /* §2.4.2 */
		return;
	}
	dialback_free(s);
	if (valid)
		let_in(s);
	else
		refuse_key(s);
}

/* Authoritative */

static void
answer_question(struct s2s *s, const struct elem *e)
{
	const char *id = elem_get(e, "id");
	char key[KEY_LEN + 1];
	size_t n;
	const char *said = text_of(e, &n);

	if (s->authenticated) {
		s2s_charge(s);
	} else if (++s->questions > QUESTIONS_MAX) {
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "dialback", "too many questions about keys");
		return;
	}
	if (!is_domain(elem_get(e, "from"), s->remote)) {
		say_error(s, e, XERROR_NOT_AUTHORIZED, "auth");
	} else if (!is_domain(elem_get(e, "to"), s->local)) {
		say_error(s, e, XERROR_ITEM_NOT_FOUND, "cancel");
	} else {
		make_key(jid_domain(s->remote), jid_domain(s->local), id, key);
		say_answer(s, e, n == KEY_LEN && crypt_equal(said, key, KEY_LEN) ? "valid" : "invalid");
	}
}

/* Whichever */

static bool
is_allowed(const struct s2s *s)
{
	const struct partner *in = partner_find(jid_domain(s->remote), PARTNER_IN, NULL), *out = partner_find(jid_domain(s->remote), PARTNER_OUT, NULL);

	return (in && in->dialback) || (out && out->dialback);
}

bool
dialback_element(struct s2s *s, const struct stanza *st)
{
	const struct elem *e = st->root;
	const char *type = elem_get(e, "type");
	bool result = elem_is(e, NS_DIALBACK, "result"), verify = elem_is(e, NS_DIALBACK, "verify");

	if ((!result && !verify) || !is_allowed(s))
		return false;
	if (!elem_get(e, "from") || !elem_get(e, "to") || (verify && !elem_get(e, "id")))
		s2s_end(s, XSTREAM_IMPROPER_ADDRESSING, NULL);
	else if (s->initiator && type)
		(result ? take_result : take_verified)(s, e, type);
	else if (s->initiator || type)
		unsolicited(s, e);
	else if (result)
		take_key(s, e);
	else
		answer_question(s, e);
	return true;
}
