/*
 * ping: XMPP Ping (XEP-0199). The server answers everybody who reaches it; for an account it answers the owner and
 * those who may see its presence, as a pong tells that the account exists.
 */
#include "module.h"
#include "xmpp/ns.h"

static enum hook_verdict
on_ping(struct hook *h)
{
	if (h->account && module_relation(h) == MODULE_STRANGER)
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	hook_reply(h, hook_result(h));
	return HOOK_HANDLED;
}

static int
attach(struct module *m)
{
	module_offers(m, NS_PING, MODULE_SERVER | MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_GET, NS_PING, "ping", MODULE_SERVER | MODULE_ACCOUNT, on_ping);
}

const struct module_def ping_module = {
	.name = "ping",
	.about = "XMPP Ping (XEP-0199)",
	.attach = attach,
};
