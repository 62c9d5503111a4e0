/*
 * conversation: who took part. A hash of each address is kept in memory, address and name in a scratch file.
 */
#include "export/conversation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#define TAG_BYTES 8

struct known {
	uint8_t hash[TAG_BYTES];
	uint64_t number;       /* among the people */
	UT_hash_handle hh;
};

/* What is in the scratch file in front of address and name, each with its NUL. */
struct row {
	uint32_t bare, name;
	uint32_t ours;
};

struct conversation {
	struct conversation_counts counts;
	struct known *known;
	uint64_t *sent;        /* by number */
	size_t room;
	FILE *names;
	uint64_t at;           /* the next one that is read */
	struct buf text;
	struct conversation_person person;
};

static void
hash_of(const char *bare, uint8_t out[TAG_BYTES])
{
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(bare, strlen(bare), sum);
	memcpy(out, sum, TAG_BYTES);
}

void
conversation_tag(const char *bare, char out[20])
{
	uint8_t hash[TAG_BYTES];

	hash_of(bare, hash);
	memcpy(out, "p-", 2);
	text_hex(hash, sizeof(hash), out + 2);
}

static int
failed(struct err *e)
{
	return err_set(e, errno, "what is kept beside the export: %s", strerror(errno));
}

static int
write_name(struct conversation *c, const struct export_person *p, struct err *e)
{
	struct row row = { .bare = (uint32_t)strlen(p->bare) + 1, .name = (uint32_t)strlen(p->name) + 1, .ours = p->ours };

	if (fwrite(&row, sizeof(row), 1, c->names) != 1 || fwrite(p->bare, row.bare, 1, c->names) != 1 ||
	    fwrite(p->name, row.name, 1, c->names) != 1)
		return failed(e);
	return 0;
}

static int
add_person(struct conversation *c, const struct export_person *p, bool sent, struct err *e)
{
	uint8_t hash[TAG_BYTES];
	struct known *k;

	if (!p->bare)
		return 0;
	hash_of(p->bare, hash);
	HASH_FIND(hh, c->known, hash, TAG_BYTES, k);
	if (!k && c->counts.people == CONVERSATION_PEOPLE) {
		c->counts.left_out++;
		return 0;
	}
	if (!k) {
		k = NEW(struct known);
		memcpy(k->hash, hash, TAG_BYTES);
		k->number = c->counts.people++;
		HASH_ADD(hh, c->known, hash, TAG_BYTES, k);
		if (k->number == c->room) {
			c->room = c->room ? 2 * c->room : 16;
			c->sent = mem_realloc(c->sent, c->room * sizeof(*c->sent));
		}
		c->sent[k->number] = 0;
		if (write_name(c, p, e))
			return -1;
	}
	c->sent[k->number] += sent;
	return 0;
}

int
conversation_add(struct conversation *c, const struct export_record *r, struct err *e)
{
	struct conversation_counts *n = &c->counts;

	n->first_us = !n->records || r->at_us < n->first_us ? r->at_us : n->first_us;
	n->last_us = !n->records || r->at_us > n->last_us ? r->at_us : n->last_us;
	n->records++;
	n->messages += conversation_is_words(r);
	n->erased += r->erased;
	n->files += r->nfiles;
	memcpy(n->last_leaf, r->leaf, SHA256_SIZE);
	if (add_person(c, &r->from, true, e))
		return -1;
	/* What is said in a room goes to the room, which is nobody. */
	if (r->place == EXPORT_ROOM && r->to.bare && !strcmp(r->to.bare, r->conversation))
		return 0;
	return add_person(c, &r->to, false, e);
}

struct conversation *
conversation_new(struct export_context *x, struct err *e)
{
	struct conversation *c = NEW(struct conversation);

	c->names = export_scratch(x, e);
	if (c->names)
		return c;
	conversation_free(c);
	return NULL;
}

struct conversation *
conversation_read(struct export_context *x, struct export_group *g, struct err *e)
{
	struct conversation *c = conversation_new(x, e);
	const struct export_record *r;
	int rc = c ? 1 : -1;

	export_group_rewind(g);
	while (rc > 0 && (rc = export_group_next(g, &r, e)) > 0)
		if (conversation_add(c, r, e))
			rc = -1;
	if (!rc && !conversation_rewind(c, e))
		return c;
	conversation_free(c);
	return NULL;
}

void
conversation_free(struct conversation *c)
{
	struct known *k, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->known, k, next) {
		HASH_DEL(c->known, k);
		free(k);
	}
	if (c->names)
		(void)fclose(c->names);
	buf_fini(&c->text);
	free(c->sent);
	free(c);
}

const struct conversation_counts *
conversation_counts(const struct conversation *c)
{
	return &c->counts;
}

int
conversation_rewind(struct conversation *c, struct err *e)
{
	c->at = 0;
	return fflush(c->names) || fseek(c->names, 0, SEEK_SET) ? failed(e) : 0;
}

int
conversation_next(struct conversation *c, const struct conversation_person **p, struct err *e)
{
	struct conversation_person *out = &c->person;
	struct row row;
	char *text;

	*p = NULL;
	if (c->at == c->counts.people)
		return 0;
	errno = EIO;
	if (fread(&row, sizeof(row), 1, c->names) != 1)
		return failed(e);
	buf_clear(&c->text);
	text = buf_reserve(&c->text, (size_t)row.bare + row.name);
	if (fread(text, (size_t)row.bare + row.name, 1, c->names) != 1)
		return failed(e);
	*out = (struct conversation_person){ .bare = text, .name = text + row.bare, .ours = row.ours, .sent = c->sent[c->at++] };
	conversation_tag(out->bare, out->tag);
	*p = out;
	return 0;
}
