/*
 * verb_federation: what changes partners: allow, deny, and the rule of two persons. Each change is one transaction with its history and its audit
 * row; then every reactor has it, before the command returns.
 *
 * Under federation.two_persons an entry waits as a proposal until another administrator approves it. What takes away acts at once: deny.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/federation/partner_entry.h"
#include "admin/request/change.h"
#include "admin/request/request.h"
#include "base/arena.h"
#include "base/text.h"
#include "core/config/config.h"
#include "core/federation/partner.h"
#include "store/partner_store.h"

/* A change under way. */
struct change {
	struct request *r;
	struct config *config;
	struct arena *arena;
	char domain[PARTNER_DOMAIN];
	const char *who; /* for the history */
	json_t *row;     /* what the caller is told; NULL: nothing yet */
	const char *action;
};

static int
with_change(struct request *r, int (*run)(struct change *c))
{
	struct change c = {.r = r, .config = config_get(), .arena = arena_new(0)};
	int rc;

	if (r->who->uid >= 0 && r->who->login >= 0 && r->who->login != r->who->uid)
		c.who = arena_printf(c.arena, "%s (uid %ld, logged in as uid %ld)", r->who->name, r->who->uid, r->who->login);
	else if (r->who->uid >= 0)
		c.who = arena_printf(c.arena, "%s (uid %ld)", r->who->name, r->who->uid);
	else
		c.who = r->who->name;
	rc = run(&c);
	if (rc != 0)
		sql_rollback(r->db);
	if (c.row != NULL && rc == 0)
		rc = request_row(r, c.row);
	else
		json_decref(c.row);
	arena_free(c.arena);
	config_unref(c.config);
	return rc;
}

static int
begin(struct change *c)
{
	return change_begin(c->r, partner_store_lock);
}

/* Takes `detail`. */
static int
commit(struct change *c, json_t *detail)
{
	return change_commit(c->r, c->action, c->domain, detail);
}

/* It is committed: whatever comes now, that stays. */
static int
put_in_force(struct change *c)
{
	if (partner_load(&c->r->err) == 0)
		return 0;
	return err_prefix(&c->r->err, "the change is stored, but not in force yet (repeat the command)");
}

static int
read_domain(struct change *c, const json_t *args)
{
	const char *text = json_string_value(json_object_get(args, "domain"));

	if (text == NULL)
		return err_set(&c->r->err, 0, "wrong arguments: domain");
	return partner_entry_domain(text, c->domain, &c->r->err);
}

/* allow */

static int
read_entry(struct change *c, json_t **was)
{
	struct request *r = c->r;
	const char *text;

	*was = NULL;
	if (partner_store_get(r->db, c->arena, c->domain, &text, &r->err) != SQL_OK)
		return -1;
	if (text != NULL)
		*was = json_loads(text, 0, NULL);
	return 0;
}

static int
put(struct change *c, const json_t *entry, int64_t proposal)
{
	struct request *r = c->r;
	uint64_t most = c->config->limits.partners;
	char *text = json_dumps(entry, JSON_COMPACT);
	bool full = false;
	enum sql_status st = partner_store_put(r->db, text, c->who, proposal, most, &full, &r->err);

	request_text_free(text);
	if (st != SQL_OK)
		return -1;
	return full ? err_set(&r->err, 0, "there are %" PRIu64 " partners already (limits.partners)", most) : 0;
}

static int
allow_now(struct change *c, const json_t *entry, int64_t proposal)
{
	json_t *detail;

	if (put(c, entry, proposal) != 0)
		return -1;
	if (proposal == 0 && partner_store_close_of(c->r->db, c->domain, c->who, &c->r->err) != SQL_OK)
		return -1;
	detail = partner_entry_brief(entry);
	if (proposal != 0)
		json_object_set_new(detail, "proposal", json_integer(proposal));
	if (commit(c, detail) != 0)
		return -1;
	c->row = partner_entry_show(c->config, entry);
	return put_in_force(c);
}

static int
propose(struct change *c, const json_t *entry)
{
	struct request *r = c->r;
	uint64_t most = c->config->limits.partner_proposals;
	char *text = json_dumps(entry, JSON_COMPACT);
	int64_t id = 0;
	enum sql_status st = partner_store_propose(r->db, text, audit_person(r->who), r->who->name, most, &id, &r->err);
	json_t *detail;

	request_text_free(text);
	if (st != SQL_OK)
		return -1;
	if (id == 0)
		return err_set(&r->err, 0, "%" PRIu64 " changes are waiting already (limits.partner_proposals)", most);
	detail = partner_entry_brief(entry);
	json_object_set_new(detail, "proposal", json_integer(id));
	c->action = "federation.propose";
	if (commit(c, detail) != 0)
		return -1;
	c->row = partner_entry_show(c->config, entry);
	return json_object_set_new(c->row, "proposal", json_integer(id));
}

static int
allow(struct change *c)
{
	struct request *r = c->r;
	json_t *was = NULL, *entry;
	int rc;

	c->action = "federation.allow";
	if (read_domain(c, r->args) != 0 || partner_entry_foreign(c->domain, &r->err) != 0 || begin(c) != 0 || read_entry(c, &was) != 0)
		return -1;
	entry = partner_entry_merge(c->config, c->domain, was, r->args, &r->err);
	json_decref(was);
	if (entry == NULL)
		return -1;
	rc = c->config->federation.two_persons ? propose(c, entry) : allow_now(c, entry, 0);
	json_decref(entry);
	return rc;
}

