/*
 * write: stanzas as text. Whatever is written here passes gateway_text_add, so no stranger's bytes can break the stream.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/priv.h"
#include "gateway/text.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define RESOURCE_BYTES 600 /* of 1,023, with room for what is put in the place of characters */
#define NOTE_BYTES 2048 /* of what a stranger says beside the text */

static struct buf scratch;

void
write_attr(struct buf *b, const char *name, const char *value)
{
	write_attr_cut(b, name, value, SIZE_MAX);
}

void
write_attr_cut(struct buf *b, const char *name, const char *value, size_t max)
{
	if (!value)
		return;
	buf_addc(b, ' ');
	buf_adds(b, name);
	buf_adds(b, "='");
	gateway_text_add(b, value, strlen(value), max);
	buf_addc(b, '\'');
}

void
write_chars(struct buf *b, const char *text)
{
	gateway_text_add(b, text, strlen(text), SIZE_MAX);
}

static void
write_close(struct buf *b, const char *name)
{
	buf_adds(b, "</");
	buf_adds(b, name);
	buf_addc(b, '>');
}

void
write_text(struct buf *b, const char *name, const char *ns, const char *text)
{
	if (!text)
		return;
	buf_addc(b, '<');
	buf_adds(b, name);
	write_attr(b, "xmlns", ns);
	buf_addc(b, '>');
	gateway_text_add(b, text, strlen(text), SIZE_MAX);
	write_close(b, name);
}

/* Each character that an address can carry by itself (RFC 8265 §4.2), or that is ASCII; U+FFFD for the others. */
static void
mend_resource(const char *s, bool ascii, struct buf *out)
{
	char prepared[1024];

	buf_clear(out);
	for (size_t n; *s; s += n) {
		for (n = 1; ((unsigned char)s[n] & 0xc0) == 0x80; n++)
			;
		if (n == 1 || (!ascii && !jid_prepare_resource(s, n, prepared)))
			buf_add(out, s, n);
		else
			buf_adds(out, "\xef\xbf\xbd");
	}
}

/* The names that strangers give themselves need not be such as can be in an address: chanceryd would end the stream, again and again. */
static void
add_resource(struct buf *b, const char *resource)
{
	char *clean = gateway_text_clean(resource, RESOURCE_BYTES, true), prepared[1024];
	struct buf mended = { 0 };

	buf_adds(&mended, clean);
	for (int ascii = 0; ascii < 2 && jid_prepare_resource(buf_str(&mended), buf_len(&mended), prepared); ascii++)
		mend_resource(clean, ascii, &mended);
	gateway_text_add(b, buf_str(&mended), buf_len(&mended), SIZE_MAX);
	buf_fini(&mended);
	free(clean);
}

void
write_from(struct gateway *g, struct buf *b, const char *name, const char *local, const char *resource)
{
	buf_addc(b, '<');
	buf_adds(b, name);
	buf_adds(b, " from='");
	if (local) {
		gateway_text_add(b, local, strlen(local), SIZE_MAX);
		buf_addc(b, '@');
	}
	buf_adds(b, g->start.domain);
	if (resource && *resource) {
		buf_addc(b, '/');
		add_resource(b, resource);
	}
	buf_addc(b, '\'');
}

struct buf *
write_start(struct gateway *g, const char *name, const char *local, const char *resource, const char *to, const char *type, const char *id)
{
	struct buf *b = &scratch;

	buf_clear(b);
	write_from(g, b, name, local, resource);
	write_attr(b, "to", to);
	write_attr(b, "type", type);
	write_attr(b, "id", id);
	buf_addc(b, '>');
	return b;
}

void
write_send(struct gateway *g, const char *name, link_stored_fn *fn, void *arg)
{
	write_close(&scratch, name);
	link_send(g, buf_data(&scratch), buf_len(&scratch), fn, arg);
}

void
send_stanza(struct gateway *g, struct stanza *st)
{
	if (!st)
		return;
	buf_clear(&scratch);
	serialize_stanza(&scratch, st, NS_COMPONENT, NULL);
	link_send(g, buf_data(&scratch), buf_len(&scratch), NULL, NULL);
	stanza_unref(st);
}

void
write_end(void)
{
	buf_fini(&scratch);
}

struct stanza *
iq_result(const struct stanza *iq)
{
	struct stanza *r = stanza_new(NS_COMPONENT, "iq");

	elem_set(r, r->root, "type", "result");
	elem_set(r, r->root, "id", elem_get(iq->root, "id"));
	elem_set(r, r->root, "to", elem_get(iq->root, "from"));
	elem_set(r, r->root, "from", elem_get(iq->root, "to"));
	return r;
}

void
refuse(struct gateway *g, const struct stanza *st, struct ticket *t, enum xerror e, const char *text)
{
	send_stanza(g, xerror_reply(st, e, NULL, text));
	ledger_done(&g->ledger, t);
}

/* The generator costs as much for sixteen bytes as for a thousand, more than all else about a message. */
void
random_id(char out[33])
{
	static unsigned char drawn[1024];
	static size_t left;

	if (!left) {
		crypt_random(drawn, sizeof(drawn));
		left = sizeof(drawn);
	}
	left -= 16;
	text_hex(drawn + left, 16, out);
}

void
stable_id(char out[40], const char *a, const char *b, const char *c)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	struct buf all = { 0 };

	for (const char *const *p = (const char *const[]){ a, b, c }, *const *end = p + 3; p < end; p++)
		buf_add(&all, *p ? *p : "", *p ? strlen(*p) + 1 : 1);
	crypt_sha256(buf_data(&all), buf_len(&all), hash);
	text_hex(hash, 16, out);
	buf_fini(&all);
}

void
write_foreign(struct gateway *g, struct buf *b, const struct gateway_incoming *in, const char *id)
{
	char at[32];

	buf_adds(b, "<foreign xmlns='" NS_GATEWAY_TEXT "'");
	write_attr_cut(b, "network", in->network ? in->network : g->start.name, NOTE_BYTES);
	write_attr(b, "kind", g->net->kind);
	write_attr_cut(b, "address", in->foreign ? in->foreign : in->from ? in->from : "", NOTE_BYTES);
	write_attr_cut(b, "id", id, NOTE_BYTES);
	if (in->at_us)
		write_attr(b, "at", clock_format(in->at_us, at));
	write_attr_cut(b, "note", in->note, NOTE_BYTES);
	buf_adds(b, "/>");
}
