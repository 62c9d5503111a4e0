/*
 * query: JSON to struct search_query and to words.
 */
#include "archive/query.h"

#include <string.h>

#include "base/clock.h"
#include "store/record_kind.h"
#include "xmpp/jid.h"

#define KIND_AUDIT 24

/* Kinds */

static const char *const kinds[] = { [RECORD_MESSAGE] = "message", [RECORD_CORRECTION] = "correction", [RECORD_RETRACTION] = "retraction",
	[RECORD_REACTION] = "reaction", [RECORD_RECEIPT] = "receipt", [RECORD_TYPING] = "typing", [RECORD_RETURNED] = "returned",
	[RECORD_PROFILE] = "profile", [RECORD_PUBLISH] = "publish", [RECORD_PRIVATE] = "private", [RECORD_BLOCKING] = "blocking",
	[RECORD_ANNOUNCEMENT] = "announcement", [RECORD_ROOM_ENTER] = "room-enter", [RECORD_ROOM_LEAVE] = "room-leave",
	[RECORD_ROOM_NICK] = "room-nick", [RECORD_ROOM_AFFILIATION] = "room-affiliation", [RECORD_ROOM_CONFIG] = "room-config",
	[RECORD_MODERATION] = "moderation", [RECORD_SUBSCRIPTION] = "subscription", [RECORD_PEER] = "peer", [RECORD_PASSED] = "passed",
	[RECORD_FILE] = "file", [RECORD_FILE_FETCHED] = "file-fetched", [KIND_AUDIT] = "audit", [25] = "erasure",
	[RECORD_REQUEST] = "request", [RECORD_PRESENCE] = "presence" };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
query_kind_name(int kind)
{
	return kind > 0 && (size_t)kind < KINDS && kinds[kind] ? kinds[kind] : "";
}

int
query_kind_find(const char *name)
{
	for (size_t i = 1; i < KINDS; i++)
		if (kinds[i] && i != KIND_AUDIT && !strcmp(kinds[i], name))
			return (int)i;
	return 0;
}

bool
query_leaves_out(int kind)
{
	return kind == KIND_AUDIT;
}

/* Values */

static const char *
bare_address(struct arena *a, const char *s, struct err *e)
{
	struct jid *j = jid_parse_z(s);
	const char *out = j ? arena_strdup(a, jid_bare(j)) : NULL;

	jid_unref(j);
	if (!out)
		err_set(e, 0, "%.100s is not an address", s);
	return out;
}

static const char *
domain_name(struct arena *a, const char *s, struct err *e)
{
	char out[1024];

	if (!jid_prepare_domain(s, strlen(s), out))
		return arena_strdup(a, out);
	err_set(e, 0, "%.100s is not a domain", s);
	return NULL;
}

static const char *
foreign_address(struct arena *a, const char *s, struct err *e)
{
	char *out = arena_strdup(a, s);

	for (char *c = out; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	if (*s)
		return out;
	err_set(e, 0, "it is empty");
	return NULL;
}

int
query_time(const char *s, int64_t *us, struct err *e)
{
	char text[32];

	if (strlen(s) == 10) {
		memcpy(text, s, 10);
		memcpy(text + 10, "T00:00:00Z", 11);
		s = text;
	}
	if (!clock_parse(s, us) && *us > 0)
		return 0;
	return err_set(e, 0, "%.60s is not a time: expected 2026-01-31 or 2026-01-31T12:00:00Z", s);
}

/* A text or a list of them, each made by `make`; `least` of them at least. */
static int
read_list(const json_t *v, const char *name, struct arena *a, const char *(*make)(struct arena *, const char *, struct err *), size_t least,
	size_t most, const char *const **out, size_t *n, struct err *e)
{
	const char **list;

	*n = json_is_array(v) ? json_array_size(v) : 1;
	if (*n < least || *n > most)
		return err_set(e, 0, "%s: expected %zu to %zu", name, least, most);
	list = arena_zalloc(a, (*n + 1) * sizeof(*list));
	for (size_t i = 0; i < *n; i++) {
		const char *s = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);

		if (!s)
			return err_set(e, 0, "%s: expected a text, or a list of them", name);
		list[i] = make(a, s, e);
		if (!list[i])
			return err_prefix(e, "%s", name);
	}
	*out = list;
	return 0;
}

static int
read_kinds(const json_t *v, uint64_t *bits, struct err *e)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
		int kind = name ? query_kind_find(name) : 0;

		if (!kind)
			return err_set(e, 0, "kind: there is no kind of record called %.60s", name ? name : "that");
		*bits |= UINT64_C(1) << kind;
	}
	return 0;
}

static int
read_bool(const json_t *v, const char *name, bool *out, struct err *e)
{
	if (!json_is_boolean(v))
		return err_set(e, 0, "%s: expected true or false", name);
	*out = json_is_true(v);
	return 0;
}