static int
federation_allow(struct request *r)
{
	return with_change(r, allow);
}

/* deny */

/* Without the entry a wider one would hold: that is no taking away. */
static int
check_uncovered(struct change *c)
{
	struct request *r = c->r;
	const char *name = strncmp(c->domain, "*.", 2) == 0 ? c->domain + 2 : c->domain, *text, *wide;

	for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		wide = arena_printf(c->arena, "*.%s", dot + 1);
		if (partner_store_get(r->db, c->arena, wide, &text, &r->err) != SQL_OK)
			return -1;
		if (text != NULL)
			return err_set(&r->err, 0, "%.150s would be allowed by %.150s: deny that first, or change this entry", c->domain, wide);
	}
	return 0;
}

static int
deny(struct change *c)
{
	struct request *r = c->r;
	const char *text, *reason;
	bool found = false;

	c->action = "federation.deny";
	if (request_args(r, "{s:s, s:s}", "domain", &text, "reason", &reason) != 0 || read_domain(c, r->args) != 0 || begin(c) != 0)
		return -1;
	if (!text_is_line(reason, 500))
		return err_set(&r->err, 0, "a reason is needed (--reason), on one line: it is kept with the change");
	if (check_uncovered(c) != 0)
		return -1;
	if (partner_store_remove(r->db, c->domain, c->who, reason, &found, &r->err) != SQL_OK)
		return -1;
	if (!found)
		return err_set(&r->err, 0, "there is no entry for %.200s", c->domain);
	if (partner_store_close_of(r->db, c->domain, c->who, &r->err) != SQL_OK || commit(c, json_pack("{s:s}", "reason", reason)) != 0)
		return -1;
	c->row = json_pack("{s:s}", "domain", c->domain);
	return put_in_force(c);
}

static int
federation_deny(struct request *r)
{
	return with_change(r, deny);
}

/* Two persons */

static int
read_proposal(struct change *c, struct partner_proposal *p)
{
	struct request *r = c->r;
	json_int_t id;

	if (request_args(r, "{s:I}", "id", &id) != 0 || begin(c) != 0 || partner_store_proposal(r->db, c->arena, id, p, &r->err) != SQL_OK)
		return -1;
	if (p->id == 0)
		return err_set(&r->err, 0, "no change %lld is waiting", (long long)id);
	snprintf(c->domain, sizeof c->domain, "%s", p->domain);
	return 0;
}

static int
approve(struct change *c)
{
	struct request *r = c->r;
	struct partner_proposal p;
	json_t *entry;
	int rc;

	c->action = "federation.approve";
	if (read_proposal(c, &p) != 0)
		return -1;
	if (c->config->federation.two_persons && audit_person_known(r->who, &r->err) != 0)
		return -1;
	if (c->config->federation.two_persons && audit_is_person(r->who, p.by_uid, p.by_name))
		return err_set(&r->err, 0, "%s has proposed it, which is you: another administrator has to approve it (federation.two_persons)", p.by_name);
	if (partner_entry_foreign(c->domain, &r->err) != 0)
		return -1;
	if (!p.current)
		return err_set(&r->err, 0, "the entry of %.200s has been changed since: propose it again", c->domain);
	if (partner_store_close(r->db, p.id, r->who->name, true, &r->err) != SQL_OK)
		return -1;
	c->who = arena_printf(c->arena, "%s, proposed by %s", c->who, p.by_name);
	entry = json_loads(p.entry, 0, NULL);
	rc = allow_now(c, entry, p.id);
	json_decref(entry);
	return rc;
}

static int
federation_approve(struct request *r)
{
	return with_change(r, approve);
}

static int
withdraw(struct change *c)
{
	struct request *r = c->r;
	struct partner_proposal p;

	c->action = "federation.withdraw";
	if (read_proposal(c, &p) != 0 || partner_store_close(r->db, p.id, r->who->name, false, &r->err) != SQL_OK ||
	    commit(c, json_pack("{s:I, s:s}", "proposal", (json_int_t)p.id, "by", p.by_name)) != 0)
		return -1;
	c->row = json_pack("{s:I, s:s}", "id", (json_int_t)p.id, "domain", c->domain);
	return 0;
}

static int
federation_withdraw(struct request *r)
{
	return with_change(r, withdraw);
}

const struct request_verb request_federation_verbs[] = {
	{"federation", "allow", federation_allow, .about = "Allows a partner, or changes what it may",
	 .args = "domain:string owner:string? reason:string expires:string? direction:string? trust:string? ca:string? pins:string[]?"
		 " dialback:boolean? pass:any? who:string[]? per_minute:integer? user_per_minute:integer? hours:string? force:boolean?"},
	{"federation", "deny", federation_deny, .about = "Takes a partner away, at once", .args = "domain:string reason:string"},
	{"federation", "approve", federation_approve, .about = "Puts such a change into force", .args = "id:integer"},
	{"federation", "withdraw", federation_withdraw, .about = "Drops such a change", .args = "id:integer"},
	{.noun = NULL},
};
