/*
 * archive_query: see archive_query.h.
 */
#include "admin/archive_query.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/record_kind.h"
#include "xmpp/jid.h"

#define DAY_US INT64_C(86400000000)

/* Audit records are the auditors'. */
static const char *const kinds[] = {
	[RECORD_MESSAGE] = "message", [RECORD_CORRECTION] = "correction", [RECORD_RETRACTION] = "retraction", [RECORD_REACTION] = "reaction",
	[RECORD_RECEIPT] = "receipt", [RECORD_TYPING] = "typing", [RECORD_RETURNED] = "returned", [RECORD_PROFILE] = "profile",
	[RECORD_PUBLISH] = "publish", [RECORD_PRIVATE] = "private", [RECORD_BLOCKING] = "blocking", [RECORD_ANNOUNCEMENT] = "announcement",
	[RECORD_ROOM_ENTER] = "room-enter", [RECORD_ROOM_LEAVE] = "room-leave", [RECORD_ROOM_NICK] = "room-nick",
	[RECORD_ROOM_AFFILIATION] = "room-affiliation", [RECORD_ROOM_CONFIG] = "room-config", [RECORD_MODERATION] = "moderation",
	[RECORD_SUBSCRIPTION] = "subscription", [RECORD_PEER] = "peer", [RECORD_PASSED] = "passed", [RECORD_FILE] = "file",
	[RECORD_FILE_FETCHED] = "file-fetched", [RECORD_ERASURE] = "erasure",
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct reading {
	struct sql *db;
	struct arena *a;
	const struct limits *l;
	const json_t *args;
	struct search_query *q;
	struct err *e;
};

/* Values of an argument, as they were given and as they are meant. */
struct list {
	const char **v;
	size_t n;
};

const char *
archive_kind_name(int kind)
{
	return kind == RECORD_AUDIT ? "audit" : kind >= 0 && (size_t)kind < KINDS && kinds[kind] != NULL ? kinds[kind] : "?";
}

/* One string or an array of them. */
static int
read_list(struct reading *d, const char *name, struct list *out)
{
	const json_t *v = json_object_get(d->args, name);
	size_t n = json_is_array(v) ? json_array_size(v) : v != NULL;

	out->n = 0;
	if (n > d->l->search_names)
		return err_set(d->e, 0, "%s: more than %llu at once (limits.search_names)", name, (unsigned long long)d->l->search_names);
	out->v = arena_alloc(d->a, (n + 1) * sizeof *out->v);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);

		if (s == NULL || *s == '\0')
			return err_set(d->e, 0, "%s: expected a string, or an array of them", name);
		out->v[out->n++] = s;
	}
	return 0;
}

static int
prepare(struct reading *d, const char *name, const char **s, bool domain)
{
	struct jid *j = jid_parse_z(*s);
	bool good = j != NULL && jid_is_bare(j) && (!domain || jid_local(j) == NULL);

	if (good)
		*s = arena_strdup(d->a, jid_bare(j));
	jid_unref(j);
	return good ? 0 : err_set(d->e, 0, "%s: not %s: %.200s", name, domain ? "a domain" : "an address (name@domain)", *s);
}

static int
read_addresses(struct reading *d, const char *name, bool domains, struct list *out)
{
	if (read_list(d, name, out) != 0)
		return -1;
	for (size_t i = 0; i < out->n; i++)
		if (prepare(d, name, &out->v[i], domains) != 0)
			return -1;
	return 0;
}

/* Two lists of the same. */
static struct list
join(struct reading *d, const struct list *a, const struct list *b)
{
	struct list out = {.v = arena_alloc(d->a, (a->n + b->n + 1) * sizeof *out.v), .n = a->n + b->n};

	for (size_t i = 0; i < out.n; i++)
		out.v[i] = i < a->n ? a->v[i] : b->v[i - a->n];
	return out;
}

/* Names become the addresses of all who are called so. */
static int
read_names(struct reading *d, struct list *out)
{
	struct list names;

	*out = (struct list){0};
	if (read_list(d, "name", &names) != 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		unsigned most = (unsigned)d->l->search_names;
		struct search_person *p;
		struct list more = {0};

		if (search_people(d->db, d->a, names.v[i], most + 1, &p, &more.n, d->e) != SQL_OK)
			return -1;
		if (more.n == 0)
			return err_set(d->e, 0, "name: nobody is called %.100s: not by an account, a vCard, a roster or in a room", names.v[i]);
		if (more.n > most || out->n + more.n > most)
			return err_set(d->e, 0, "name: more than %u are called %.100s (limits.search_names): say more of the name, or their address", most,
				       names.v[i]);
		more.v = arena_alloc(d->a, more.n * sizeof *more.v);
		for (size_t k = 0; k < more.n; k++)
			more.v[k] = p[k].jid;
		*out = join(d, out, &more);
	}
	return 0;
}

