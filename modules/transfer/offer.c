/*
 * offer: see offer.h.
 */
#include "offer.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "module_service.h"
#include "proxy.h"
#include "xmpp/ns.h"

#define NS_FEATURE_NEG "http://jabber.org/protocol/feature-neg"

/* What all offers have in common */

bool
offer_is_ours(const struct hook *h, enum side from)
{
	return from == PEER || !module_is_local(h->to);
}

enum hook_verdict
offer_goes_on(struct hook *h, enum side from, struct stanza *st)
{
	struct session *s;

	if (from == OWN) {
		hook_replace(h, st);
		return HOOK_NEXT;
	}
	s = module_session(h, h->to);
	if (!s || module_session_is_over(s)) {
		stanza_unref(st);
		return HOOK_NEXT;
	}
	module_session_give(s, st, 0);
	return HOOK_HANDLED;
}

bool
offer_is_allowed(struct hook *h, enum side from, bool sends, uint64_t size, const char *type, const char **text, bool *closed)
{
	const struct jid *sender = sends ? h->from : h->to, *to = sends ? h->to : h->from;
	const char *groups;
	enum judge_verdict v;

	*closed = false;
	/* The sender's home knows their groups, and has asked already. */
	if (from == PEER && module_is_local(h->from))
		return true;
	groups = from == OWN && sends ? module_account_groups(h) : module_is_local(sender) ? NULL : "";
	v = judge_ahead(h->arena, sender, groups, to, size, type, text);
	if (v == JUDGE_PASS)
		return true;
	*closed = v == JUDGE_CLOSED;
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	log_info(NULL, "transfer-refused", "from=%s to=%s why=policy", jid_full(h->from), jid_full(h->to));
	return false;
}

void
announced_fini(struct announced *a)
{
	digest_sum_end(a->sum, NULL);
	free(a->name);
	free(a->type);
	free(a->algorithm);
	free(a->jingle);
	free(a->content);
	*a = (struct announced){ 0 };
}

static char *
copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

void
announced_copy(struct announced *to, const struct announced *a)
{
	announced_fini(to);
	*to = *a;
	to->name = copy(a->name);
	to->type = copy(a->type);
	to->algorithm = copy(a->algorithm);
	to->jingle = copy(a->jingle);
	to->content = copy(a->content);
	to->sum = to->algorithm ? digest_sum_new(to->algorithm) : NULL;
}

void
announced_hash(struct announced *a, const char *algorithm, const void *hash, size_t n)
{
	size_t size = digest_sum_size(algorithm);

	if (!size || n > size || (n && n != size))
		return;
	if (a->algorithm && (strcmp(a->algorithm, algorithm) || a->hash_size))
		return;
	if (!a->algorithm) {
		a->algorithm = mem_strdup(algorithm);
		a->sum = digest_sum_new(algorithm);
	}
	memcpy(a->hash, hash, n);
	a->hash_size = n;
}

/* Stream Initiation */

static struct elem *
methods_of(const struct elem *si)
{
	const struct elem *feature = elem_child(si, NS_FEATURE_NEG, "feature");
	const struct elem *x = feature ? elem_child(feature, NS_DATA, "x") : NULL;

	for (struct elem *f = x ? elem_child(x, NS_DATA, "field") : NULL; f; f = elem_next(f, NS_DATA, "field")) {
		const char *var = elem_get(f, "var");

		if (var && !strcmp(var, "stream-method"))
			return f;
	}
	return NULL;
}

/* SOCKS5 is one where we have a proxy: offers of it lose everything else (socks.h). */
static bool
is_seen(const struct hook *h, const struct elem *option)
{
	const struct elem *value = elem_child(option, NS_DATA, "value");
	const char *method = value ? elem_text(value, h->arena) : "";

	return !strcmp(method, NS_IBB) || (!strcmp(method, NS_BYTESTREAMS) && module_service_domain(h->module, 0) && proxy_is_between(h->from, h->to));
}

/* Leaves the ways that lead through the server. How many there are. */
static unsigned
keep_seen(const struct hook *h, struct elem *methods)
{
	struct elem *o, *next;
	unsigned n = 0;

	for (o = methods ? elem_child(methods, NS_DATA, "option") : NULL; o; o = next) {
		next = elem_next(o, NS_DATA, "option");
		if (is_seen(h, o))
			n++;
		else
			elem_remove(o);
	}
	return n;
}

