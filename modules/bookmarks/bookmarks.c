/*
 * bookmarks: PEP Native Bookmarks (XEP-0402) for clients that know only the older ways (XEP-0048).
 *
 * There is one list: the items of the node urn:xmpp:bookmarks:1. The module private asks for it as
 * <storage xmlns='storage:bookmarks'/> (XEP-0049), and hands over a new list in the same way; then items are published that
 * differ, and those that are missing are retracted. The node storage:bookmarks has a copy (bookmark_copy.c).
 */
#include "base/metric.h"
#include "bookmark.h"
#include "module.h"
#include "xmpp/ns.h"
#include "xmpp/pubsub.h"

#define COMPAT "urn:xmpp:bookmarks:1#compat"

/* An IQ of the account to itself is a module's: clients have a resource. */
static bool
is_internal(const struct hook *h)
{
	return module_relation(h) == MODULE_SELF && jid_is_bare(h->from);
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_PROFILE_REFUSED, 1);
	return hook_reject(h, e, text);
}

static enum hook_verdict
end(struct hook *h, enum bookmark_outcome o)
{
	switch (o) {
	case BOOKMARK_CHANGED:
		return hook_done(h);
	case BOOKMARK_REFUSED:
		return refuse(h, XERROR_NOT_ACCEPTABLE, "a bookmark was refused");
	case BOOKMARK_NOBODY:
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	case BOOKMARK_UNAVAILABLE:
		break;
	}
	return hook_unavailable(h);
}

static enum hook_verdict
on_items(struct hook *h, void *data, bool ok)
{
	struct bookmarks all;
	struct stanza *st;

	(void)data;
	if (!bookmark_has_items(h, ok))
		return end(h, bookmark_no_items(h, ok));
	all = bookmark_read_items(h->answer, h->arena);
	st = hook_result(h);
	bookmark_add_conferences(st, elem_add(st, st->root, NS_STORAGE, "storage"), &all);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_get(struct hook *h)
{
	if (!is_internal(h))
		return HOOK_NEXT;
	return hook_ask(h, h->account, pubsub_items_get(NS_BOOKMARKS, NULL, 0), 0, NULL, on_items);
}

static enum hook_verdict
on_set(struct hook *h)
{
	struct bookmarks wanted;

	if (!is_internal(h))
		return HOOK_NEXT;
	if (bookmark_count(h->payload) > module_limits()->bookmarks)
		return refuse(h, XERROR_POLICY_VIOLATION, "too many bookmarks");
	if (!bookmark_read_storage(h->payload, hook_memory(h), &wanted))
		return refuse(h, XERROR_BAD_REQUEST, "a bookmark needs the address of a room");
	return bookmark_change(h, &wanted, false, NULL, end);
}

static int
attach(struct module *m)
{
	module_offers(m, COMPAT, MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_GET, NS_STORAGE, "storage", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_STORAGE, "storage", MODULE_ACCOUNT, on_set) || bookmark_copy_attach(m) ? -1 : 0;
}

const struct module_def bookmarks_module = {
	.name = "bookmarks",
	.about = "PEP Native Bookmarks (XEP-0402) from and to XEP-0048 in private XML (XEP-0049) and PEP (XEP-0411)",
	.attach = attach,
};