static int
read_string(struct reading *d, const char *name, const char **out)
{
	const json_t *v = json_object_get(d->args, name);

	*out = json_string_value(v);
	return v == NULL || (*out != NULL && **out != '\0') ? 0 : err_set(d->e, 0, "%s: expected a string that is not empty", name);
}

static int
read_flag(struct reading *d, const char *name, bool *out)
{
	const json_t *v = json_object_get(d->args, name);

	*out = json_is_true(v);
	return v == NULL || json_is_boolean(v) ? 0 : err_set(d->e, 0, "%s: expected true or false", name);
}

/* A moment, or the beginning of a day in UTC. */
static int
read_time(struct reading *d, const char *name, int64_t *out)
{
	char text[64];
	const char *s;

	*out = 0;
	if (read_string(d, name, &s) != 0)
		return -1;
	if (s == NULL)
		return 0;
	snprintf(text, sizeof text, strlen(s) == 10 ? "%.40sT00:00:00Z" : "%.60s", s);
	if (strlen(s) > 40 || clock_parse(text, out) != 0)
		return err_set(d->e, 0, "%s: expected a day or a time: 2026-01-31, 2026-01-31T12:00:00Z", name);
	/* 0 stands for no bound. */
	*out = *out > 0 ? *out : 1;
	return 0;
}

static int
read_kinds(struct reading *d)
{
	struct list names;

	if (read_list(d, "kind", &names) != 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		size_t k = 0;

		while (k < KINDS && (kinds[k] == NULL || strcmp(kinds[k], names.v[i]) != 0))
			k++;
		if (k == KINDS)
			return err_set(d->e, 0, "kind: there is no kind of record called %.60s", names.v[i]);
		d->q->kinds |= UINT64_C(1) << k;
	}
	return 0;
}

static int
read_conversation(struct reading *d)
{
	struct list ends;

	if (read_addresses(d, "between", false, &ends) != 0)
		return -1;
	if (ends.n != 0 && ends.n != 2)
		return err_set(d->e, 0, "between: expected two addresses");
	if (ends.n == 2) {
		d->q->between[0] = ends.v[0];
		d->q->between[1] = ends.v[1];
	}
	return 0;
}

static bool
is_among(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static int
check_names(struct reading *d, const char *const *also)
{
	static const char *const ours[] = {"person", "name", "between", "room", "domain", "gateway", "partner", "federated", "kind", "since", "until",
					   "words", "file", "file_hash", "has_file", "encrypted", "audience", NULL};
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)d->args, key, v)
	{
		(void)v;
		if (!is_among(key, ours) && !is_among(key, also))
			return err_set(d->e, 0, "there is no argument %.60s", key);
	}
	return 0;
}

static int
read_who(struct reading *d)
{
	struct search_query *q = d->q;
	struct list persons, named, rooms, domains, gateways;

	if (read_addresses(d, "person", false, &persons) != 0 || read_names(d, &named) != 0 || read_addresses(d, "room", false, &rooms) != 0 ||
	    read_addresses(d, "domain", true, &domains) != 0 || read_addresses(d, "gateway", true, &gateways) != 0 || read_conversation(d) != 0)
		return -1;
	persons = join(d, &persons, &named);
	domains = join(d, &domains, &gateways);
	q->person = persons.v;
	q->npersons = persons.n;
	q->room = rooms.v;
	q->nrooms = rooms.n;
	q->domain = domains.v;
	q->ndomains = domains.n;
	return read_string(d, "partner", &q->partner) != 0 || (q->partner != NULL && prepare(d, "partner", &q->partner, true) != 0) ||
	       read_flag(d, "federated", &q->federated) != 0 || read_flag(d, "audience", &q->audience) != 0 ? -1 : 0;
}

int
archive_query_read(struct sql *db, struct arena *a, const struct limits *l, const json_t *args, const char *const *also, struct search_query *q,
	struct err *e)
{
	struct reading d = {.db = db, .a = a, .l = l, .args = args, .q = q, .e = e};

	*q = (struct search_query){0};
	return check_names(&d, also) != 0 || read_who(&d) != 0 || read_kinds(&d) != 0 || read_time(&d, "since", &q->since_us) != 0 ||
	       read_time(&d, "until", &q->until_us) != 0 || read_string(&d, "words", &q->words) != 0 || read_string(&d, "file", &q->file_name) != 0 ||
	       read_string(&d, "file_hash", &q->file_hash) != 0 || read_flag(&d, "has_file", &q->has_file) != 0 ||
	       read_flag(&d, "encrypted", &q->encrypted) != 0 ? -1 : 0;
}

struct search_limits
archive_query_limits(const struct limits *l)
{
	return (struct search_limits){.words = (unsigned)l->search_words, .word_bytes = (unsigned)l->search_word_bytes,
		.seconds = (unsigned)l->search_seconds, .events = (unsigned)l->search_events};
}
