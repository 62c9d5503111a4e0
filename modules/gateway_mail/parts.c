/*
 * parts: a walk over at most so many levels.
 */
#include "parts.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "html.h"
#include "text.h"

struct walk {
	struct mail *mail;
	const struct read_limits *limits;
	struct buf text;
	bool too_deep;
};

/* What a part carries */

static void
free_bytes(void *arg)
{
	g_byte_array_unref(arg);
}

const void *
parts_content(struct mail *m, GMimeObject *part, size_t *n)
{
	GByteArray *bytes = g_byte_array_new();
	GMimeStream *out = g_mime_stream_mem_new_with_byte_array(bytes);
	GMimeDataWrapper *content = GMIME_IS_PART(part) ? g_mime_part_get_content(GMIME_PART(part)) : NULL;
	GMimeMessage *inner = GMIME_IS_MESSAGE_PART(part) ? g_mime_message_part_get_message(GMIME_MESSAGE_PART(part)) : NULL;

	g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(out), FALSE);
	if (content)
		(void)g_mime_data_wrapper_write_to_stream(content, out);
	else if (inner)
		(void)g_mime_object_write_to_stream(GMIME_OBJECT(inner), NULL, out);
	g_object_unref(out);
	arena_on_free(m->arena, free_bytes, bytes);
	*n = bytes->len;
	return bytes->data;
}

/* In UTF-8, as far as its charset is known. */
static const void *
text_content(struct mail *m, GMimeObject *part, size_t *n)
{
	const char *charset = g_mime_object_get_content_type_parameter(part, "charset");
	GMimeFilter *filter = charset && strcasecmp(charset, "utf-8") && strcasecmp(charset, "us-ascii") ? g_mime_filter_charset_new(charset, "utf-8") : NULL;
	const void *data = parts_content(m, part, n);
	GMimeStream *out, *filtered;
	GByteArray *bytes;

	if (!filter)
		return data;
	bytes = g_byte_array_new();
	out = g_mime_stream_mem_new_with_byte_array(bytes);
	g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(out), FALSE);
	filtered = g_mime_stream_filter_new(out);
	(void)g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered), filter);
	if (*n)
		(void)g_mime_stream_write(filtered, data, *n);
	(void)g_mime_stream_flush(filtered);
	g_object_unref(filter);
	g_object_unref(filtered);
	g_object_unref(out);
	arena_on_free(m->arena, free_bytes, bytes);
	*n = bytes->len;
	return bytes->data;
}

/* Files */

static void
add_file(struct walk *w, const char *name, const char *type, const void *data, size_t n)
{
	struct mail *m = w->mail;

	if (m->nfiles >= w->limits->files) {
		m->nfiles_left++;
		return;
	}
	m->files[m->nfiles++] = (struct read_file){ name, type, data, n };
}

static void
take_file(struct walk *w, GMimeObject *part)
{
	GMimeContentType *type = g_mime_object_get_content_type(part);
	const char *name = GMIME_IS_PART(part) ? g_mime_part_get_filename(GMIME_PART(part)) : "message.eml";
	char *mime = type ? g_mime_content_type_get_mime_type(type) : NULL;
	struct mail *m = w->mail;
	const void *data;
	size_t n;

	if (m->nfiles >= w->limits->files) {
		m->nfiles_left++;
	} else {
		data = parts_content(m, part, &n);
		add_file(w, name && *name ? arena_strdup(m->arena, name) : arena_printf(m->arena, "attachment-%zu", m->nfiles + 1),
			 mime ? arena_strdup(m->arena, mime) : "application/octet-stream", data, n);
	}
	g_free(mime);
}

/* Text */

static bool
is_type(GMimeObject *part, const char *type, const char *subtype)
{
	GMimeContentType *t = g_mime_object_get_content_type(part);

	return t && g_mime_content_type_is_type(t, type, subtype);
}

/* Text that is to be read, not one that is sent as a file. */
static bool
is_text(GMimeObject *part)
{
	GMimeContentDisposition *d = g_mime_object_get_content_disposition(part);

	return GMIME_IS_PART(part) && (is_type(part, "text", "plain") || is_type(part, "text", "html")) && !(d && g_mime_content_disposition_is_attachment(d));
}

