/*
 * rsmf_event: records as events of rsmf_manifest.json. What changes another record of the file (a correction, retraction, reaction, receipt) is
 * written with that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "export/rsmf.h"
#include "xmpp/ns.h"

#define KEY_BYTES 16
#define REACTION_BYTES 120
#define REACTIONS_MAX 64   /* of one person at one message */

/* What is said in this file, by what others may call it. */
struct rsmf_said {
	uint8_t key[KEY_BYTES];
	uint64_t id, log_index;
	UT_hash_handle hh;
};

/* JSON */

json_t *
rsmf_text(const char *s)
{
	struct buf b = {0};
	json_t *v;

	conversation_show(&b, s ? s : "", false);
	v = json_string(buf_str(&b));
	buf_fini(&b);
	return v ? v : json_string("(not UTF-8)");
}

void
rsmf_dump(struct buf *out, json_t *o)
{
	char *s = json_dumps(o, JSON_COMPACT);

	if (!s)
		mem_exhausted(0);
	buf_adds(out, s);
	free(s);
	json_decref(o);
}

static json_t *
when(int64_t us)
{
	char out[32];

	return json_string(export_time(us, out));
}

static json_t *
property(const char *name, const char *value)
{
	return json_pack("{s:s,s:s}", "name", name, "value", value);
}

/* Which record this is. */
static const char *
note(const struct export_record *r, struct arena *a)
{
	char leaf[2 * SHA256_SIZE + 1];

	text_hex(r->leaf, SHA256_SIZE, leaf);
	return arena_printf(a, "%s; log index %llu; record %llu; leaf hash %s", *r->kind_name ? r->kind_name : "erased", (unsigned long long)r->log_index,
			    (unsigned long long)r->id, leaf);
}

/* What is said, by its names */

static void
make_key(char type, const char *name, uint8_t out[KEY_BYTES])
{
	struct crypt_hasher *h = crypt_hasher_new();
	uint8_t sum[SHA256_SIZE];

	crypt_hasher_add(h, &type, 1);
	crypt_hasher_add(h, name, strlen(name));
	crypt_hasher_end(h, sum);
	memcpy(out, sum, KEY_BYTES);
}

static void
say(struct rsmf_part *p, char type, const char *name, const struct export_record *r)
{
	uint8_t key[KEY_BYTES];
	struct rsmf_said *s;

	make_key(type, name, key);
	HASH_FIND(hh, p->said, key, KEY_BYTES, s);
	if (!s) {
		s = NEW(struct rsmf_said);
		memcpy(s->key, key, KEY_BYTES);
		HASH_ADD(hh, p->said, key, KEY_BYTES, s);
	}
	s->id = r->id;
	s->log_index = r->log_index;
}

static const struct rsmf_said *
find(const struct rsmf_part *p, char type, const char *name)
{
	uint8_t key[KEY_BYTES];
	struct rsmf_said *s;

	make_key(type, name, key);
	HASH_FIND(hh, p->said, key, KEY_BYTES, s);
	return s;
}

static const struct rsmf_said *
find_id(const struct rsmf_part *p, uint64_t id)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
	return find(p, 'i', number);
}

/* As its sender called it, or by the id that the server gave. */
static const struct rsmf_said *
find_named(const struct rsmf_part *p, const char *name)
{
	const struct rsmf_said *s = find(p, 'c', name);

	return s ? s : find(p, 'i', name);
}

void
rsmf_forget(struct rsmf_part *p)
{
	struct rsmf_said *s, *next;

	HASH_ITER(hh, p->said, s, next) {
		HASH_DEL(p->said, s);
		free(s);
	}
	free(p->changes);
}

/* Changes */

static json_t *
reactions_of(const struct export_record *r, struct arena *a)
{
	const struct elem *all = r->stanza ? elem_child(r->stanza, NS_REACTIONS, "reactions") : NULL, *c;
	json_t *out = json_array();

	for (c = all ? elem_child(all, NS_REACTIONS, "reaction") : NULL; c && json_array_size(out) < REACTIONS_MAX;
	     c = elem_next(c, NS_REACTIONS, "reaction")) {
		const char *line = conversation_line(a, elem_text(c, a), REACTION_BYTES);

		if (*line)
			json_array_append_new(out, json_string(line));
	}
	return out;
}

