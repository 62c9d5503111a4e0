/*
 * discovery: see discovery.h.
 */
#include "xmpp/discovery.h"

void
discovery_identity(struct stanza *st, struct elem *query, const char *category, const char *type, const char *name)
{
	struct elem *e = elem_add(st, query, NULL, "identity");

	elem_set(st, e, "category", category);
	elem_set(st, e, "type", type);
	elem_set(st, e, "name", name);
}

void
discovery_feature(struct stanza *st, struct elem *query, const char *var)
{
	elem_set(st, elem_add(st, query, NULL, "feature"), "var", var);
}

void
discovery_features(struct stanza *st, struct elem *query, const char *const *var, size_t n)
{
	for (size_t i = 0; i < n; i++)
		discovery_feature(st, query, var[i]);
}
