/*
 * sip_agent: transports, and what comes. The library parses, answers what is no SIP (400, 505, …) and keeps transactions; what is left to us is who may
 * come in. Requests are taken from the configured peers alone, and of others nothing is looked at.
 */
#include "sip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/nta_tport.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/tport_tag.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/address.h"
#include "sip_loop.h"
#include "sip_peers.h"

#define METHODS "MESSAGE, OPTIONS, NOTIFY"
/* A whole message; a text has at most limits.text_bytes of it. */
#define MESSAGE_BYTES 131072
#define IDLE_MS 120000
#define CONNECTION_MS 30000
#define TICK_MS 5000
/* With which Max-Forwards begins (RFC 3261 §8.1.1.6). */
#define HOPS_MAX 70

/* ---- what comes ------------------------------------------------------------------------------------------- */

int
sip_refused(struct sip *s, const char *source, const sip_t *sip, int status, const char *why)
{
	const url_t *from = sip->sip_from->a_url;

	gateway_count(s->gateway, "sip_refused", 1);
	log_warning(NULL, "sip-refused", "method=%s peer=%s from=%s@%s status=%d reason=%s", sip->sip_request->rq_method_name, source, from->url_user, from->url_host,
		status, why);
	return status;
}

void
sip_own_uri(const struct sip *s, struct buf *out, const struct jid *j)
{
	struct buf name = { 0 };

	buf_addf(&name, "%s@%s", jid_local(j), s->set.domain);
	sip_name_uri(out, buf_str(&name));
	buf_fini(&name);
}

/* Has it been through here before? Our own Via is below the topmost, which is the peer's. */
static bool
loops(const struct sip *s, const sip_t *sip, unsigned *hops)
{
	*hops = 1;
	for (const sip_via_t *v = sip->sip_via->v_next; v != NULL; v = v->v_next, ++*hops) {
		unsigned port = v->v_port != NULL ? (unsigned)strtoul(v->v_port, NULL, 10) : 5060;

		if (v->v_host != NULL && !strcasecmp(v->v_host, s->set.address) && (port == s->set.port || port == s->set.tls_port))
			return true;
	}
	return false;
}

static int
take(struct sip *s, nta_incoming_t *irq, const sip_t *sip, const char *source)
{
	unsigned hops;

	if (loops(s, sip, &hops))
		return sip_refused(s, source, sip, 482, "it has been here before");
	if (hops > HOPS_MAX || (sip->sip_max_forwards != NULL && sip->sip_max_forwards->mf_count == 0))
		return sip_refused(s, source, sip, 483, "no forwards are left");
	/* The library takes a header without a value for one that is there. */
	if (sip->sip_call_id->i_id == NULL || sip->sip_call_id->i_id[0] == '\0')
		return sip_refused(s, source, sip, 400, "its Call-ID is empty");
	if (nta_check_required(irq, sip, NULL, TAG_END()) != 0)
		return sip_refused(s, source, sip, 420, "it requires an extension");
	switch (sip->sip_request->rq_method) {
	case sip_method_message:
		return sip_in_message(s, irq, sip, source);
	case sip_method_options:
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_ALLOW_STR(METHODS), TAG_END());
		return 200;
	case sip_method_notify:
		return sip_refused(s, source, sip, 481, "no such subscription");
	default:
		nta_incoming_treply(irq, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW_STR(METHODS), TAG_END());
		return sip_refused(s, source, sip, 405, "a method that is not served");
	}
}

bool
sip_from_peer(struct sip *s, nta_incoming_t *irq, const sip_t *sip, char source[ADDRESS_TEXT])
{
	msg_t *msg = nta_incoming_getrequest(irq);
	const struct sockaddr *sa = &msg_addr(msg)->su_sa;
	bool known = sip_peers_have(s->set.peers, sa);

	address_text(sa, source);
	msg_destroy(msg);
	if (!known)
		(void)sip_refused(s, source, sip, 403, "not a peer");
	return known;
}

static int
on_request(void *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	struct sip *s = magic;
	char source[ADDRESS_TEXT];

	(void)leg;
	if (sip->sip_request->rq_method == sip_method_ack)
		return 0;
	return sip_from_peer(s, irq, sip, source) ? take(s, irq, sip, source) : 403;
}

/* ---- the library's words ---------------------------------------------------------------------------------- */

static void
on_log(void *stream, const char *fmt, va_list ap)
{
	char line[512];

	(void)stream;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (line[0] != '\0')
		log_debug(NULL, "sofia-sip", "text=%s", line);
}

