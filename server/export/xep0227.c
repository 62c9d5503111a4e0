/*
 * xep0227: what people wrote and were sent, as other servers import it (XEP-0227): xep0227/ADDRESS.xml for each person of ours, a document by
 * itself with one host, one user and their archive (§5.9).
 *
 * The archive is the person's view of it: messages, corrections, retractions, reactions, receipts between two ends. What is said in rooms is theirs
 * and not of a person; XEP-0227 has no place for it. An erased record is <erased/> of a namespace of ours, which importers skip.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "export/formats.h"
#include "proof/bundle.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define FOLDER "xep0227/"
#define NAME_MAX_BYTES 200
#define STAMP 40

static void
attribute(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addf(b, " %s='", name);
	serialize_attr(b, value, strlen(value));
	buf_addc(b, '\'');
}

/* Named by the address, as other programs look for it, where that can be a file's name. */
static const char *
file_name(struct export_context *x, const struct export_group *g)
{
	const char *name = arena_printf(x->turn, FOLDER "%s.xml", g->conversation);

	if (strlen(name) <= NAME_MAX_BYTES && !strchr(g->conversation, '/') && bundle_name_is_safe(name, strlen(name)) && !bundle_has(x->out, name))
		return name;
	return arena_printf(x->turn, FOLDER "%s.xml", g->stem);
}

/* XEP-0082, with microseconds: records of one second keep their order. */
static void
delay(struct buf *b, const struct export_record *r)
{
	char at[32], stamp[STAMP];
	int fraction = (int)(r->at_us % 1000000);

	export_time(r->at_us, at);
	snprintf(stamp, sizeof(stamp), "%.19s.%06dZ", at, fraction < 0 ? 0 : fraction);
	buf_adds(b, "<delay xmlns='urn:xmpp:delay'");
	attribute(b, "stamp", stamp);
	buf_adds(b, "/>");
}

static void
address(struct buf *b, const char *name, const char *bare, const char *resource)
{
	if (!bare)
		return;
	buf_addf(b, " %s='", name);
	serialize_attr(b, bare, strlen(bare));
	if (resource) {
		buf_addc(b, '/');
		serialize_attr(b, resource, strlen(resource));
	}
	buf_addc(b, '\'');
}

/* The stanza between its ends: addresses are those of the record, whatever stands in it. */
static void
message(struct buf *b, const struct export_record *r)
{
	buf_adds(b, "<message xmlns='jabber:client'");
	address(b, "from", r->from_bare, r->from_resource);
	address(b, "to", r->to_bare, r->to_resource);
	attribute(b, "type", elem_get(r->stanza, "type"));
	attribute(b, "id", elem_get(r->stanza, "id"));
	attribute(b, "xml:lang", elem_lang(r->stanza));
	buf_addc(b, '>');
	for (const struct elem *c = elem_first(r->stanza); c; c = elem_next(c, NULL, NULL))
		serialize_elem(b, c, NS_CLIENT);
	buf_adds(b, "</message>");
}

static bool
belongs(const struct export_record *r)
{
	switch (r->kind) {
	case RECORD_MESSAGE:
	case RECORD_CORRECTION:
	case RECORD_RETRACTION:
	case RECORD_REACTION:
	case RECORD_RECEIPT:
	case RECORD_ANNOUNCEMENT:
		return r->stanza && r->place == EXPORT_PAIR && !strcmp(r->stanza->name, "message");
	default:
		return false;
	}
}

static void
erased(struct buf *b, const struct export_record *r)
{
	char leaf[2 * SHA256_SIZE + 1];

	text_hex(r->leaf, SHA256_SIZE, leaf);
	buf_addf(b, "<erased xmlns='urn:chancery:export:0' id='%" PRIu64 "' log-index='%" PRIu64 "' leaf='%s'/>\n", r->id, r->log_index, leaf);
}

static void
result(struct buf *b, const struct export_record *r)
{
	buf_addf(b, "<result xmlns='urn:xmpp:mam:2' id='%" PRIu64 "'><forwarded xmlns='urn:xmpp:forward:0'>", r->id);
	delay(b, r);
	message(b, r);
	buf_adds(b, "</forwarded></result>\n");
}

static void
head(struct buf *b, const char *person)
{
	const char *at = strchr(person, '@');
	size_t n = at ? (size_t)(at - person) : 0;

	buf_adds(b, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>\n<host");
	attribute(b, "jid", at ? at + 1 : person);
	buf_adds(b, ">\n<user name='");
	serialize_attr(b, person, n);
	buf_adds(b, "'>\n<archive xmlns='urn:xmpp:pie:0#mam'>\n");
}

static int
records(struct export_context *x, struct export_group *g, struct buf *b, struct err *e)
{
	const struct export_record *r;
	int rc;

	export_group_rewind(g);
	while ((rc = export_group_next(g, &r, e)) > 0) {
		if (r->erased)
			erased(b, r);
		else if (belongs(r))
			result(b, r);
		if (bundle_write(x->out, buf_data(b), buf_len(b), e))
			return -1;
		buf_clear(b);
	}
	return rc;
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	struct buf b = {0};
	int rc;

	(void)state;
	/* Nobody of ours: all that is left of them is erased, and there is no telling whose it was. */
	if (!*g->conversation)
		return 0;
	head(&b, g->conversation);
	rc = bundle_open(x->out, file_name(x, g), false, e) || records(x, g, &b, e) ||
		bundle_puts(x->out, "</archive>\n</user>\n</host>\n</server-data>\n", e) || bundle_close(x->out, e);
	buf_fini(&b);
	return rc ? -1 : 0;
}

const struct export_format export_xep0227 = {
	.name = "xep0227", .about = "for other servers: an archive for each person", .order = EXPORT_BY_PERSON, .group = group,
};