/* As mail_text_add, but never more than is shown. False: there was more. */
static bool
add_plain(struct walk *w, GMimeObject *part, const char *data, size_t n)
{
	const char *format = g_mime_object_get_content_type_parameter(part, "format"), *delsp = g_mime_object_get_content_type_parameter(part, "delsp");
	size_t room = w->limits->text_bytes > buf_len(&w->text) ? w->limits->text_bytes - buf_len(&w->text) : 0;
	bool whole = n <= room;

	/* What is mended grows; that much is nobody's loss. */
	mail_text_add(&w->text, data, whole ? n : room, format && !strcasecmp(format, "flowed"), delsp && !strcasecmp(delsp, "yes"));
	return whole;
}

static bool
add_html(struct walk *w, const char *data, size_t n)
{
	size_t room = w->limits->text_bytes > buf_len(&w->text) ? w->limits->text_bytes - buf_len(&w->text) : 0;
	bool whole = n <= w->limits->html_bytes;
	struct buf clean = { 0 };

	mail_text_add(&clean, data, whole ? n : w->limits->html_bytes, false, false);
	whole &= html_text(&w->text, buf_data(&clean), buf_len(&clean), room);
	buf_fini(&clean);
	return whole;
}

static void
take_text(struct walk *w, GMimeObject *part)
{
	bool html = is_type(part, "text", "html"), whole;
	struct mail *m = w->mail;
	const void *data;
	size_t n;

	data = text_content(m, part, &n);
	if (!n)
		return;
	if (buf_len(&w->text))
		buf_adds(&w->text, "\n\n");
	whole = html ? add_html(w, data, n) : add_plain(w, part, data, n);
	if (whole)
		return;
	m->cut = true;
	add_file(w, html ? "message.html" : "message.txt", html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8", data, n);
}

/* The walk */

static bool
has_words(struct walk *w, GMimeObject *part)
{
	const char *data;
	size_t n;

	data = text_content(w->mail, part, &n);
	for (size_t i = 0; i < n; i++)
		if (!strchr(" \t\r\n", data[i]))
			return true;
	return false;
}

/* Of several forms of the same, the text; else HTML, perhaps with pictures around it. */
static GMimeObject *
choose(struct walk *w, GMimeMultipart *forms)
{
	GMimeObject *other = NULL, *part;
	int n = g_mime_multipart_get_count(forms);

	for (int i = 0; i < n; i++) {
		part = g_mime_multipart_get_part(forms, i);
		if (is_text(part) && is_type(part, "text", "plain") && has_words(w, part))
			return part;
		if (!other && (GMIME_IS_MULTIPART(part) || (is_text(part) && is_type(part, "text", "html"))))
			other = part;
	}
	return other;
}

/* `text`: it may be what is said. Else texts are forms of what is said already, and files count. */
static void
walk(struct walk *w, GMimeObject *part, uint64_t depth, bool text)
{
	GMimeObject *chosen = NULL;
	int n;

	if (depth > w->limits->depth) {
		w->too_deep = true;
		return;
	}
	if (!GMIME_IS_MULTIPART(part)) {
		if (!is_text(part))
			take_file(w, part);
		else if (text)
			take_text(w, part);
		return;
	}
	n = g_mime_multipart_get_count(GMIME_MULTIPART(part));
	/* Behind what is signed stands its signature, which is for programs. */
	if (is_type(part, "multipart", "signed") && n > 1)
		n = 1;
	if (is_type(part, "multipart", "alternative"))
		chosen = choose(w, GMIME_MULTIPART(part));
	for (int i = 0; i < n && !w->too_deep; i++) {
		GMimeObject *child = g_mime_multipart_get_part(GMIME_MULTIPART(part), i);

		walk(w, child, depth + 1, text && (!chosen || child == chosen));
	}
}

const char *
parts_read(struct mail *m, GMimeObject *root, const struct read_limits *limits)
{
	struct walk w = { .mail = m, .limits = limits };

	m->files = arena_zalloc(m->arena, (limits->files + 1) * sizeof(*m->files));
	if (root)
		walk(&w, root, 1, true);
	m->text = arena_strdup(m->arena, buf_str(&w.text));
	buf_fini(&w.text);
	return w.too_deep ? "554 5.6.0 parts are nested too deep" : NULL;
}
