/*
 * verb_invite: invitations by administrators: to register an account (XEP-0401 §5.4). Each change and its audit row are one
 * transaction. The token is told to whoever asked, and never again.
 */
#include "admin/request/request.h"

#include <string.h>

#include "admin/account/account_name.h"
#include "admin/request/rows.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crypt.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/invite.h"
#include "xmpp/jid.h"

#define LIST_MAX 1000

/* What is to be made, from the arguments. */
struct making {
	struct config *config;
	struct arena *arena;
	struct invite invite;
	char token[INVITE_TOKEN + 1];
};

static int
read_address(struct request *r, struct making *m, const char *text)
{
	struct jid *j;

	if (text == NULL)
		text = m->config->hosts[0].domain;
	if (strchr(text, '@') != NULL) {
		j = account_name_parse(m->config, text, &r->err);
		if (j == NULL)
			return -1;
		m->invite.local = arena_strdup(m->arena, jid_local(j));
		m->invite.domain = arena_strdup(m->arena, jid_domain(j));
		jid_unref(j);
		return 0;
	}
	for (size_t i = 0; i < m->config->nhosts; i++)
		if (strcmp(m->config->hosts[i].domain, text) == 0)
			m->invite.domain = m->config->hosts[i].domain;
	return m->invite.domain != NULL ? 0 : err_set(&r->err, 0, "%s is not a domain of this server", text);
}

static int
read_inviter(struct request *r, struct making *m, const char *text)
{
	struct jid *j = account_name_parse(m->config, text, &r->err);

	if (j == NULL)
		return -1;
	m->invite.inviter = arena_strdup(m->arena, jid_bare(j));
	jid_unref(j);
	return 0;
}

static int
read_making(struct request *r, struct making *m)
{
	const char *jid = NULL, *inviter = NULL, *contact = "no", *uses = "1";
	uint64_t n;

	if (request_args(r, "{s?s, s?s, s?s, s?s}", "jid", &jid, "inviter", &inviter, "contact", &contact, "uses", &uses) != 0)
		return -1;
	if (!m->config->modules.invite.on)
		return err_set(&r->err, 0, "there are no invitations here (invite.on)");
	if (!text_u64(uses, strlen(uses), 1, m->config->limits.invitation_uses, &n))
		return err_set(&r->err, 0, "the number of uses is from 1 to %llu (limits.invitation_uses)",
			       (unsigned long long)m->config->limits.invitation_uses);
	if (read_address(r, m, jid) != 0 || (inviter != NULL && read_inviter(r, m, inviter) != 0))
		return -1;
	if (m->invite.local != NULL && n > 1)
		return err_set(&r->err, 0, "a name is registered once");
	m->invite.registers = true;
	m->invite.mutual = inviter != NULL && strcmp(contact, "yes") == 0;
	m->invite.uses = (unsigned)n;
	invite_token(m->token);
	return 0;
}

static const char *
address_of(const struct making *m)
{
	const struct invite *i = &m->invite;

	return i->local != NULL ? arena_printf(m->arena, "%s@%s", i->local, i->domain) : i->domain;
}

static enum sql_status
add(struct request *r, struct making *m, enum invite_added *how)
{
	json_t *detail;
	enum sql_status st = sql_begin(r->db, &r->err);

	if (st == SQL_OK)
		st = invite_add(r->db, m->token, m->config->modules.invite.lifetime_ms, m->config->limits.invitations_open, &m->invite,
				how, &r->err);
	if (st != SQL_OK || *how != INVITE_ADDED) {
		sql_rollback(r->db);
		return st;
	}
	detail = json_pack("{s:I, s:i, s:b}", "invitation", (json_int_t)m->invite.id, "uses", (int)m->invite.uses, "contact",
			   (int)m->invite.mutual);
	st = audit_write(r->db, r->who, "invite.create", address_of(m), detail, &r->err);
	json_decref(detail);
	if (st == SQL_OK)
		return sql_commit(r->db, &r->err);
	sql_rollback(r->db);
	return st;
}