static const char *
action_of(const struct export_record *r)
{
	const struct elem *st = r->stanza;

	return st && (elem_child(st, NS_MARKERS, "displayed") || elem_child(st, NS_MARKERS, "acknowledged")) ? "read" : "delivered";
}

static int
keep_change(struct rsmf_part *p, const struct export_record *r, uint64_t target, struct err *e)
{
	json_t *o = json_pack("{s:i,s:s,s:o,s:s}", "kind", (int)r->kind, "note", note(r, p->arena), "timestamp", when(r->at_us), "participant", "");
	char tag[20];
	size_t n;

	conversation_tag(r->from.bare, tag);
	json_object_set_new(o, "participant", json_string(tag));
	if (r->kind == RECORD_CORRECTION)
		json_object_set_new(o, "new", rsmf_text(r->body));
	else if (r->kind == RECORD_REACTION)
		json_object_set_new(o, "values", reactions_of(r, p->arena));
	else if (r->kind == RECORD_RECEIPT)
		json_object_set_new(o, "action", json_string(action_of(r)));
	rsmf_dump(&p->line, o);
	n = buf_len(&p->line);
	if (fwrite(buf_data(&p->line), n, 1, p->changes_file) != 1)
		return err_set(e, EIO, "what is kept beside the export cannot be written");
	buf_clear(&p->line);
	if ((p->nchanges & (p->nchanges - 1)) == 0)
		p->changes = mem_realloc(p->changes, (p->nchanges ? 2 * p->nchanges : 1) * sizeof(*p->changes));
	p->changes[p->nchanges++] = (struct rsmf_change){ .target = target, .id = r->id, .offset = p->changes_bytes, .len = n };
	p->changes_bytes += (long)n;
	return 0;
}

int
rsmf_learn(struct rsmf_part *p, const struct export_record *r, struct err *e)
{
	const struct rsmf_said *said = NULL;
	const struct export_target *t;
	char number[24];

	if (export_group_target(p->group, r, &t, e))
		return -1;
	if (t)
		said = find_id(p, t->id);
	else if (r->kind == RECORD_RECEIPT && r->refers_to)
		said = find_named(p, r->refers_to);
	if (said && r->from.bare) {
		p->nested[p->n] = true;
		return keep_change(p, r, said->id, e);
	}
	p->events++;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)r->id);
	say(p, 'i', number, r);
	if (r->client_id)
		say(p, 'c', r->client_id, r);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct rsmf_change *x = a, *y = b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void
rsmf_sort(struct rsmf_part *p)
{
	if (p->nchanges)
		qsort(p->changes, p->nchanges, sizeof(*p->changes), compare);
}

/* The first one of a record; *n: how many. */
static const struct rsmf_change *
changes_of(const struct rsmf_part *p, uint64_t target, size_t *n)
{
	size_t lo = 0, hi = p->nchanges, end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->changes[mid].target < target)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo; end < p->nchanges && p->changes[end].target == target; end++)
		;
	*n = end - lo;
	return p->changes + lo;
}

static json_t *
load(struct rsmf_part *p, const struct rsmf_change *c, struct err *e)
{
	char *text = mem_alloc(c->len);
	json_t *o = NULL;

	if (fseek(p->changes_file, c->offset, SEEK_SET) || fread(text, c->len, 1, p->changes_file) != 1)
		err_set(e, EIO, "what is kept beside the export cannot be read again");
	else if ((o = json_loadb(text, c->len, 0, NULL)) == NULL)
		err_set(e, 0, "what is kept beside the export is damaged");
	free(text);
	return o;
}

static int
kind_of(const json_t *change)
{
	return (int)json_integer_value(json_object_get(change, "kind"));
}

/* Events */

struct event {
	json_t *is;            /* all but edits */
	json_t *custom, *receipts, *reactions; /* its members; reactions: by who reacted */
	json_t *first, *last;  /* its words before and after the changes; `last` NULL: there is no correction */
};

