/*
 * verb_federation_test: what would happen between a partner and us, in words; and the key that its server shows, as a proposal.
 *
 * Neither trusts anything by itself: a test changes nothing, and a key that was seen is pinned when somebody has approved it.
 */
#include "admin/request/request.h"

#include <stdio.h>
#include <string.h>

#include "admin/federation/partner_entry.h"
#include "base/arena.h"
#include "base/clock.h"
#include "core/config/config.h"
#include "core/federation/probe.h"
#include "store/partner_store.h"

struct test {
	struct request *r;
	struct config *config;
	struct arena *arena;
	char domain[PARTNER_DOMAIN];
	struct probe_answer a;
};

static int
read_domain(struct test *t, const char *text)
{
	if (strncmp(text, "*.", 2) == 0)
		return err_set(&t->r->err, 0, "which of them? Name one domain");
	if (partner_entry_domain(text, t->domain, &t->r->err) != 0)
		return -1;
	return partner_entry_foreign(t->domain, &t->r->err);
}

static int
run(struct test *t, const char *text, bool stream)
{
	if (read_domain(t, text) != 0)
		return -1;
	if (!t->config->federation.on)
		return err_set(&t->r->err, 0, "this server talks to no other (federation.on is false)");
	if (probe_run(t->domain, stream, &t->r->server->stopping, t->arena, &t->a) != 0)
		return err_set(&t->r->err, 0, "the server is stopping");
	return 0;
}

static int
with_test(struct request *r, int (*fn)(struct test *t))
{
	struct test t = {.r = r, .config = config_get(), .arena = arena_new(0)};
	int rc = fn(&t);

	arena_free(t.arena);
	config_unref(t.config);
	return rc;
}

/* A row: what it is about, how it is, in words; takes `more` (may be NULL), which is added. */
static int
say(struct test *t, const char *step, bool ok, const char *text, json_t *more)
{
	json_t *row = json_pack("{s:s, s:b, s:s}", "step", step, "ok", (int)ok, "text", text);

	if (more != NULL)
		json_object_update(row, more);
	json_decref(more);
	return request_row(t->r, row);
}

/* What was seen */

static int
say_entry(struct test *t)
{
	static const char *const ways[] = {"", "in", "out", "in both directions"};
	const struct probe_answer *a = &t->a;

	if (!a->listed)
		return say(t, "entry", false, "no administrator has allowed this domain", NULL);
	return say(t, "entry", a->not_in == NULL || a->not_out == NULL, arena_printf(t->arena, "allowed %s", ways[a->direction & 3]),
		   json_pack("{s:o}", "pass", partner_entry_pass(a->pass)));
}

static int
say_found(struct test *t)
{
	const struct probe_answer *a = &t->a;

	if (!a->found)
		return say(t, "names", false, arena_printf(t->arena, "its server is not found: %s", a->find_why), NULL);
	return say(t, "names", true, a->by_srv ? "its servers are named by SRV records" : "it has no SRV records: the domain itself, port 5269", NULL);
}

static int
say_tries(struct test *t)
{
	int rc = 0;

	for (size_t i = 0; i < t->a.ntries && rc == 0; i++) {
		const struct probe_try *x = &t->a.tries[i];
		const char *where = arena_printf(t->arena, "%s, %s, %s", x->host, x->address, x->direct_tls ? "TLS at once" : "STARTTLS");

		rc = say(t, "connection", x->failed == NULL, arena_printf(t->arena, "%s: %s", where, x->failed != NULL ? x->failed : "good"),
			 json_pack("{s:s, s:s, s:b}", "host", x->host, "address", x->address, "direct_tls", (int)x->direct_tls));
	}
	return rc;
}

static json_t *
certificate(const struct test *t, const char *pin)
{
	const struct cert_answer *c = &t->a.cert;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:b}", "subject", c->subject, "issuer", c->issuer, "names", t->a.names,
			 "not_before", request_time(c->not_before * 1000000), "not_after", request_time(c->not_after * 1000000), "pin", pin,
			 "fingerprint", c->fingerprint, "verdict", cert_verdict_name(c->verdict), "revocation_known",
			 (int)c->revocation_known);
}

