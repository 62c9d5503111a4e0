/*
 * lastactivity: Last Activity (XEP-0012). Of the server: how long it has been running. Of an account: how long ago
 * it was last available, with the status it left, for those who may see its presence.
 *
 * A question to a full JID is the client's to answer; here strangers are only kept from asking it (§4). They get
 * the same answer whether that resource, any other, or none is there (§8).
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "module.h"
#include "xmpp/ns.h"

#define US_PER_SECOND 1000000

static enum hook_verdict
answer(struct hook *h, int64_t elapsed_us, const char *status)
{
	struct stanza *st = hook_result(h);
	struct elem *query = elem_add(st, st->root, NS_LAST, "query");
	int64_t seconds = elapsed_us > 0 ? elapsed_us / US_PER_SECOND : 0; /* wall clocks are set back at times */

	elem_set(st, query, "seconds", arena_printf(h->arena, "%" PRId64, seconds));
	if (status)
		elem_add_text(st, query, status, strlen(status));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_server(struct hook *h)
{
	return answer(h, clock_mono_us() - module_started_us(), NULL);
}

static enum hook_verdict
on_account(struct hook *h)
{
	if (module_relation(h) == MODULE_STRANGER)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	/* §3: empty and zero while the user is there. */
	if (module_account_available(h))
		return answer(h, 0, NULL);
	if (!module_account_last_seen_us(h))
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, "never seen");
	return answer(h, clock_wall_us() - module_account_last_seen_us(h), module_account_last_status(h));
}

static enum hook_verdict
on_check(struct hook *h)
{
	const struct elem *root = h->stanza->root;
	const char *type;

	if (!jid_resource(h->to) || !elem_is(elem_first(root), NS_LAST, "query"))
		return HOOK_NEXT;
	type = elem_get(root, "type");
	if (type && !strcmp(type, "get") && module_relation(h) == MODULE_STRANGER)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	module_offers(m, NS_LAST, MODULE_SERVER | MODULE_ACCOUNT);
	if (module_on_iq(m, MODULE_IQ_GET, NS_LAST, "query", MODULE_SERVER, on_server) ||
		module_on_iq(m, MODULE_IQ_GET, NS_LAST, "query", MODULE_ACCOUNT, on_account))
		return -1;
	return module_on_stanza(m, HOOK_RECV_CHECK, MODULE_IQ, NS_LAST, on_check);
}

const struct module_def lastactivity_module = {
	.name = "lastactivity",
	.about = "Last Activity (XEP-0012)",
	.attach = attach,
};
