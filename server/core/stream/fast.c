/*
 * fast: making and checking tokens (XEP-0484 §3, §5.1). Nothing here is secret in its timing but the comparison, which
 * is done for two tokens whatever there is.
 */
#include "core/stream/fast.h"

#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "xmpp/digest.h"

static uint8_t key[32];

void
fast_set_key(const uint8_t k[32])
{
	memcpy(key, k, sizeof(key));
}

static void
put_number(uint8_t out[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

static void
make_token(char out[FAST_TOKEN_SIZE], int64_t account, int64_t device, int mechanism, const uint8_t seed[DEVICE_SEED])
{
	static const char label[] = "chancery token";
	uint8_t place[24], hash[SCRAM_MAX];
	const struct digest_part parts[] = { { label, sizeof(label) }, { place, sizeof(place) }, { seed, DEVICE_SEED } };

	put_number(place, (uint64_t)account);
	put_number(place + 8, (uint64_t)device);
	put_number(place + 16, (uint64_t)mechanism);
	digest_hmac(SCRAM_SHA256, key, sizeof(key), parts, 3, hash);
	text_base64_encode(hash, 32, out);
	crypt_wipe(hash, sizeof(hash));
}

/* Into the slot of new tokens; the device is the account's. */
static enum sql_status
give_token(struct sql *db, struct fast_login *l, int64_t account, int mechanism, struct err *e)
{
	struct device_token t = { .mechanism = mechanism, .expires_us = l->now_us + l->lifetime_us };
	enum sql_status st;

	crypt_random(t.seed, sizeof(t.seed));
	st = device_token_put(db, l->device, &t, e);
	if (st != SQL_OK)
		return st;
	make_token(l->token, account, l->device, mechanism, t.seed);
	l->expires_us = t.expires_us;
	return SQL_OK;
}

static struct device_note
note_of(const struct fast_login *l, bool password)
{
	return (struct device_note){ .bare = l->bare, .agent = l->agent, .address = l->address, .password = password,
		.most = l->most, .keep_us = l->keep_us };
}

/* All or nothing: a token that the client was given and the database does not know would log it out. */
static enum sql_status
end(struct sql *db, enum sql_status st, struct fast_login *l, struct err *e)
{
	if (st == SQL_OK)
		st = sql_commit(db, e);
	else
		sql_rollback(db);
	if (st != SQL_OK)
		l->token[0] = '\0';
	return st;
}

static enum sql_status
note_and_give(struct sql *db, struct fast_login *l, struct err *e)
{
	struct device_note n = note_of(l, true);
	struct device_state s;
	enum sql_status st = device_note(db, &n, &l->device, e);

	if (st != SQL_OK || !l->device || l->wanted < 0)
		return st;
	/* The token names the account by its id. */
	st = device_find(db, l->bare, &l->agent, &s, e);
	return st == SQL_OK && s.id == l->device ? give_token(db, l, s.account, l->wanted, e) : st;
}

enum sql_status
fast_after_password(struct sql *db, struct fast_login *l, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	return st == SQL_OK ? end(db, note_and_give(db, l, e), l, e) : st;
}

/* The new one is looked at first (§5.1); where there is none, one that nothing matches. */
static const struct device_token *
find_match(const struct device_state *s, struct fast_claim *c)
{
	static const struct device_token none;
	const struct device_token *found = NULL;
	char token[FAST_TOKEN_SIZE];

	for (unsigned i = 0; i < DEVICE_TOKENS; i++) {
		const struct device_token *t = i < s->ntokens ? &s->tokens[i] : &none;
		bool match;

		make_token(token, s->account, s->id, t == &none ? -1 : t->mechanism, t->seed);
		match = sasl_proof_matches(&c->proof, token, strlen(token));
		if (!match || t == &none || found)
			continue;
		found = t;
		memcpy(c->token, token, sizeof(token));
	}
	crypt_wipe(token, sizeof(token));
	return found;
}

/* §3.4: bound to the mechanism; the count, when there is one, higher than ever. §4.2: who has one that has expired is told so,
 * whatever the count: it is of no more use. */
static bool
may_use(const struct device_state *s, const struct device_token *t, struct fast_claim *c)
{
	bool right = t && !s->disabled && t->mechanism == (int)c->mechanism;

	c->why = right && t->expires_us <= c->login.now_us ? SASL_CREDENTIALS_EXPIRED : SASL_NOT_AUTHORIZED;
	return right && c->why == SASL_NOT_AUTHORIZED && (!c->counted || c->count > t->count);
}

/* Which token the client is to get: what it asked for, or another of its kind when this one is old (§3.5), but not with a
 * log-out (§3.6). -1: none. */
static int
token_due(const struct device_token *t, const struct fast_claim *c)
{
	const struct fast_login *l = &c->login;

	if (l->wanted >= 0)
		return l->wanted;
	if (c->invalidate)
		return -1;
	/* Whatever the settings are now, it does not run out before it is replaced. */
	return l->now_us - t->issued_us >= l->rotate_us || (t->expires_us - l->now_us) / 2 <= l->rotate_us ? t->mechanism : -1;
}

static enum sql_status
use(struct sql *db, const struct device_state *s, const struct device_token *t, struct fast_claim *c, struct err *e)
{
	struct device_note n = note_of(&c->login, false);
	enum sql_status st = SQL_OK;
	int due = token_due(t, c);

	if (c->counted)
		st = device_token_count(db, s->id, t->slot, c->count, &c->match, e);
	if (st != SQL_OK || !c->match)
		return st;
	if (t->slot == DEVICE_NEW)
		st = device_token_promote(db, s->id, e);
	if (st == SQL_OK && c->invalidate)
		st = device_tokens_expire(db, s->id, e);
	if (st == SQL_OK && !s->unchanged)
		st = device_note(db, &n, &c->login.device, e);
	if (st == SQL_OK && due >= 0)
		st = give_token(db, &c->login, s->account, due, e);
	return st;
}

/* Mostly there is nothing to write. */
static bool
has_news(const struct device_state *s, const struct device_token *t, const struct fast_claim *c)
{
	return c->counted || c->invalidate || t->slot != DEVICE_CURRENT || !s->unchanged || token_due(t, c) >= 0;
}

/* *t: the token that matches, NULL: none that may be used. */
static enum sql_status
look(struct sql *db, struct fast_claim *c, struct device_state *s, const struct device_token **t, struct err *e)
{
	enum sql_status st = device_find(db, c->login.bare, &c->login.agent, s, e);

	c->match = c->news = false;
	if (st != SQL_OK)
		return st;
	*t = find_match(s, c);
	c->match = may_use(s, *t, c);
	if (!c->match)
		return SQL_OK;
	c->login.device = s->id;
	c->news = has_news(s, *t, c);
	return SQL_OK;
}

enum sql_status
fast_check(struct sql *db, struct fast_claim *c, struct err *e)
{
	struct device_state s;
	const struct device_token *t;

	return look(db, c, &s, &t, e);
}

enum sql_status
fast_use(struct sql *db, struct fast_claim *c, struct err *e)
{
	struct device_state s;
	const struct device_token *t;
	enum sql_status st = look(db, c, &s, &t, e);

	if (st != SQL_OK || !c->news)
		return st;
	st = sql_begin(db, e);
	if (st == SQL_OK)
		st = end(db, use(db, &s, t, c, e), &c->login, e);
	if (st != SQL_OK)
		c->match = false;
	return st;
}