static int
read_text(const json_t *v, const char *name, struct arena *a, const char **out, struct err *e)
{
	if (!json_is_string(v) || !*json_string_value(v))
		return err_set(e, 0, "%s: expected a text", name);
	if (strlen(json_string_value(v)) > QUERY_TEXT_MAX)
		return err_set(e, 0, "%s: longer than %d bytes", name, QUERY_TEXT_MAX);
	*out = arena_strdup(a, json_string_value(v));
	return 0;
}

static int
read_member(const char *key, const json_t *v, struct arena *a, struct search_query *q, struct err *e)
{
	const char *const *pair, *text;
	size_t n;

	if (!strcmp(key, "person"))
		return read_list(v, key, a, bare_address, 1, QUERY_LIST_MAX, &q->person, &q->npersons, e);
	if (!strcmp(key, "room"))
		return read_list(v, key, a, bare_address, 1, QUERY_LIST_MAX, &q->room, &q->nrooms, e);
	if (!strcmp(key, "domain"))
		return read_list(v, key, a, domain_name, 1, QUERY_LIST_MAX, &q->domain, &q->ndomains, e);
	if (!strcmp(key, "foreign"))
		return read_list(v, key, a, foreign_address, 1, QUERY_LIST_MAX, &q->foreign, &q->nforeign, e);
	if (!strcmp(key, "between")) {
		if (read_list(v, key, a, bare_address, 2, 2, &pair, &n, e))
			return -1;
		q->between[0] = pair[0];
		q->between[1] = pair[1];
		return 0;
	}
	if (!strcmp(key, "kind"))
		return read_kinds(v, &q->kinds, e);
	if (!strcmp(key, "audience"))
		return read_bool(v, key, &q->audience, e);
	if (!strcmp(key, "federated"))
		return read_bool(v, key, &q->federated, e);
	if (!strcmp(key, "has_file"))
		return read_bool(v, key, &q->has_file, e);
	if (!strcmp(key, "encrypted"))
		return read_bool(v, key, &q->encrypted, e);
	if (!strcmp(key, "words"))
		return read_text(v, key, a, &q->words, e);
	if (!strcmp(key, "file"))
		return read_text(v, key, a, &q->file_name, e);
	if (!strcmp(key, "file_hash"))
		return read_text(v, key, a, &q->file_hash, e);
	if (read_text(v, key, a, &text, e))
		return -1;
	if (!strcmp(key, "partner"))
		return (q->partner = domain_name(a, text, e)) ? 0 : -1;
	if (!strcmp(key, "since"))
		return query_time(text, &q->since_us, e);
	if (!strcmp(key, "until"))
		return query_time(text, &q->until_us, e);
	return err_set(e, 0, "there is nothing called %.60s to search by", key);
}

int
query_read(const json_t *from, struct arena *a, struct search_query *q, struct err *e)
{
	const char *key;
	json_t *v;

	*q = (struct search_query){0};
	if (!json_is_object(from))
		return err_set(e, 0, "expected an object");
	json_object_foreach((json_t *)(uintptr_t)from, key, v)
		if (read_member(key, v, a, q, e))
			return -1;
	if (q->until_us && q->until_us <= q->since_us)
		return err_set(e, 0, "until is not after since");
	if (q->audience && !q->npersons)
		return err_set(e, 0, "audience: whose? It needs a person");
	return 0;
}

/* Words */

static void
add_list(struct buf *out, const json_t *v)
{
	const json_t *item;
	size_t i;

	json_array_foreach(v, i, item)
		buf_addf(out, "%s%s", i ? ", " : "", json_is_string(item) ? json_string_value(item) : "?");
}

void
query_describe(const json_t *query, struct buf *out)
{
	static const struct {
		const char *key, *words;
	} parts[] = { { "person", "from or to " }, { "audience", "said where they were" }, { "between", "between " }, { "room", "in the room " },
		{ "domain", "of the domain " }, { "foreign", "from or to, at another network, " }, { "partner", "with the other server " }, { "federated", "with other servers" },
		{ "kind", "of the kind " }, { "since", "from " }, { "until", "before " }, { "words", "with the words " },
		{ "file", "with a file called " }, { "file_hash", "with the file of SHA-256 " }, { "has_file", "with a file" },
		{ "encrypted", "end-to-end encrypted" } };
	size_t before = buf_len(out);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const json_t *v = json_object_get(query, parts[i].key);

		if (!v || json_is_false(v))
			continue;
		buf_addf(out, "%s%s", buf_len(out) > before ? "; " : "", parts[i].words);
		if (json_is_array(v))
			add_list(out, v);
		else if (json_is_string(v))
			buf_adds(out, json_string_value(v));
	}
	if (buf_len(out) == before)
		buf_adds(out, "everything");
}
