/*
 * invite: the SQL of invitations (schema/0011_invite.sql). Those that have been over for a month go when new ones come.
 */
#include "store/invite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "store/roster_store.h"

#define OPEN "used < uses AND expires_at > now()"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

void
invite_token(char out[INVITE_TOKEN + 1])
{
	unsigned n = 0;

	while (n < INVITE_TOKEN) {
		uint8_t r[2 * INVITE_TOKEN];

		crypt_random(r, sizeof(r));
		/* Without a remainder, so that each letter is as likely as any other. */
		for (unsigned i = 0; i < sizeof(r) && n < INVITE_TOKEN; i++)
			if (r[i] < 4 * (sizeof(letters) - 1))
				out[n++] = letters[r[i] % (sizeof(letters) - 1)];
		crypt_wipe(r, sizeof(r));
	}
	out[n] = '\0';
}

bool
invite_is_token(const char *s)
{
	return strlen(s) == INVITE_TOKEN && strspn(s, letters) == INVITE_TOKEN;
}

static void
hash_of(const char *token, char out[INVITE_HASH])
{
	uint8_t h[SHA256_SIZE];

	crypt_sha256(token, strlen(token), h);
	text_hex(h, sizeof(h), out);
}

/* RFC 5122 §2.2: what a local part may hold and an address in a URI may not. */
static void
add_escaped(struct buf *out, const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$()*+,;=@";

	for (; *s; s++) {
		if (strchr(safe, *s))
			buf_add(out, s, 1);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

void
invite_uri(const struct invite *i, const char *token, struct buf *out)
{
	buf_adds(out, "xmpp:");
	if (i->befriends) {
		add_escaped(out, i->inviter);
		buf_addf(out, "?roster;preauth=%s%s", token, i->registers ? ";ibr=y" : "");
		return;
	}
	if (i->local) {
		add_escaped(out, i->local);
		buf_adds(out, "@");
	}
	add_escaped(out, i->domain);
	buf_addf(out, "?register;preauth=%s", token);
}

void
invite_landing(const char *page, const char *uri, struct buf *out)
{
	buf_addf(out, "%s%s", page, uri + strlen("xmpp:"));
}

/* The name is looked at again when somebody registers: two that come at once for it are settled there. */
enum sql_status
invite_add(struct sql *db, const char *token, uint64_t lifetime_ms, uint64_t most, struct invite *i, enum invite_added *how, struct err *e)
{
	char hash[INVITE_HASH], lifetime[24], max[24], uses[12];
	PGresult *r;
	enum sql_status st;

	hash_of(token, hash);
	snprintf(lifetime, sizeof(lifetime), "%" PRIu64, lifetime_ms);
	snprintf(max, sizeof(max), "%" PRIu64, most);
	snprintf(uses, sizeof(uses), "%u", i->uses);
	st = sql_query(db, e, &r,
		"WITH old AS (DELETE FROM chancery.invite WHERE expires_at < now() - interval '30 days'),"
		" ask AS (SELECT a.id AS inviter, $4::text IS NOT NULL AND (EXISTS (SELECT FROM chancery.account WHERE bare = $4 || '@' || $3)"
		"   OR EXISTS (SELECT FROM chancery.invite WHERE domain = $3 AND local = $4 AND " OPEN ")) AS taken,"
		"  $2::text IS NULL OR (a.id IS NOT NULL AND"
		"   (SELECT count(*) FROM chancery.invite WHERE inviter = a.id AND " OPEN ") < $10::bigint) AS room"
		"  FROM (SELECT) one LEFT JOIN chancery.account a ON a.bare = $2),"
		" new AS (INSERT INTO chancery.invite (hash, inviter, domain, local, registers, befriends, mutual, uses, expires_at)"
		"  SELECT $1, inviter, $3, $4, $5::boolean, $6::boolean, $7::boolean, $8::int, now() + $9::bigint * interval '1 millisecond'"
		"  FROM ask WHERE room AND NOT taken RETURNING id, expires_at)"
		" SELECT new.id, (extract(epoch FROM new.expires_at) * 1000000)::bigint, ask.taken FROM ask LEFT JOIN new ON true",
		10, hash, i->inviter, i->domain, i->local, i->registers ? "t" : "f", i->befriends ? "t" : "f", i->mutual ? "t" : "f",
		uses, lifetime, max);
	if (st != SQL_OK)
		return st;
	i->id = sql_i64(r, 0, 0);
	i->expires_us = sql_i64(r, 0, 1);
	*how = i->id ? INVITE_ADDED : sql_bool(r, 0, 2) ? INVITE_NAME_TAKEN : INVITE_FULL;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
invite_find(struct sql *db, struct arena *a, const char *token, struct invite *out, struct err *e)
{
	char hash[INVITE_HASH];
	PGresult *r;
	enum sql_status st;

	*out = (struct invite){ 0 };
	hash_of(token, hash);
	st = sql_query(db, e, &r,
		"SELECT i.id, a.bare, i.domain, i.local, i.registers, i.befriends, i.mutual,"
		" (extract(epoch FROM i.expires_at) * 1000000)::bigint FROM chancery.invite i"
		" LEFT JOIN chancery.account a ON a.id = i.inviter"
		" WHERE i.hash = $1 AND i." OPEN " AND (i.inviter IS NULL OR NOT a.disabled)",
		1, hash);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r)) {
		out->id = sql_i64(r, 0, 0);
		out->inviter = sql_is_null(r, 0, 1) ? NULL : arena_strdup(a, sql_text(r, 0, 1));
		out->domain = arena_strdup(a, sql_text(r, 0, 2));
		out->local = sql_is_null(r, 0, 3) ? NULL : arena_strdup(a, sql_text(r, 0, 3));
		out->registers = sql_bool(r, 0, 4);
		out->befriends = sql_bool(r, 0, 5);
		out->mutual = sql_bool(r, 0, 6);
		out->expires_us = sql_i64(r, 0, 7);
	}
	PQclear(r);
	return SQL_OK;
}

/* The name is reserved as long as the invitation is open (XEP-0401 §6.2). */
static enum sql_status
is_free(struct sql *db, const char *domain, const char *local, const char *hash, bool *ok, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT FROM chancery.invite WHERE domain = $1 AND local = $2 AND hash <> $3 AND " OPEN, 3, domain, local, hash);

	if (st != SQL_OK)
		return st;
	*ok = PQntuples(r) == 0;
	PQclear(r);
	return SQL_OK;
}

/* The new account has asked, and has approved what will be asked of it (RFC 6121 §3.4): the rest goes its usual way. */
static enum sql_status
befriend(struct sql *db, int64_t account, const char *inviter, struct err *e)
{
	const struct roster_row row = { .jid = inviter, .ask = true, .approved = true, .listed = true };

	return roster_store_put(db, account, &row, 1, e);
}

enum sql_status
invite_register(struct sql *db, struct arena *a, const char *token, const char *domain, const char *local, bool *ok,
	const char **inviter, struct err *e)
{
	char hash[INVITE_HASH] = "";
	PGresult *r;
	enum sql_status st;
	int64_t account;

	*ok = false;
	*inviter = NULL;
	if (token)
		hash_of(token, hash);
	st = is_free(db, domain, local, hash, ok, e);
	if (st != SQL_OK || !*ok || !token)
		return st;
	st = sql_query(db, e, &r,
		"WITH hit AS (UPDATE chancery.invite i SET used = used + 1 WHERE hash = $1 AND domain = $2 AND (local IS NULL OR local = $3)"
		"  AND registers AND used < uses AND (inviter IS NULL OR"
		"   EXISTS (SELECT FROM chancery.account b WHERE b.id = i.inviter AND NOT b.disabled)) RETURNING i.id, i.mutual, i.inviter),"
		" of AS (SELECT hit.id, CASE WHEN hit.mutual THEN a.bare END AS inviter FROM hit"
		"  LEFT JOIN chancery.account a ON a.id = hit.inviter),"
		" noted AS (INSERT INTO chancery.invite_use (invite, bare, due) SELECT id, $3 || '@' || $2, inviter IS NOT NULL FROM of"
		"  ON CONFLICT (invite, bare) DO UPDATE SET at = now(), due = excluded.due)"
		" SELECT inviter, (SELECT id FROM chancery.account WHERE bare = $3 || '@' || $2) FROM of",
		3, hash, domain, local);
	if (st != SQL_OK)
		return st;
	*ok = PQntuples(r) == 1;
	if (*ok && !sql_is_null(r, 0, 0))
		*inviter = arena_strdup(a, sql_text(r, 0, 0));
	account = *ok ? sql_i64(r, 0, 1) : 0;
	PQclear(r);
	return *inviter ? befriend(db, account, *inviter, e) : SQL_OK;
}

/* Whoever has registered by it comes once more, for the subscription; everybody else uses it by this. Twice is nobody served. */
enum sql_status
invite_redeem(struct sql *db, const char *token, const char *inviter, const char *contact, bool *ok, struct err *e)
{
	char hash[INVITE_HASH];
	PGresult *r;
	enum sql_status st;

	hash_of(token, hash);
	st = sql_query(db, e, &r,
		"WITH of AS (SELECT i.id FROM chancery.invite i JOIN chancery.account a ON a.id = i.inviter WHERE i.hash = $1 AND a.bare = $2),"
		" again AS (UPDATE chancery.invite_use u SET due = false FROM of WHERE u.invite = of.id AND u.bare = $3 AND u.due RETURNING of.id),"
		" first AS (UPDATE chancery.invite i SET used = used + 1 FROM of WHERE i.id = of.id AND i.befriends AND i." OPEN
		"  AND NOT EXISTS (SELECT FROM chancery.invite_use u WHERE u.invite = of.id AND u.bare = $3) RETURNING i.id),"
		" noted AS (INSERT INTO chancery.invite_use (invite, bare, due) SELECT id, $3, false FROM first)"
		" SELECT id FROM again UNION ALL SELECT id FROM first",
		3, hash, inviter, contact);
	if (st != SQL_OK)
		return st;
	*ok = PQntuples(r) > 0;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
invite_list(struct sql *db, unsigned limit, PGresult **out, struct err *e)
{
	char n[12];

	snprintf(n, sizeof(n), "%u", limit);
	return sql_query(db, e, out,
		"SELECT i.id, a.bare, CASE WHEN i.local IS NULL THEN i.domain ELSE i.local || '@' || i.domain END, i.registers, i.uses, i.used,"
		" (extract(epoch FROM i.created_at) * 1000000)::bigint, (extract(epoch FROM i.expires_at) * 1000000)::bigint,"
		" (SELECT string_agg(u.bare, ', ' ORDER BY u.at) FROM chancery.invite_use u WHERE u.invite = i.id)"
		" FROM chancery.invite i LEFT JOIN chancery.account a ON a.id = i.inviter ORDER BY i.id DESC LIMIT $1::bigint",
		1, n);
}

/* Ended, not forgotten: who used it stays to be seen. Whoever has its token accepted already is stopped, too. */
enum sql_status
invite_revoke(struct sql *db, struct arena *a, int64_t id, const char **address, struct err *e)
{
	char text[24];
	PGresult *r;
	enum sql_status st;

	*address = NULL;
	snprintf(text, sizeof(text), "%" PRId64, id);
	st = sql_query(db, e, &r,
		"WITH gone AS (UPDATE chancery.invite SET expires_at = now(), uses = used, registers = false, befriends = false"
		"  WHERE id = $1 AND " OPEN " RETURNING id, inviter, domain, local)"
		" SELECT coalesce(a.bare, CASE WHEN g.local IS NULL THEN g.domain ELSE g.local || '@' || g.domain END)"
		" FROM gone g LEFT JOIN chancery.account a ON a.id = g.inviter",
		1, text);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r))
		*address = arena_strdup(a, sql_text(r, 0, 0));
	PQclear(r);
	return SQL_OK;
}