static int
say_certificate(struct test *t)
{
	const struct cert_answer *c = &t->a.cert;
	bool shown = *c->fingerprint != '\0', good = c->verdict == CERT_GOOD;
	char from[32], until[32], pin[64] = "";

	if (!t->a.secured)
		return 0;
	if (say(t, "tls", true, t->a.tls, NULL) != 0)
		return -1;
	if (!shown)
		return say(t, "certificate", false, "it shows no certificate", NULL);
	cert_pin_write(c->pin, pin);
	if (say(t, "certificate", good,
		arena_printf(t->arena, "%s, issued by %s, good from %.10s to %.10s, for %s; key %s", c->subject, c->issuer,
			     clock_format(c->not_before * 1000000, from), clock_format(c->not_after * 1000000, until), t->a.names, pin),
		certificate(t, pin)) != 0)
		return -1;
	if (good)
		return say(t, "judgement", true, c->revocation_known ? "the certificate is good, and not revoked"
			: "the certificate is good; whether it is revoked, nobody said", NULL);
	return say(t, "judgement", false, c->words, NULL);
}

/* What would happen */

/* Why nothing could be sent; NULL: it could. */
static const char *
not_out(const struct probe_answer *a)
{
	if (a->not_out != NULL)
		return a->not_out;
	if (!a->found)
		return "its server is not found";
	if (a->ntries == 0)
		return "its server has no address";
	if (a->works)
		return NULL;
	return a->tries[a->ntries - 1].failed;
}

/* Why nothing of theirs would be taken, as far as can be known from here. */
static const char *
not_in(const struct probe_answer *a)
{
	if (a->not_in != NULL)
		return a->not_in;
	if (!a->secured)
		return "nobody knows which certificate it has";
	return a->cert.verdict == CERT_GOOD ? NULL : a->cert.words;
}

/* What the entry leaves out is not a fault. */
static bool
would_work(const struct probe_answer *a)
{
	bool in = not_in(a) == NULL, out = not_out(a) == NULL;

	if ((a->direction & PARTNER_BOTH) == PARTNER_BOTH)
		return in && out;
	return a->direction == PARTNER_IN ? in : a->direction == PARTNER_OUT && out;
}

static int
say_outcome(struct test *t)
{
	const struct probe_answer *a = &t->a;
	const char *out = not_out(a), *in = not_in(a), *some = a->for_some ? " (of those whom its entry names)" : "";
	const char *text;

	if (out == NULL)
		text = arena_printf(t->arena, "Messages to %s would be sent%s%s.", t->domain, some,
				    a->let_in ? ", and its server lets us in" : "");
	else
		text = arena_printf(t->arena, "Messages to %s would be refused, because %s.", t->domain, out);
	if (say(t, "out", out == NULL, text, NULL) != 0)
		return -1;
	if (in == NULL)
		text = arena_printf(t->arena, "Messages from %s would be taken%s, from whoever shows this certificate.", t->domain, some);
	else
		text = arena_printf(t->arena, "Messages from %s would be refused, because %s.", t->domain, in);
	return say(t, "in", in == NULL, text, json_pack("{s:b}", "works", (int)would_work(a)));
}

static int
test(struct test *t)
{
	const char *text;

	if (request_args(t->r, "{s:s}", "domain", &text) != 0 || run(t, text, true) != 0)
		return -1;
	if (say_entry(t) != 0 || say_found(t) != 0 || say_tries(t) != 0 || say_certificate(t) != 0)
		return -1;
	return say_outcome(t);
}

static int
federation_test(struct request *r)
{
	return with_test(r, test);
}

/* pin */

static json_t *
entry_of(struct test *t)
{
	const char *text;

	if (partner_store_get(t->r->db, t->arena, t->domain, &text, &t->r->err) != SQL_OK)
		return NULL;
	return text != NULL ? json_loads(text, 0, NULL) : json_null();
}

/* The keys that are pinned already stay, so that they can be taken out when the new one is in use. */
static json_t *
pins_with(const json_t *was, const char *pin, bool *known)
{
	const json_t *old = json_object_get(was, "pins"), *item;
	json_t *out = json_array();
	size_t i;

	json_array_foreach(old, i, item) {
		*known |= strcmp(json_string_value(item), pin) == 0;
		json_array_append(out, (json_t *)(uintptr_t)item);
	}
	if (!*known)
		json_array_append_new(out, json_string(pin));
	return out;
}