static bool
read_file(const struct elem *file, struct announced *a)
{
	const char *name = file ? elem_get(file, "name") : NULL, *size = file ? elem_get(file, "size") : NULL;
	const char *md5 = file ? elem_get(file, "hash") : NULL;
	uint8_t hash[16];

	if (!name || !*name || !size || !text_u64(size, strlen(size), 0, INT64_MAX, &a->size))
		return false;
	a->sized = true;
	a->name = mem_strdup(name);
	if (md5 && strlen(md5) == 32 && text_unhex(md5, 32, hash) == 16)
		announced_hash(a, "md5", hash, sizeof(hash));
	return true;
}

/* §4.2, table 2 */
static enum hook_verdict
no_si(struct hook *h, const char *type, const char *what)
{
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	h->error_type = type;
	return hook_reject_with(h, XERROR_BAD_REQUEST, NS_SI, what);
}

static enum hook_verdict
note_offer(struct hook *h, struct transfers *t, enum side from, const struct elem *si, struct announced *a)
{
	const struct jid *own = from == OWN ? h->from : h->to, *peer = from == OWN ? h->to : h->from;
	const char *id = elem_get(h->stanza->root, "id"), *type = elem_get(si, "mime-type");
	struct stream *s = stream_find(t, own, peer, elem_get(si, "id"));

	if (s) {
		h->error_type = "cancel";
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "there is a bytestream of this name already");
	}
	s = stream_new(h, t, own, peer, elem_get(si, "id"), from);
	if (!s)
		return HOOK_REJECT;
	a->known = true;
	a->sender = from;
	a->type = copy(type);
	announced_copy(&s->file, a);
	s->question = mem_strdup(id ? id : "");
	return HOOK_NEXT;
}

/* Parts of a file cannot be scanned whole: nobody shall offer them or ask for them. */
static bool
drop_range(struct elem *file)
{
	struct elem *range = file ? elem_child(file, NULL, "range") : NULL;

	if (range)
		elem_remove(range);
	return range != NULL;
}

enum hook_verdict
si_offered(struct hook *h, struct transfers *t, enum side from, const struct elem *si)
{
	const char *profile = elem_get(si, "profile"), *id = elem_get(si, "id"), *text = NULL;
	struct announced a = { 0 };
	struct stanza *st;
	struct elem *own;
	enum hook_verdict v;
	bool closed;

	if (from == PEER && !module_session(h, h->to))
		return HOOK_NEXT;
	if (!id || !*id || strlen(id) > 256)
		return hook_reject(h, XERROR_BAD_REQUEST, "<si/> needs an id");
	if (!profile || strcmp(profile, NS_SI_FILE) || !read_file(elem_child(si, NS_SI_FILE, "file"), &a)) {
		announced_fini(&a);
		return no_si(h, "modify", "bad-profile");
	}
	if (!offer_is_allowed(h, from, true, a.size, elem_get(si, "mime-type"), &text, &closed)) {
		announced_fini(&a);
		h->error_type = closed ? "wait" : "cancel";
		return hook_reject(h, closed ? XERROR_RESOURCE_CONSTRAINT : XERROR_FORBIDDEN, text);
	}
	st = stanza_copy(h->stanza);
	own = elem_child(st->root, NS_SI, "si");
	if (!keep_seen(h, methods_of(own))) {
		v = no_si(h, "cancel", "no-valid-streams");
	} else {
		drop_range(elem_child(own, NS_SI_FILE, "file"));
		v = note_offer(h, t, from, si, &a);
		if (v == HOOK_NEXT && offer_is_ours(h, from)) {
			v = offer_goes_on(h, from, st);
			st = NULL;
		}
	}
	announced_fini(&a);
	stanza_unref(st);
	return v;
}

struct stanza *
si_accepted(const struct stanza *answer)
{
	const struct elem *si = elem_child(answer->root, NS_SI, "si"), *file = si ? elem_child(si, NS_SI_FILE, "file") : NULL;
	struct stanza *st;

	if (!file || !elem_child(file, NULL, "range"))
		return NULL;
	st = stanza_copy(answer);
	drop_range(elem_child(elem_child(st->root, NS_SI, "si"), NS_SI_FILE, "file"));
	return st;
}