/* What it has refused without asking us: what is not SIP, or lacks what must be there. */
static void
on_tick(uv_timer_t *t)
{
	struct sip *s = t->data;
	usize_t bad = 0;

	nta_agent_get_stats(s->agent, NTATAG_S_BAD_MESSAGE_REF(bad), TAG_END());
	if (bad > s->malformed) {
		gateway_count(s->gateway, "sip_malformed", (int64_t)(bad - s->malformed));
		log_warning(NULL, "sip-malformed", "messages=%" PRIu64, (uint64_t)bad - s->malformed);
		s->malformed = bad;
	}
}

/* ---- transports ------------------------------------------------------------------------------------------- */

static void
add_address(const struct sip *s, struct buf *out)
{
	buf_addf(out, strchr(s->set.address, ':') != NULL ? "[%s]" : "%s", s->set.address);
}

static int
bind_to(struct sip *s, const char *scheme, unsigned port, const char *transport, struct err *e)
{
	struct buf uri = { 0 };
	int rc;

	buf_addf(&uri, "%s:", scheme);
	add_address(s, &uri);
	buf_addf(&uri, ":%u%s", port, transport);
	rc = nta_agent_add_tport(s->agent, URL_STRING_MAKE(buf_str(&uri)),
		TPTAG_IDLE(IDLE_MS), TPTAG_TIMEOUT(CONNECTION_MS),
		TAG_IF(s->set.certificates != NULL, TPTAG_CERTIFICATE(s->set.certificates)),
		TAG_IF(s->set.certificates != NULL, TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_IN | TPTLS_VERIFY_SUBJECTS_OUT)),
		TAG_END());
	if (rc < 0)
		err_set(e, 0, "%s: cannot listen there%s", buf_str(&uri), transport[0] == ';' ? "" : ", or the certificates cannot be read");
	buf_fini(&uri);
	return rc < 0 ? -1 : 0;
}

static int
bind_all(struct sip *s, struct err *e)
{
	if (s->set.port != 0 && s->set.udp && bind_to(s, "sip", s->set.port, ";transport=udp", e) < 0)
		return -1;
	if (s->set.port != 0 && bind_to(s, "sip", s->set.port, ";transport=tcp", e) < 0)
		return -1;
	return s->set.tls_port != 0 ? bind_to(s, "sips", s->set.tls_port, "", e) : 0;
}

static void
make_contact(struct sip *s)
{
	struct buf b = { 0 };

	buf_adds(&b, "<sip:");
	add_address(s, &b);
	buf_addf(&b, ":%u%s>", s->set.port != 0 ? s->set.port : s->set.tls_port, s->set.port == 0 ? ";transport=tls" : s->set.udp ? "" : ";transport=tcp");
	s->contact = mem_strdup(buf_str(&b));
	buf_fini(&b);
}

int
sip_agent_start(struct sip *s, struct err *e)
{
	/* By these it would write what is said into the log. */
	unsetenv("TPORT_LOG");
	unsetenv("TPORT_DUMP");
	su_init();
	su_log_redirect(NULL, on_log, NULL);
	if ((s->loop = sip_loop_start(gateway_loop(s->gateway), e)) == NULL)
		return -1;
	s->agent = nta_agent_create(sip_loop_root(s->loop), (url_string_t *)-1, NULL, NULL,
		NTATAG_UA(1), NTATAG_MAXSIZE(MESSAGE_BYTES), NTATAG_MERGE_482(1), NTATAG_SERVER_RPORT(1), NTATAG_USE_NAPTR(1), NTATAG_USE_SRV(1),
		NTATAG_BAD_REQ_MASK(~0U), TAG_END());
	if (s->agent == NULL) {
		err_set(e, 0, "sofia-sip has no agent");
	} else if (bind_all(s, e) == 0) {
		s->leg = nta_leg_tcreate(s->agent, on_request, s, NTATAG_NO_DIALOG(1), TAG_END());
		if (s->leg != NULL) {
			make_contact(s);
			uv_timer_init(gateway_loop(s->gateway), &s->tick);
			s->tick.data = s;
			uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
			return 0;
		}
		err_set(e, 0, "sofia-sip has no leg");
	}
	if (s->agent != NULL)
		nta_agent_destroy(s->agent);
	sip_loop_stop(s->loop);
	return -1;
}

void
sip_agent_stop(struct sip *s)
{
	sip_loop_flush(s->loop);
	uv_close((uv_handle_t *)&s->tick, NULL);
	nta_leg_destroy(s->leg);
	nta_agent_destroy(s->agent);
	sip_loop_stop(s->loop);
	free(s->contact);
	su_deinit();
}