/* Commits. NULL: failed. */
static json_t *
propose(struct test *t, const json_t *entry, const char *pin)
{
	struct request *r = t->r;
	char *text = json_dumps(entry, JSON_COMPACT);
	int64_t id = 0;
	enum sql_status st =
		partner_store_propose(r->db, text, audit_person(r->who), r->who->name, t->config->limits.partner_proposals, &id, &r->err);
	json_t *detail, *row;

	request_text_free(text);
	if (st != SQL_OK)
		return NULL;
	if (id == 0) {
		err_set(&r->err, 0, "too many changes are waiting (limits.partner_proposals)");
		return NULL;
	}
	detail = partner_entry_brief(entry);
	json_object_set_new(detail, "proposal", json_integer(id));
	st = audit_write(r->db, r->who, "federation.pin", t->domain, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return NULL;
	audit_log(r->who, "federation.pin", t->domain);
	row = certificate(t, pin);
	json_object_update_new(row, json_pack("{s:s, s:b, s:I}", "domain", t->domain, "known", 0, "proposal", (json_int_t)id));
	return row;
}

static json_t *
pin_key(struct test *t, json_t *was, const char *owner, const char *reason)
{
	char pin[64], day[32];
	bool known = false;
	json_t *args, *entry, *row;

	cert_pin_write(t->a.cert.pin, pin);
	args = json_pack("{s:s, s:o, s:s*, s:s}", "trust", "pins", "pins", pins_with(was, pin, &known), "owner",
			 owner != NULL || json_is_object(was) ? owner : t->r->who->name, "reason",
			 reason != NULL ? reason : arena_printf(t->arena, "its server showed this key on %.10s", clock_format(clock_wall_us(), day)));
	if (known) {
		json_decref(args);
		row = certificate(t, pin);
		json_object_update_new(row, json_pack("{s:s, s:b}", "domain", t->domain, "known", 1));
		return row;
	}
	entry = partner_entry_merge(t->config, t->domain, json_is_object(was) ? was : NULL, args, &t->r->err);
	json_decref(args);
	row = entry != NULL ? propose(t, entry, pin) : NULL;
	json_decref(entry);
	return row;
}

/* What is added to has to be the entry as it is: from here on nobody changes it, until the proposal is there. */
static json_t *
pin_locked(struct test *t, const char *owner, const char *reason)
{
	struct request *r = t->r;
	json_t *was = NULL, *row = NULL;

	if (sql_begin(r->db, &r->err) == SQL_OK && partner_store_lock(r->db, &r->err) == SQL_OK && (was = entry_of(t)) != NULL)
		row = pin_key(t, was, owner, reason);
	sql_rollback(r->db); /* unless it has been committed */
	json_decref(was);
	return row;
}

static int
pin(struct test *t)
{
	const char *text, *owner = NULL, *reason = NULL;
	json_t *row;

	if (request_args(t->r, "{s:s, s?s, s?s}", "domain", &text, "owner", &owner, "reason", &reason) != 0 || request_db(t->r) != 0 ||
	    run(t, text, false) != 0)
		return -1;
	if (!t->a.secured || *t->a.cert.fingerprint == '\0')
		return err_set(&t->r->err, 0, "no certificate was seen: %s", !t->a.found ? t->a.find_why
			: t->a.ntries > 0 && t->a.tries[t->a.ntries - 1].failed != NULL ? t->a.tries[t->a.ntries - 1].failed : "it shows none");
	row = pin_locked(t, owner, reason);
	return row != NULL ? request_row(t->r, row) : -1;
}

static int
federation_pin(struct request *r)
{
	return with_test(r, pin);
}

const struct request_verb request_federation_test_verbs[] = {
	{"federation", "test", federation_test, .about = "Tries a domain, and says what would happen", .args = "domain:string"},
	{"federation", "pin", federation_pin, .about = "Proposes to pin the key that its server shows now",
	 .args = "domain:string owner:string? reason:string?"},
	{.noun = NULL},
};