static void
add_change(struct event *v, const json_t *c)
{
	const char *who = json_string_value(json_object_get(c, "participant"));

	json_array_append_new(v->custom, property("Changed by", json_string_value(json_object_get(c, "note"))));
	switch (kind_of(c)) {
	case RECORD_CORRECTION:
		json_decref(v->last);
		v->last = json_incref(json_object_get(c, "new"));
		break;
	case RECORD_REACTION:
		/* XEP-0444 §4: each replaces what the same person said before. */
		json_object_set(v->reactions, who, json_object_get(c, "values"));
		break;
	case RECORD_RECEIPT:
		json_array_append_new(v->receipts, json_pack("{s:s,s:O,s:O}", "participant", who, "timestamp", json_object_get(c, "timestamp"), "action",
							     json_object_get(c, "action")));
		break;
	default:
		json_object_set_new(v->is, "deleted", json_true());
	}
}

/* By what they say: who, and how many. */
static json_t *
count_reactions(const json_t *by_person)
{
	json_t *all = json_object(), *out = json_array(), *values, *value, *people;
	const char *who, *text;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)by_person, who, values)
		json_array_foreach(values, i, value) {
			text = json_string_value(value);
			people = json_object_get(all, text);
			if (!people) {
				people = json_array();
				json_object_set_new(all, text, people);
			}
			json_array_append_new(people, json_string(who));
		}
	json_object_foreach(all, text, people)
		json_array_append_new(out, json_pack("{s:s,s:I,s:O}", "value", text, "count", (json_int_t)json_array_size(people), "participants", people));
	json_decref(all);
	return out;
}

static const char *
type_of(const struct export_record *r)
{
	if (r->erased)
		return "unknown";
	if (conversation_is_words(r))
		return "message";
	return r->kind == RECORD_ROOM_ENTER ? "join" : r->kind == RECORD_ROOM_LEAVE ? "leave" : "unknown";
}

/* Words; or what its sender did, where there are none. */
static json_t *
body_of(const struct export_record *r, struct arena *a)
{
	const char *deed = conversation_deed(r, a);

	if (r->erased)
		return json_string("(erased)");
	if (r->body && (conversation_is_words(r) || !*deed))
		return rsmf_text(r->body);
	return r->body ? rsmf_text(arena_printf(a, "%s: %s", deed, r->body)) : json_string(deed);
}

static void
add_files(struct rsmf_part *p, struct event *v, const struct export_record *r)
{
	json_t *list = json_array();
	struct buf line = {0};

	for (size_t i = 0; i < r->nfiles; i++) {
		const struct export_file *f = &r->files[i];
		const char *name = f->path ? strrchr(f->path, '/') + 1 : NULL;
		int fd;
		enum attached_how how = attached_take(p->attached, p->x, f, &fd);

		if (how == ATTACHED_NOT) {
			conversation_file(&line, f);
			json_array_append_new(v->custom, property("File that is not in rsmf.zip", buf_str(&line)));
			buf_clear(&line);
			continue;
		}
		if (how == ATTACHED_NOW) {
			p->file[p->nfiles].content = fdopen(fd, "r");
			p->file[p->nfiles++].name = arena_strdup(p->x->turn, name);
		}
		json_array_append_new(list, json_pack("{s:s,s:o,s:I}", "id", name, "display", rsmf_text(f->name), "size", (json_int_t)f->size));
		p->attachments++;
	}
	buf_fini(&line);
	if (json_array_size(list))
		json_object_set(v->is, "attachments", list);
	json_decref(list);
}

static int
flush(struct rsmf_part *p, struct err *e)
{
	size_t n = buf_len(&p->line);
	int rc = n > 0 && fwrite(buf_data(&p->line), n, 1, p->manifest) != 1 ? err_set(e, EIO, "what is kept beside the export cannot be written") : 0;

	buf_clear(&p->line);
	return rc;
}

/* The record as it was, without what came later. */
static void
make_event(struct rsmf_part *p, struct event *v, const struct export_record *r, const struct export_target *t)
{
	const char *answers = conversation_answers(r);
	const struct rsmf_said *parent = answers ? find_named(p, answers) : t ? find_id(p, t->id) : NULL;
	char tag[20], time[32];

	*v = (struct event){ .custom = json_array(), .receipts = json_array(), .reactions = json_object(), .first = body_of(r, p->arena) };
	v->is = json_pack("{s:o,s:s,s:s,s:o}", "id", json_sprintf("r%llu", (unsigned long long)r->log_index), "type", type_of(r), "conversation",
			  p->conversation, "timestamp", when(r->at_us));
	if (r->from.bare) {
		conversation_tag(r->from.bare, tag);
		json_object_set_new(v->is, "participant", json_string(tag));
	}
	if (parent && parent->id < r->id)
		json_object_set_new(v->is, "parent", json_sprintf("r%llu", (unsigned long long)parent->log_index));
	if (r->erased)
		json_object_set_new(v->is, "deleted", json_true());
	json_array_append_new(v->custom, property("Record", note(r, p->arena)));
	if (t)
		json_array_append_new(v->custom, property("About", arena_printf(p->arena, "log index %llu, of %s", (unsigned long long)t->log_index,
										   export_time(t->at_us, time))));
	/* What it corrects is in another file. */
	if (t && r->kind == RECORD_CORRECTION && t->body) {
		v->last = json_incref(v->first);
		json_decref(v->first);
		v->first = rsmf_text(t->body);
	}
	add_files(p, v, r);
}

