/*
 * peer_record: one record for a stream, and one for each batch that goes over another stream than it was recorded for.
 *
 * The entry and its texts belong to the archive writer until its mail is back: a cancelled one frees itself then.
 */
#include "core/federation/peer_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/federation/s2s_priv.h"
#include "net/cert.h"
#include "net/conn.h"
#include "net/tls.h"
#include "store/record.h"
#include "xmpp/serialize.h"

#define IDS_EACH 10000 /* in one RECORD_PASSED */
/* For records that are written anyway: hundreds of partners who come back would cost two commits each, which messages between others wait for. */
#define COMPANY_MS 20

struct peer_record {
	struct record_entry rec;
	struct s2s *s;           /* NULL: nobody waits for it */
	peer_record_fn fn;
	void *owner;
	struct jid *local, *remote;
	char *stanza, *body;
	uint64_t *ids;           /* RECORD_PASSED */
	size_t n, done;
};

static void
free_record(struct peer_record *r)
{
	jid_unref(r->local);
	jid_unref(r->remote);
	free(r->stanza);
	free(r->body);
	free(r->ids);
	free(r);
}

/* What a certificate says of itself may be anything; the record takes text. */
static void
add_value(struct buf *out, const char *name, const char *value)
{
	size_t n = strlen(value);
	char *clean = mem_strndup(value, n);
	bool utf8 = text_is_utf8(value, n);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)clean[i] < ' ' || clean[i] == 0x7f || (!utf8 && (unsigned char)clean[i] > 0x7f))
			clean[i] = '?';
	buf_addf(out, " %s='", name);
	serialize_attr(out, clean, n);
	buf_addc(out, '\'');
	free(clean);
}

static void
add_certificate(struct buf *out, const struct cert_answer *a)
{
	char pin[64], stamp[32];

	buf_adds(out, "<certificate");
	add_value(out, "verdict", cert_verdict_name(a->verdict));
	if (a->fingerprint[0]) {
		cert_pin_write(a->pin, pin);
		add_value(out, "sha256", a->fingerprint);
		add_value(out, "pin", pin);
		add_value(out, "subject", a->subject);
		add_value(out, "issuer", a->issuer);
		add_value(out, "not-before", clock_format(a->not_before * 1000000, stamp));
		add_value(out, "not-after", clock_format(a->not_after * 1000000, stamp));
		add_value(out, "revocation", a->revocation_known ? "checked" : "unknown");
	}
	buf_adds(out, "/>");
}

static char *
describe(const struct s2s *s)
{
	struct buf b = { 0 };
	char tls[96];

	buf_adds(&b, "<peer xmlns='urn:chancery:peer:0'");
	add_value(&b, "domain", jid_domain(s->remote));
	add_value(&b, "local", jid_domain(s->local));
	add_value(&b, "direction", s->bidi ? "both" : s->initiator ? "out" : "in");
	add_value(&b, "made-by", s->initiator ? "us" : "peer");
	add_value(&b, "how", s->how ? s->how : "");
	if (conn_is_secure(s->conn))
		add_value(&b, "tls", tls_describe(conn_ssl(s->conn), tls));
	add_value(&b, "address", conn_address(s->conn));
	buf_addc(&b, '>');
	if (s->cert)
		add_certificate(&b, s->cert);
	buf_adds(&b, "</peer>");
	buf_str(&b);
	return b.data; /* nothing was consumed */
}

static char *
in_words(const struct s2s *s)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s at %s was authenticated by %s", jid_domain(s->remote), conn_address(s->conn), s->how ? s->how : "nothing");
	if (s->cert && s->cert->fingerprint[0])
		buf_addf(&b, ", certificate %s", s->cert->fingerprint);
	buf_str(&b);
	return b.data;
}

static struct peer_record *
new_record(struct s2s *s, peer_record_fn fn, void *owner, enum record_kind kind, void (*run)(struct mail *m))
{
	struct peer_record *r = NEW(struct peer_record);

	r->s = s;
	r->fn = fn;
	r->owner = owner;
	r->local = jid_ref(s->local);
	r->remote = jid_ref(s->remote);
	r->rec.mail.run = run;
	r->rec.home = reactor_current();
	r->rec.kind = kind;
	r->rec.may_wait_ms = COMPANY_MS;
	return r;
}

/* True: committed, and somebody is waiting. Else it has ended. */
static bool
goes_on(struct peer_record *r)
{
	bool ok = r->rec.outcome == RECORD_COMMITTED;

	if (r->s && ok)
		return true;
	if (r->s)
		r->fn(r->owner, false);
	free_record(r);
	return false;
}

static void
peer_recorded(struct mail *m)
{
	struct peer_record *r = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct peer_record, rec);

	if (!goes_on(r))
		return;
	r->s->peer_record = r->rec.id;
	r->fn(r->owner, true);
	free_record(r);
}

struct peer_record *
peer_record_new(struct s2s *s, peer_record_fn fn, void *owner)
{
	struct peer_record *r = new_record(s, fn, owner, RECORD_PEER, peer_recorded);

	r->stanza = describe(s);
	r->body = in_words(s);
	r->rec.direction = s->initiator ? RECORD_OUT : RECORD_IN;
	r->rec.from_bare = jid_bare(r->remote);
	r->rec.from_key = jid_hash(r->remote);
	r->rec.to_bare = jid_bare(r->local);
	r->rec.to_key = jid_hash(r->local);
	r->rec.stanza = r->stanza;
	r->rec.stanza_len = strlen(r->stanza);
	r->rec.body = r->body;
	record_submit(&r->rec);
	return r;
}

/* The next ids. */
static void
submit_passed(struct peer_record *r)
{
	struct buf b = { 0 };
	size_t end = r->n - r->done > IDS_EACH ? r->done + IDS_EACH : r->n;

	for (; r->done < end; r->done++) {
		if (buf_len(&b))
			buf_addc(&b, ' ');
		buf_addu(&b, r->ids[r->done]);
	}
	buf_str(&b);
	free(r->body);
	r->body = b.data;
	r->rec.body = r->body;
	r->rec.accepted_ms = clock_mono_ms();
	record_submit(&r->rec);
}

static void
passed_recorded(struct mail *m)
{
	struct peer_record *r = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct peer_record, rec);

	if (!goes_on(r))
		return;
	if (r->done < r->n) {
		submit_passed(r);
		return;
	}
	r->fn(r->owner, true);
	free_record(r);
}

struct peer_record *
peer_record_passed(struct s2s *s, const uint64_t *ids, size_t n, peer_record_fn fn, void *owner)
{
	struct peer_record *r = new_record(s, fn, owner, RECORD_PASSED, passed_recorded);

	r->ids = mem_alloc((n ? n : 1) * sizeof(*ids));
	if (n)
		memcpy(r->ids, ids, n * sizeof(*ids));
	r->n = n;
	r->rec.direction = RECORD_OUT;
	r->rec.about = s->peer_record;
	r->rec.from_bare = jid_bare(r->local);
	r->rec.from_key = jid_hash(r->local);
	r->rec.to_bare = jid_bare(r->remote);
	r->rec.to_key = jid_hash(r->remote);
	submit_passed(r);
	return r;
}

void
peer_record_cancel(struct peer_record *r)
{
	if (r)
		r->s = NULL;
}
