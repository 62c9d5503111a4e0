/*
 * c2s_features: what a stream offers in each state: STARTTLS, authentication (RFC 6120 §6, XEP-0388) with the channel
 * bindings it can have (XEP-0440), binding; and what it takes (XEP-0478).
 */
#include <inttypes.h>
#include <string.h>

#include "core/stream/c2s_priv.h"
#include "core/module/disco.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/home.h"

/* tls-unique is for clients that do not know this list: accepted (RFC 5802 §6.1), not recommended. */
static void
write_binding_types(struct buf *out, const struct scram_binding *b)
{
	buf_adds(out, "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>");
	for (int i = 0; i < 2; i++)
		if (b->type_names[i])
			buf_addf(out, "<channel-binding type='%s'/>", b->type_names[i]);
	buf_adds(out, "</sasl-channel-binding>");
}

bool
c2s_bindings(struct c2s *c, struct scram_binding *b)
{
	static const char *const names[TLS_BINDINGS] = { [TLS_EXPORTER] = "tls-exporter",
		[TLS_SERVER_END_POINT] = "tls-server-end-point", [TLS_UNIQUE] = "tls-unique" };

	memset(b, 0, sizeof(*b));
	/* A browser's program cannot know the connection below it (RFC 7395 §4). */
	if (!home_config()->auth.channel_binding || c->frames)
		return false;
	for (int i = 0; i < TLS_BINDINGS; i++)
		if (tls_can_bind(conn_ssl(c->conn), (enum tls_binding)i))
			b->type_names[i] = names[i];
	return b->type_names[0] || b->type_names[1];
}

void
c2s_fill_bindings(struct c2s *c, struct scram_binding *b)
{
	for (int i = 0; i < TLS_BINDINGS; i++) {
		int n = b->type_names[i] ? tls_channel_binding(conn_ssl(c->conn), (enum tls_binding)i, b->data[i]) : -1;

		b->data_len[i] = n > 0 ? (size_t)n : 0;
	}
}

static sasl_set
mechanisms(bool plus)
{
	sasl_set set = 0;

	for (int m = 0; m <= SASL_PLAIN; m++)
		if (m == SASL_PLAIN ? home_config()->auth.plain : plus || !sasl_is_plus((enum sasl_mechanism)m))
			set |= 1U << m;
	return set;
}

sasl_set
c2s_token_mechanisms(struct c2s *c)
{
	sasl_set set = 1U << SASL_HT_SHA256_NONE;
	struct scram_binding b;

	if (!home_config()->auth.fast)
		return 0;
	(void)c2s_bindings(c, &b);
	if (b.type_names[TLS_EXPORTER])
		set |= 1U << SASL_HT_SHA256_EXPR;
	if (b.type_names[TLS_SERVER_END_POINT])
		set |= 1U << SASL_HT_SHA256_ENDP;
	return set;
}

static void
write_mechanisms(struct buf *out, sasl_set set)
{
	for (int m = 0; m < SASL_MECHANISMS; m++)
		if (set & 1U << m) {
			buf_adds(out, "<mechanism>");
			buf_adds(out, sasl_mechanism_name((enum sasl_mechanism)m));
			buf_adds(out, "</mechanism>");
		}
}

/* XEP-0388 §2.1: what can be had in the same step (XEP-0386 §3.1, XEP-0198 §11, XEP-0484 §3.1). */
static void
write_sasl2(struct c2s *c, struct buf *out)
{
	struct hook h = { .stage = HOOK_BIND_FEATURES, .features = out };
	sasl_set tokens = c2s_token_mechanisms(c);

	buf_adds(out, "<authentication xmlns='urn:xmpp:sasl:2'>");
	write_mechanisms(out, c->offered);
	buf_adds(out, "<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline>"
		"<feature var='urn:xmpp:sm:3'/>");
	if (modules_want(HOOK_BIND_FEATURES))
		(void)modules_run(&h, NULL);
	buf_adds(out, "</inline></bind>");
	if (tokens) {
		buf_adds(out, "<fast xmlns='urn:xmpp:fast:0'>");
		write_mechanisms(out, tokens);
		buf_adds(out, "</fast>");
	}
	buf_adds(out, "</inline></authentication>");
}

static void
write_sasl(struct c2s *c, struct buf *out)
{
	struct scram_binding b;
	bool plus = c2s_bindings(c, &b);

	c->offered = mechanisms(plus);
	buf_adds(out, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
	write_mechanisms(out, c->offered);
	buf_adds(out, "</mechanisms>");
	write_sasl2(c, out);
	if (plus)
		write_binding_types(out, &b);
}

/* Of a stream that Bind 2 has bound, the same without binding. */
static void
write_bind(struct c2s *c, struct buf *out)
{
	if (c->state != C2S_BOUND)
		buf_adds(out, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
			"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>");
	/* Already on by Bind 2 or resumption: @xmpp/client would try again, and lose what it has. */
	if (!c->session || !c->session->sm.enabled)
		buf_adds(out, "<sm xmlns='urn:xmpp:sm:3'/>");
	buf_adds(out, "<ver xmlns='urn:xmpp:features:rosterver'/>"
		"<sub xmlns='urn:xmpp:features:pre-approval'/>");
	disco_write_caps(out);
}

/* XEP-0478 §3.1: so that a client makes a picture smaller, and does not lose its stream over it. */
static void
write_limits(const struct c2s *c, struct buf *out)
{
	const struct config *cf = home_config();

	buf_addf(out, "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>%" PRIu64 "</max-bytes>",
		(uint64_t)(c->authenticated ? cf->limits.stanza_bytes : cf->limits.stanza_bytes_unauthenticated));
	if (c->authenticated && cf->stream.ping_ms >= 1000)
		buf_addf(out, "<idle-seconds>%" PRIu64 "</idle-seconds>", (uint64_t)cf->stream.ping_ms / 1000);
	buf_adds(out, "</limits>");
}

void
c2s_write_features(struct c2s *c)
{
	struct buf *out = c2s_out(c);
	struct hook h = { .stage = HOOK_STREAM_FEATURES, .features = out, .authenticated = c->authenticated };

	buf_adds(out, "<stream:features>");
	if (c->state == C2S_PLAIN)
		buf_adds(out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
	else if (c->state == C2S_AUTH)
		write_sasl(c, out);
	else
		write_bind(c, out);
	/* Before TLS there is STARTTLS alone (RFC 6120 §5.3.1). */
	if (c->state != C2S_PLAIN)
		write_limits(c, out);
	if (c->state != C2S_PLAIN && modules_want(HOOK_STREAM_FEATURES))
		(void)modules_run(&h, NULL);
	buf_adds(out, "</stream:features>");
	c2s_wrote(c);
}
