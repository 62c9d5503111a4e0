/* node_feature: what nodes can do, wherever they are, as discovery says it (XEP-0060 §10). For the service and for accounts, which say more. */
#ifndef NODE_FEATURE_H
#define NODE_FEATURE_H

#define NODE_FEATURE(name) "http://jabber.org/protocol/pubsub#" name
/* Of an array of strings. */
#define NODE_FEATURES \
	NODE_FEATURE("access-authorize"), NODE_FEATURE("access-open"), NODE_FEATURE("access-presence"), NODE_FEATURE("access-roster"), \
	NODE_FEATURE("access-whitelist"), NODE_FEATURE("config-node"), NODE_FEATURE("config-node-max"), NODE_FEATURE("create-and-configure"), \
	NODE_FEATURE("create-nodes"), NODE_FEATURE("delete-items"), NODE_FEATURE("delete-nodes"), NODE_FEATURE("instant-nodes"), \
	NODE_FEATURE("item-ids"), NODE_FEATURE("last-published"), NODE_FEATURE("manage-subscriptions"), NODE_FEATURE("member-affiliation"), \
	NODE_FEATURE("meta-data"), NODE_FEATURE("modify-affiliations"), NODE_FEATURE("multi-items"), NODE_FEATURE("outcast-affiliation"), \
	NODE_FEATURE("persistent-items"), NODE_FEATURE("presence-notifications"), NODE_FEATURE("publish"), \
	NODE_FEATURE("publish-only-affiliation"), NODE_FEATURE("publish-options"), NODE_FEATURE("publisher-affiliation"), \
	NODE_FEATURE("purge-nodes"), NODE_FEATURE("retract-items"), NODE_FEATURE("retrieve-affiliations"), NODE_FEATURE("retrieve-default"), \
	NODE_FEATURE("retrieve-default-sub"), NODE_FEATURE("retrieve-items"), NODE_FEATURE("retrieve-subscriptions"), NODE_FEATURE("rsm"), \
	NODE_FEATURE("subscribe"), NODE_FEATURE("subscription-notifications"), NODE_FEATURE("subscription-options")

#endif
