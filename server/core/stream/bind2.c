/*
 * bind2: resources and inline features of XEP-0386.
 *
 * The resource is TAG/ID, or ID without a tag. ID is a keyed hash over the account, the client's id and the tag: a client
 * comes back under its address, and nobody can tell its id from it (§3.2.1). Without an id it is random.
 *
 * Offline messages are not cleared (§3.2), as not every client that binds so reads the archive: what nobody has confirmed comes with initial
 * presence, as to others (P2), but for what the client has fetched by XEP-0313 until then.
 */
#include "core/stream/bind2.h"

#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "core/everyone.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/stream/auth.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/resume.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define ID_BYTES 9 /* 12 characters */

static void
make_id(char out[text_base64_size(ID_BYTES)], const struct user *u, const char *agent, const char *tag)
{
	static const char label[] = "chancery resource";
	uint8_t hash[SCRAM_MAX];
	const struct digest_part parts[] = { { label, sizeof(label) }, { &u->account, sizeof(u->account) },
		{ agent, agent ? strlen(agent) + 1 : 0 }, { tag, strlen(tag) } };

	if (agent)
		digest_hmac(SCRAM_SHA256, auth_secret(), 32, parts, 4, hash);
	else
		crypt_random(hash, ID_BYTES);
	text_base64_encode(hash, ID_BYTES, out);
	for (char *p = out; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* A tag that cannot be part of a resource is left out: it is a hint. */
static struct jid *
make_jid(const struct c2s *c, const struct user *u, const struct elem *bind, const char *agent)
{
	struct arena *a = reactor_scratch(reactor_current());
	const struct elem *e = elem_child(bind, NS_BIND2, "tag");
	const char *tag = e ? elem_text(e, a) : "";
	char id[text_base64_size(ID_BYTES)];
	struct jid *full = NULL;

	make_id(id, u, agent, tag);
	if (*tag)
		full = jid_with_resource(c->jid, arena_printf(a, "%s/%s", tag, id));
	return full ? full : jid_with_resource(c->jid, id);
}

bool
bind2_may(struct c2s *c, struct user *u)
{
	struct everyone all = everyone(u);

	/* §3.2: the client has begun anew, whatever became of its last stream. */
	for (unsigned i = 0; i < all.n; i++) {
		struct session *s = all.session[i];

		if (c->device && s->device == c->device && !s->closing)
			session_close(s, XSTREAM_CONFLICT, "the same client has logged in again");
	}
	return c2s_has_room(u);
}

static void
inline_features(struct session *s, const struct elem *bind, struct buf *bound)
{
	struct hook h = { .stage = HOOK_BIND_INLINE, .payload = bind, .features = bound, .account = s->user->jid,
		.account_id = s->user->account, .session = s->jid, .bound = s };
	const struct elem *enable = elem_child(bind, NS_SM, "enable");

	if (modules_want(HOOK_BIND_INLINE))
		(void)modules_run(&h, s->user);
	if (enable)
		resume_enable(s, enable, bound);
}

struct session *
bind2(struct c2s *c, struct user *u, const struct elem *bind, const char *agent, struct buf *bound)
{
	struct jid *full = make_jid(c, u, bind, agent);
	struct session *old = user_session(u, jid_resource(full)), *s;

	if (old)
		session_close(old, XSTREAM_CONFLICT, "another stream bound this resource");
	s = session_new(u, full, c);
	jid_unref(full);
	buf_adds(bound, "<bound xmlns='urn:xmpp:bind:0'>");
	inline_features(s, bind, bound);
	buf_adds(bound, "</bound>");
	return s;
}