static void
add_edit(struct rsmf_part *p, const char *before, const json_t *participant, const json_t *timestamp, json_t *previous, json_t *words)
{
	json_t *o = json_pack("{s:O,s:O,s:O,s:O}", "participant", participant, "timestamp", timestamp, "previous", previous, "new", words);

	buf_adds(&p->line, before);
	rsmf_dump(&p->line, o);
}

/* One correction after the other: at most two texts are in memory. */
static int
write_edits(struct rsmf_part *p, const struct event *v, const struct export_record *r, const struct rsmf_change *c, size_t n, struct err *e)
{
	json_t *previous = json_incref(v->first), *change;
	const char *before = "";

	buf_adds(&p->line, ",\"edits\":[");
	if (r->kind == RECORD_CORRECTION && v->first != v->last && json_object_get(v->is, "participant")) {
		json_t *own = body_of(r, p->arena);

		add_edit(p, before, json_object_get(v->is, "participant"), json_object_get(v->is, "timestamp"), previous, own);
		json_decref(previous);
		previous = own;
		before = ",";
	}
	for (size_t i = 0; i < n; i++) {
		change = load(p, &c[i], e);
		if (!change) {
			json_decref(previous);
			return -1;
		}
		if (kind_of(change) == RECORD_CORRECTION) {
			add_edit(p, before, json_object_get(change, "participant"), json_object_get(change, "timestamp"), previous,
				 json_object_get(change, "new"));
			json_decref(previous);
			previous = json_incref(json_object_get(change, "new"));
			before = ",";
		}
		json_decref(change);
		if (flush(p, e)) {
			json_decref(previous);
			return -1;
		}
	}
	json_decref(previous);
	buf_addc(&p->line, ']');
	return 0;
}

static int
add_changes(struct rsmf_part *p, struct event *v, const struct rsmf_change *c, size_t n, struct err *e)
{
	json_t *change;

	for (size_t i = 0; i < n; i++) {
		change = load(p, &c[i], e);
		if (!change)
			return -1;
		add_change(v, change);
		json_decref(change);
	}
	return 0;
}

static int
write_event(struct rsmf_part *p, struct event *v, const struct export_record *r, const struct rsmf_change *c, size_t n, struct err *e)
{
	json_object_set(v->is, "body", v->last ? v->last : v->first);
	json_object_set(v->is, "custom", v->custom);
	if (json_array_size(v->receipts))
		json_object_set(v->is, "read_receipts", v->receipts);
	if (json_object_size(v->reactions))
		json_object_set_new(v->is, "reactions", count_reactions(v->reactions));
	rsmf_dump(&p->line, json_incref(v->is));
	/* The object goes on. */
	p->line.len--;
	if (v->last && write_edits(p, v, r, c, n, e))
		return -1;
	buf_addc(&p->line, '}');
	return flush(p, e);
}

int
rsmf_write_event(struct rsmf_part *p, const struct export_record *r, const struct export_target *t, struct err *e)
{
	struct event v;
	const struct rsmf_change *c;
	size_t n;
	int rc;

	make_event(p, &v, r, t);
	c = changes_of(p, r->id, &n);
	rc = add_changes(p, &v, c, n, e);
	if (p->written++)
		buf_adds(&p->line, ",\n");
	if (!rc)
		rc = write_event(p, &v, r, c, n, e);
	json_decref(v.is);
	json_decref(v.custom);
	json_decref(v.receipts);
	json_decref(v.reactions);
	json_decref(v.first);
	json_decref(v.last);
	return rc;
}
