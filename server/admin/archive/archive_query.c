/*
 * archive_query: see archive_query.h.
 */
#include "admin/archive/archive_query.h"

#include <string.h>

#include "store/gateway_store.h"

static bool
is_among(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

/* Adds to an array of the query, which may be one string so far. */
static void
append(json_t *query, const char *key, json_t *value)
{
	json_t *list = json_object_get(query, key);

	if (!json_is_array(list)) {
		json_t *array = json_array();

		if (list != NULL)
			json_array_append(array, list);
		json_object_set_new(query, key, array);
		list = array;
	}
	json_array_append_new(list, value);
}

/* All who are called so. */
static int
add_people(struct sql *db, const struct limits *l, json_t *query, const char *called, struct err *e)
{
	unsigned most = (unsigned)l->search_names;
	struct arena *a = arena_new(0);
	struct search_person *p;
	size_t n = 0;
	int rc = search_people(db, a, called, most + 1, &p, &n, e) == SQL_OK ? 0 : -1;

	if (rc == 0 && n == 0)
		rc = err_set(e, 0, "name: nobody is called %.100s: not by an account, a vCard, a roster or in a room", called);
	if (rc == 0 && n > most)
		rc = err_set(e, 0, "name: more than %u are called %.100s (limits.search_names): say more of the name, or their address", most, called);
	for (size_t i = 0; i < n && rc == 0; i++)
		append(query, "person", json_string(p[i].jid));
	arena_free(a);
	return rc;
}

static int
add_named(struct sql *db, const struct limits *l, json_t *query, const json_t *names, struct err *e)
{
	size_t n = json_is_array(names) ? json_array_size(names) : names != NULL;

	if (n > l->search_names)
		return err_set(e, 0, "name: more than %llu at once (limits.search_names)", (unsigned long long)l->search_names);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_is_array(names) ? json_array_get(names, i) : names);

		if (s == NULL || *s == '\0')
			return err_set(e, 0, "name: expected a text, or a list of them");
		if (add_people(db, l, query, s, e) != 0)
			return -1;
	}
	return 0;
}

static void
add_gateways(json_t *query, json_t *gateways)
{
	json_t *v;
	size_t i;

	if (gateways != NULL && !json_is_array(gateways))
		append(query, "domain", json_incref(gateways));
	json_array_foreach(gateways, i, v)
		append(query, "domain", json_incref(v));
}

/* Networks by the names of their gateways and components: all the domains that these have had. */
static int
add_networks(struct sql *db, const struct limits *l, json_t *query, const json_t *names, struct err *e)
{
	size_t n = json_is_array(names) ? json_array_size(names) : names != NULL;
	PGresult *rows;
	int found;

	if (n > l->search_names)
		return err_set(e, 0, "network: more than %llu at once (limits.search_names)", (unsigned long long)l->search_names);
	if (n > 0 && json_object_get(query, "domain") != NULL)
		return err_set(e, 0, "network stands for domains: give one of them, not both");
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_is_array(names) ? json_array_get(names, i) : names);

		if (s == NULL || gateway_store_domains(db, s, &rows, e) != SQL_OK)
			return s == NULL ? err_set(e, 0, "network: expected a text, or a list of them") : -1;
		found = PQntuples(rows);
		for (int k = 0; k < found; k++)
			append(query, "domain", json_string(sql_text(rows, k, 0)));
		PQclear(rows);
		if (found == 0)
			return err_set(e, 0, "network: there is no gateway or component called %.70s, and there was none", s);
	}
	return 0;
}

static int
check_lists(const struct limits *l, const json_t *query, struct err *e)
{
	static const char *const lists[] = {"person", "room", "domain", "foreign"};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (json_array_size(json_object_get(query, lists[i])) > l->search_names)
			return err_set(e, 0, "%s: more than %llu at once (limits.search_names)", lists[i], (unsigned long long)l->search_names);
	return 0;
}

json_t *
archive_query_resolve(struct sql *db, const struct limits *l, const json_t *args, const char *const *also, struct err *e)
{
	json_t *query = json_object(), *v, *from = (json_t *)(uintptr_t)args;
	const char *key;

	json_object_foreach(from, key, v)
	{
		/* A list of its own: it may get longer. */
		if (!is_among(key, also) && strcmp(key, "name") != 0 && strcmp(key, "gateway") != 0 && strcmp(key, "network") != 0)
			json_object_set_new(query, key, json_copy(v));
	}
	add_gateways(query, json_object_get(from, "gateway"));
	if (add_networks(db, l, query, json_object_get(from, "network"), e) == 0 && add_named(db, l, query, json_object_get(from, "name"), e) == 0 &&
	    check_lists(l, query, e) == 0)
		return query;
	json_decref(query);
	return NULL;
}

struct search_limits
archive_query_limits(const struct limits *l)
{
	return (struct search_limits){.words = (unsigned)l->search_words, .word_bytes = (unsigned)l->search_word_bytes,
		.seconds = (unsigned)l->search_seconds, .events = (unsigned)l->search_events};
}
