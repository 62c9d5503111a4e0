/*
 * mail: GMime, from and to scratch files.
 */
#include "export/mail.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "export/conversation.h"

#define ADDRESS_MAX 320
#define NAME_MAX_SHOWN 120
#define PIECE 65536

struct mail {
	GMimeMessage *message;
	GMimeMultipart *parts;
	struct arena *arena;
};

void
mail_setup(void)
{
	g_mime_init();
}

struct mail *
mail_new(const void *key, size_t n)
{
	struct mail *m = NEW(struct mail);
	uint8_t sum[SHA256_SIZE];
	char boundary[2 * SHA256_SIZE + 3] = "=_";

	m->arena = arena_new(0);
	m->message = g_mime_message_new(TRUE);
	m->parts = g_mime_multipart_new_with_subtype("mixed");
	crypt_sha256(key, n, sum);
	/* 20 bytes are as good, and the line stays short. */
	text_hex(sum, 20, boundary + 2);
	g_mime_multipart_set_boundary(m->parts, boundary);
	g_mime_message_set_mime_part(m->message, GMIME_OBJECT(m->parts));
	return m;
}

void
mail_free(struct mail *m)
{
	if (!m)
		return;
	g_object_unref(m->parts);
	g_object_unref(m->message);
	arena_free(m->arena);
	free(m);
}

/* Addresses */

/* RFC 5322 §3.2.3: atext, and the dot where it may be. "%" is what encodes. */
static void
add_atom(struct buf *b, const char *s, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && c != '%' && strchr("!#$&'*+-/=?^_`{|}~", c)) ||
			(c == '.' && i > 0 && i + 1 < n && s[i - 1] != '.');

		if (plain) {
			buf_addc(b, (char)c);
		} else {
			buf_addc(b, '%');
			buf_addc(b, hex[c >> 4]);
			buf_addc(b, hex[c & 15]);
		}
	}
}

const char *
mail_address(struct arena *a, const char *bare)
{
	const char *at = strchr(bare, '@'), *domain = at ? at + 1 : bare, *out;
	struct buf b = {0};
	char tag[20];

	if (at)
		add_atom(&b, bare, (size_t)(at - bare));
	else
		buf_addc(&b, '%');
	buf_addc(&b, '@');
	add_atom(&b, domain, strlen(domain));
	conversation_tag(bare, tag);
	out = buf_len(&b) <= ADDRESS_MAX ? arena_strdup(a, buf_str(&b)) : arena_printf(a, "%s@too-long.invalid", tag);
	buf_fini(&b);
	return out;
}

static void
add_mailbox(struct mail *m, GMimeAddressType type, const char *name, const char *address)
{
	const char *line = name ? conversation_line(m->arena, name, NAME_MAX_SHOWN) : NULL;
	InternetAddress *who = internet_address_mailbox_new(line, address);

	internet_address_set_charset(who, "utf-8");
	internet_address_list_add(g_mime_message_get_addresses(m->message, type), who);
	g_object_unref(who);
}

void
mail_set_from(struct mail *m, const char *name, const char *address)
{
	add_mailbox(m, GMIME_ADDRESS_TYPE_FROM, name, address);
}

void
mail_add_to(struct mail *m, const char *name, const char *address)
{
	add_mailbox(m, GMIME_ADDRESS_TYPE_TO, name, address);
}

/* Other headers */

void
mail_set_date(struct mail *m, int64_t us)
{
	GDateTime *when = g_date_time_new_from_unix_utc(us / 1000000);

	if (!when)
		return;
	g_mime_message_set_date(m->message, when);
	g_date_time_unref(when);
}

void
mail_set_id(struct mail *m, const char *id)
{
	g_mime_message_set_message_id(m->message, id);
}

