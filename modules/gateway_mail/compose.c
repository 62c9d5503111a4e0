/*
 * compose: GMime does the encoding.
 */
#include "compose.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"

#define LINE_MAX_BYTES 500

/* On one line, and not too long; the caller's to free. */
static char *
line(const char *s)
{
	size_t n = strlen(s);
	char *out;

	if (n > LINE_MAX_BYTES)
		for (n = LINE_MAX_BYTES; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
			n--;
	out = mem_strndup(s, n);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return out;
}

static void
add_mailbox(GMimeMessage *m, GMimeAddressType type, const char *name, const char *address)
{
	char *clean = line(name);
	InternetAddress *who = internet_address_mailbox_new(*clean ? clean : NULL, address);

	internet_address_set_charset(who, "utf-8");
	internet_address_list_add(g_mime_message_get_addresses(m, type), who);
	g_object_unref(who);
	free(clean);
}

static void
set_thread(GMimeMessage *m, const struct thread *t)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < t->n; i++)
		buf_addf(&b, "%s<%s>", i ? " " : "", t->ids[i]);
	if (t->n) {
		/* Not by GMime's encoder: ids are never encoded words. */
		g_mime_object_set_header(GMIME_OBJECT(m), "References", buf_str(&b), NULL);
		buf_clear(&b);
		buf_addf(&b, "<%s>", t->ids[t->n - 1]);
		g_mime_object_set_header(GMIME_OBJECT(m), "In-Reply-To", buf_str(&b), NULL);
	}
	buf_fini(&b);
}

static GMimePart *
new_part(const char *type, const char *subtype, const void *data, size_t n, GMimeContentEncoding encoding)
{
	GMimePart *part = g_mime_part_new_with_type(type, subtype);
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data, n);
	GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);

	g_mime_part_set_content(part, content);
	g_mime_part_set_content_encoding(part, encoding);
	g_object_unref(content);
	g_object_unref(stream);
	return part;
}

static GMimePart *
text_part(const char *text)
{
	GMimePart *part = new_part("text", "plain", text, strlen(text), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);

	g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
	return part;
}

/* Of the type's parameters none: what they say of the encoding of texts is not sure. */
static GMimePart *
file_part(const struct compose *c)
{
	const char *type = c->file_type && text_is_media_type(c->file_type) ? c->file_type : NULL, *slash;
	char *main_type, *subtype;
	GMimePart *part;

	if (!type || !strncasecmp(type, "message/", 8) || !strncasecmp(type, "multipart/", 10))
		type = "application/octet-stream";
	slash = strchr(type, '/');
	main_type = mem_strndup(type, (size_t)(slash - type));
	subtype = mem_strndup(slash + 1, strcspn(slash + 1, "; \t"));
	part = new_part(main_type, subtype, c->file, c->file_bytes, GMIME_CONTENT_ENCODING_BASE64);
	g_mime_object_set_disposition(GMIME_OBJECT(part), GMIME_DISPOSITION_ATTACHMENT);
	g_mime_part_set_filename(part, c->file_name ? c->file_name : "file");
	free(main_type);
	free(subtype);
	return part;
}

/* With a boundary that the same mail has again, and that nobody knew who wrote what is in it: of the id, which has a MAC. */
static GMimeMultipart *
mixed(const struct compose *c, GMimePart *text)
{
	GMimeMultipart *parts = g_mime_multipart_new_with_subtype("mixed");
	GMimePart *file = file_part(c);
	char boundary[2 * SHA256_SIZE + 3] = "=_";
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(c->id, strlen(c->id), sum);
	text_hex(sum, 20, boundary + 2);
	g_mime_multipart_set_boundary(parts, boundary);
	g_mime_multipart_add(parts, GMIME_OBJECT(text));
	g_mime_multipart_add(parts, GMIME_OBJECT(file));
	g_object_unref(file);
	return parts;
}

static void
render(GMimeMessage *m, struct buf *out)
{
	GMimeFormatOptions *how = g_mime_format_options_new();
	GByteArray *bytes = g_byte_array_new();
	GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(bytes);

	g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
	/* RFC 5322 §2.1 */
	g_mime_format_options_set_newline_format(how, GMIME_NEWLINE_FORMAT_DOS);
	(void)g_mime_object_write_to_stream(GMIME_OBJECT(m), how, stream);
	buf_add(out, bytes->data, bytes->len);
	g_object_unref(stream);
	g_byte_array_unref(bytes);
	g_mime_format_options_free(how);
}

void
compose_mail(const struct compose *c, struct buf *out)
{
	GMimeMessage *m = g_mime_message_new(TRUE);
	GDateTime *when = g_date_time_new_from_unix_utc(c->at_us / 1000000);
	GMimePart *text = text_part(c->text);
	GMimeMultipart *parts = c->file ? mixed(c, text) : NULL;
	char *subject = line(c->subject);

	add_mailbox(m, GMIME_ADDRESS_TYPE_FROM, c->from_name, c->from);
	if (strcmp(c->reply_to, c->from) != 0)
		add_mailbox(m, GMIME_ADDRESS_TYPE_REPLY_TO, c->from_name, c->reply_to);
	add_mailbox(m, GMIME_ADDRESS_TYPE_TO, "", c->to);
	g_mime_message_set_subject(m, subject, "utf-8");
	if (when)
		g_mime_message_set_date(m, when);
	g_mime_message_set_message_id(m, c->id);
	set_thread(m, c->thread);
	g_mime_object_set_header(GMIME_OBJECT(m), "X-Chancery-Gateway", c->domain, NULL);
	g_mime_message_set_mime_part(m, parts ? GMIME_OBJECT(parts) : GMIME_OBJECT(text));
	render(m, out);
	free(subject);
	if (when)
		g_date_time_unref(when);
	if (parts)
		g_object_unref(parts);
	g_object_unref(text);
	g_object_unref(m);
}