static int
show(struct request *r, struct making *m)
{
	const char *page = m->config->modules.invite.page;
	struct buf uri = {0}, landing = {0};
	int rc;

	invite_uri(&m->invite, m->token, &uri);
	if (page[0] != '\0')
		invite_landing(page, buf_str(&uri), &landing);
	rc = request_row(r, json_pack("{s:I, s:s, s:s, s:s*, s:o}", "id", (json_int_t)m->invite.id, "address", address_of(m), "uri",
				      buf_str(&uri), "page", page[0] != '\0' ? buf_str(&landing) : NULL, "expires",
				      request_time(m->invite.expires_us)));
	buf_fini(&uri);
	buf_fini(&landing);
	return rc;
}

static int
create(struct request *r, struct making *m)
{
	enum invite_added how = INVITE_FULL;

	if (read_making(r, m) != 0 || request_db(r) != 0 || add(r, m, &how) != SQL_OK)
		return -1;
	if (how == INVITE_NAME_TAKEN)
		return err_set(&r->err, 0, "%s is taken, or reserved by another invitation", address_of(m));
	if (how == INVITE_FULL)
		return err_set(&r->err, 0, "too many invitations of %s are open (limits.invitations_open)", m->invite.inviter);
	audit_log(r->who, "invite.create", address_of(m));
	return show(r, m);
}

static int
invite_verb_create(struct request *r)
{
	struct making m = {.config = config_get(), .arena = arena_new(0)};
	int rc = create(r, &m);

	crypt_wipe(m.token, sizeof m.token);
	arena_free(m.arena);
	config_unref(m.config);
	return rc;
}

static json_t *
invitation_row(const PGresult *rows, int i)
{
	json_int_t uses = sql_i64(rows, i, 4), used = sql_i64(rows, i, 5);

	return json_pack("{s:I, s:s?, s:s, s:s, s:I, s:I, s:o, s:o, s:s?}", "id", (json_int_t)sql_i64(rows, i, 0), "inviter",
			 sql_is_null(rows, i, 1) ? NULL : sql_text(rows, i, 1), "address", sql_text(rows, i, 2), "for",
			 sql_bool(rows, i, 3) ? "account" : "contact", "uses", uses, "used", used, "created",
			 request_time(sql_i64(rows, i, 6)), "expires", request_time(sql_i64(rows, i, 7)), "by",
			 sql_is_null(rows, i, 8) ? NULL : sql_text(rows, i, 8));
}

static int
invite_verb_list(struct request *r)
{
	PGresult *rows;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 || invite_list(r->db, LIST_MAX, &rows, &r->err) != SQL_OK)
		return -1;
	return rows_give(r, rows, invitation_row);
}

static int
revoke(struct request *r, struct arena *a, int64_t id)
{
	json_t *detail = json_pack("{s:I}", "invitation", (json_int_t)id);
	const char *address = NULL;
	enum sql_status st = sql_begin(r->db, &r->err);

	if (st == SQL_OK)
		st = invite_revoke(r->db, a, id, &address, &r->err);
	if (st == SQL_OK && address != NULL)
		st = audit_write(r->db, r->who, "invite.revoke", address, detail, &r->err);
	json_decref(detail);
	if (st == SQL_OK && address != NULL)
		st = sql_commit(r->db, &r->err);
	else
		sql_rollback(r->db);
	if (st != SQL_OK)
		return -1;
	if (address == NULL)
		return err_set(&r->err, 0, "there is no open invitation %lld", (long long)id);
	audit_log(r->who, "invite.revoke", address);
	return request_row(r, json_pack("{s:I, s:s}", "id", (json_int_t)id, "address", address));
}

static int
invite_verb_revoke(struct request *r)
{
	struct arena *a;
	json_int_t id;
	int rc;

	if (request_args(r, "{s:I}", "id", &id) != 0 || request_db(r) != 0)
		return -1;
	a = arena_new(0);
	rc = revoke(r, a, id);
	arena_free(a);
	return rc;
}

const struct request_verb request_invite_verbs[] = {
	{"invite", "create", invite_verb_create, .about = "Makes a link by which an account is registered",
	 .args = "jid:string? inviter:string? contact:string? uses:string?"},
	{"invite", "list", invite_verb_list, .about = "Lists invitations, those of users too, and who used them"},
	{"invite", "revoke", invite_verb_revoke, .about = "Ends an invitation", .args = "id:integer"},
	{.noun = NULL},
};