void
mail_add_header(struct mail *m, const char *name, const char *value)
{
	if (!strcmp(name, "Subject"))
		g_mime_message_set_subject(m->message, conversation_line(m->arena, value, MAIL_LINE), "utf-8");
	else
		g_mime_header_list_append(g_mime_object_get_header_list(GMIME_OBJECT(m->message)), name,
					  conversation_line(m->arena, value, MAIL_LINE), "utf-8");
}

/* Parts */

static GMimePart *
add_part(struct mail *m, const char *type, const char *subtype, GMimeStream *content, GMimeContentEncoding encoding)
{
	GMimePart *part = g_mime_part_new_with_type(type, subtype);
	GMimeDataWrapper *data = g_mime_data_wrapper_new_with_stream(content, GMIME_CONTENT_ENCODING_DEFAULT);

	g_mime_part_set_content(part, data);
	g_mime_part_set_content_encoding(part, encoding);
	g_mime_multipart_add(m->parts, GMIME_OBJECT(part));
	g_object_unref(data);
	g_object_unref(content);
	return part;
}

void
mail_set_text(struct mail *m, FILE *text)
{
	GMimePart *part;

	part = add_part(m, "text", "plain", g_mime_stream_file_new_with_bounds(text, 0, -1), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
	g_object_unref(part);
}

/* In base64, so that every byte stays; of the type's parameters none: what they say of the encoding of texts is not sure. */
static void
attach(struct mail *m, const char *name, const char *type, GMimeStream *content)
{
	const char *slash = text_is_media_type(type) ? strchr(type, '/') : NULL;
	GMimePart *part;

	if (slash && (!strncasecmp(type, "message/", 8) || !strncasecmp(type, "multipart/", 10)))
		slash = NULL;
	part = add_part(m, slash ? arena_strndup(m->arena, type, (size_t)(slash - type)) : "application",
			slash ? arena_strndup(m->arena, slash + 1, strcspn(slash + 1, "; \t")) : "octet-stream", content, GMIME_CONTENT_ENCODING_BASE64);
	g_mime_object_set_disposition(GMIME_OBJECT(part), GMIME_DISPOSITION_ATTACHMENT);
	g_mime_part_set_filename(part, name);
	g_object_unref(part);
}

void
mail_attach_scratch(struct mail *m, const char *name, const char *type, FILE *content)
{
	attach(m, name, type, g_mime_stream_file_new_with_bounds(content, 0, -1));
}

void
mail_attach_fd(struct mail *m, const char *name, const char *type, int fd)
{
	attach(m, name, type, g_mime_stream_fs_new(fd));
}

/* Out */

static int
render(struct mail *m, FILE *to, struct err *e)
{
	GMimeFormatOptions *how = g_mime_format_options_new();
	GMimeStream *out = g_mime_stream_file_new(to);
	int rc = 0;

	/* RFC 5322 §2.1: CRLF. */
	g_mime_format_options_set_newline_format(how, GMIME_NEWLINE_FORMAT_DOS);
	g_mime_stream_file_set_owner(GMIME_STREAM_FILE(out), FALSE);
	errno = 0;
	if (g_mime_object_write_to_stream(GMIME_OBJECT(m->message), how, out) < 0 || g_mime_stream_flush(out) < 0 || ferror(to))
		rc = err_set(e, errno, "a mail of the export cannot be written: %s", strerror(errno ? errno : EIO));
	g_object_unref(out);
	g_mime_format_options_free(how);
	return rc;
}

int
mail_write(struct mail *m, struct export_context *x, const char *path, struct err *e)
{
	FILE *f = export_scratch(x, e);
	char piece[PIECE];
	size_t n;
	int rc;

	if (!f)
		return -1;
	rc = render(m, f, e);
	rewind(f);
	if (!rc)
		rc = bundle_open(x->out, path, false, e);
	while (!rc && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		rc = bundle_write(x->out, piece, n, e);
	if (!rc && ferror(f))
		rc = err_set(e, EIO, "a mail of the export cannot be read again");
	if (!rc)
		rc = bundle_close(x->out, e);
	(void)fclose(f);
	return rc;
}
