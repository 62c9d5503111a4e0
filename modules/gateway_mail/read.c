/*
 * read: bounds, then the head, then the parts.
 */
#include "read.h"

#include <gmime/gmime.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "parts.h"
#include "text.h"
#include "thread.h"

#define LATE_US (INT64_C(7) * 86400 * 1000000) /* mails are not under way for longer */
#define NAME_SHOWN 120
#define SUBJECT_SHOWN 500
#define IDS_LOOKED_AT 50

#define READ_LIMITS_ROW(name, def, min, max, help) .name = (def),
const struct read_limits read_limits_default = { READ_LIMITS_TABLE(READ_LIMITS_ROW) };
#undef READ_LIMITS_ROW

struct head {
	struct mail *m;
	const struct read_rules *rules;
	GMimeHeaderList *fields;
};

void
read_setup(void)
{
	g_mime_init();
}

/* Bounds */

static bool
begins(const char *p, size_t n, const char *with)
{
	size_t len = strlen(with);

	return n >= len && !strncasecmp(p, with, len);
}

/* Before anything is parsed. Whatever has parts says so in a field of this name. */
static const char *
check_bounds(const char *data, size_t n, const struct read_limits *limits)
{
	uint64_t lines = 0, fields = 0, parts = 0;
	bool head = true;

	for (size_t at = 0, next; at < n; at = next) {
		const char *lf = memchr(data + at, '\n', n - at);

		next = lf ? (size_t)(lf - data) + 1 : n;
		if (head && (next - at <= 1 || (next - at == 2 && data[at] == '\r')))
			head = false;
		if (head && next > limits->head_bytes)
			return "554 5.6.0 the head is too long";
		if (head && data[at] != ' ' && data[at] != '\t' && ++fields > limits->head_fields)
			return "554 5.6.0 the head has too many fields";
		if (begins(data + at, next - at, "content-type") && ++parts > limits->parts)
			return "554 5.6.0 too many parts";
		if (++lines > limits->lines)
			return "554 5.6.0 too many lines";
	}
	return NULL;
}

/* The head */

/* UTF-8 on one line, of at most `max` bytes. */
static const char *
one_line(struct arena *a, const char *s, size_t max)
{
	struct buf b = { 0 };
	char *out;

	mail_text_add(&b, s, strlen(s), false, false);
	out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	if (strlen(out) > max) {
		/* Not within a character. */
		while (max > 0 && ((unsigned char)out[max] & 0xc0) == 0x80)
			max--;
		out[max] = '\0';
	}
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	text_mend(out);
	return out;
}

static const char *
field(const struct head *h, const char *name)
{
	GMimeHeader *f = g_mime_header_list_get_header(h->fields, name);
	const char *value = f ? g_mime_header_get_raw_value(f) : NULL;

	return value ? value + strspn(value, " \t\r\n") : NULL;
}

static unsigned
count_hops(const struct head *h)
{
	int n = g_mime_header_list_get_count(h->fields);
	unsigned hops = 0;

	for (int i = 0; i < n; i++)
		hops += !strcasecmp(g_mime_header_get_name(g_mime_header_list_get_header_at(h->fields, i)), "Received");
	return hops;
}

/* "<a@b> <c@d>": calls fn for each id, without brackets, until it says no. */
static void
each_id(const struct head *h, const char *name, bool (*fn)(const struct head *h, const char *id))
{
	const char *p = field(h, name), *end;

	for (unsigned i = 0; p && i < IDS_LOOKED_AT; i++) {
		p = strchr(p, '<');
		end = p ? strpbrk(p + 1, "> \t\r\n") : NULL;
		if (end && *end == '>' && !fn(h, arena_strndup(h->m->arena, p + 1, (size_t)(end - p) - 1)))
			return;
		p = end;
	}
}

static bool
note_answered(const struct head *h, const char *id)
{
	if (thread_is_ours(h->m->arena, h->rules->key, h->rules->domain, id))
		h->m->answers = id;
	return !h->m->answers;
}

static bool
note_id(const struct head *h, const char *id)
{
	h->m->id = id;
	return false;
}

/* RFC 3834 §2, and what is older. */
static bool
is_automatic(const struct head *h, const char *from)
{
	const char *submitted = field(h, "Auto-Submitted"), *precedence = field(h, "Precedence");

	return !*from || (submitted && strncasecmp(submitted, "no", 2)) ||
		(precedence && (!strncasecmp(precedence, "bulk", 4) || !strncasecmp(precedence, "junk", 4) || !strncasecmp(precedence, "list", 4) ||
				!strncasecmp(precedence, "auto", 4))) ||
		field(h, "List-Id");
}

static const char *
read_from(struct mail *m, GMimeMessage *message)
{
	InternetAddressList *from = g_mime_message_get_addresses(message, GMIME_ADDRESS_TYPE_FROM);
	InternetAddress *one = from && internet_address_list_length(from) == 1 ? internet_address_list_get_address(from, 0) : NULL;
	const char *address, *name;

	/* Who is it from when there are two? A program and a person may answer differently. */
	if (!one || !INTERNET_ADDRESS_IS_MAILBOX(one))
		return "554 5.6.0 From is not one address";
	address = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one));
	m->from = address ? address_clean(m->arena, address) : NULL;
	if (!m->from)
		return "554 5.6.7 the address in From cannot be answered from here";
	name = internet_address_get_name(one);
	m->from_name = name ? one_line(m->arena, name, NAME_SHOWN) : "";
	return NULL;
}

static void
read_when(struct mail *m, GMimeMessage *message)
{
	GDateTime *date = g_mime_message_get_date(message);
	int64_t now = clock_wall_us(), at = date ? g_date_time_to_unix(date) : 0;

	/* A date is the sender's to write: what cannot be is not believed. */
	if (at > 0 && at < now / 1000000 && at > (now - LATE_US) / 1000000)
		m->at_us = at * 1000000;
}

static void
read_auth(const struct head *h)
{
	const char *domain = strrchr(h->m->from, '@') + 1;
	int n = g_mime_header_list_get_count(h->fields);
	unsigned hops = 0;

	for (int i = 0; i < n && h->rules->authserv_id; i++) {
		GMimeHeader *f = g_mime_header_list_get_header_at(h->fields, i);

		if (!strcasecmp(g_mime_header_get_name(f), "Received")) {
			if (++hops > h->rules->trusted_hops)
				return;
		} else if (!strcasecmp(g_mime_header_get_name(f), "Authentication-Results")) {
			auth_results_add(&h->m->auth, g_mime_header_get_raw_value(f), h->rules->authserv_id, domain);
		}
	}
}

/* Reports */

static void
read_bounce(struct mail *m, GMimeObject *root)
{
	GMimeContentType *type = root ? g_mime_object_get_content_type(root) : NULL;
	const char *report = type ? g_mime_content_type_get_parameter(type, "report-type") : NULL, *status, *head = "";
	size_t n, head_n = 0;
	struct bounce b;

	if (!GMIME_IS_MULTIPART(root) || !g_mime_content_type_is_type(type, "multipart", "report") || !report || strcasecmp(report, "delivery-status") ||
	    g_mime_multipart_get_count(GMIME_MULTIPART(root)) < 2)
		return;
	status = parts_content(m, g_mime_multipart_get_part(GMIME_MULTIPART(root), 1), &n);
	if (g_mime_multipart_get_count(GMIME_MULTIPART(root)) > 2)
		head = parts_content(m, g_mime_multipart_get_part(GMIME_MULTIPART(root), 2), &head_n);
	if (bounce_read(m->arena, status, n, head_n ? head : "", head_n, &b))
		return;
	m->bounce = arena_alloc(m->arena, sizeof(b));
	memcpy((void *)m->bounce, &b, sizeof(b));
}

/* All together */

static const char *
check_loop(const struct head *h)
{
	const char *gateway = field(h, "X-Chancery-Gateway");
	struct mail *m = h->m;

	if (count_hops(h) > h->rules->limits.hops)
		return "554 5.4.6 the mail goes in circles: too many hops";
	if ((gateway && !strncasecmp(gateway, h->rules->domain, strlen(h->rules->domain))) || (m->id && thread_is_ours(m->arena, h->rules->key, h->rules->domain, m->id)))
		return "554 5.4.6 the mail goes in circles: it is from here";
	return NULL;
}

static const char *
read_head(struct head *h, GMimeMessage *message, const char *from)
{
	struct mail *m = h->m;
	const char *wrong, *subject = g_mime_message_get_subject(message);

	each_id(h, "Message-ID", note_id);
	wrong = check_loop(h);
	if (wrong)
		return wrong;
	m->subject = subject ? one_line(m->arena, subject, SUBJECT_SHOWN) : "";
	each_id(h, "In-Reply-To", note_answered);
	if (!m->answers)
		each_id(h, "References", note_answered);
	read_when(m, message);
	m->automatic = is_automatic(h, from);
	read_bounce(m, g_mime_message_get_mime_part(message));
	if (m->bounce)
		return NULL;
	if (m->automatic && (h->rules->automatic == AUTOMATIC_REFUSE || (h->rules->automatic == AUTOMATIC_ANSWERS && !m->answers)))
		return "550 5.7.1 mail that no person wrote is not taken here";
	wrong = read_from(m, message);
	if (!wrong)
		read_auth(h);
	return wrong;
}

static void
cut_quote(struct mail *m, const struct read_rules *rules)
{
	size_t n = strlen(m->text), at;

	/* Only what we have sent: that is in the record. */
	if (rules->keep_quotes || !m->answers)
		return;
	at = mail_text_quoted(m->text, n, &m->quoted_lines);
	m->text = arena_strndup(m->arena, m->text, at);
}

static void
trim(struct mail *m)
{
	char *text = arena_strdup(m->arena, m->text + strspn(m->text, "\n"));
	size_t n = strlen(text);

	while (n > 0 && strchr(" \t\n", text[n - 1]))
		text[--n] = '\0';
	m->text = text;
}

/* Where the lines behind the head begin. */
static size_t
body_at(const char *data, size_t n)
{
	for (size_t at = 0, next; at < n; at = next) {
		const char *lf = memchr(data + at, '\n', n - at);

		next = lf ? (size_t)(lf - data) + 1 : n;
		if (next - at <= 1 || (next - at == 2 && data[at] == '\r'))
			return next;
	}
	return n;
}

/*
 * Of a mail that has none: of what is the same when it is brought again, perhaps by another way, with other trace fields in front (RFC 5321 §4.4). Without a date what the
 * first mail system wrote tells it from the same words on another day.
 */
static const char *
made_id(const struct head *h, const char *data, size_t n)
{
	static const char *const names[] = { "From", "Date", "Subject" };
	int fields = g_mime_header_list_get_count(h->fields);
	size_t at = body_at(data, n);
	uint8_t sum[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = field(h, names[i]);

		buf_add(&b, value ? value : "", (value ? strlen(value) : 0) + 1);
	}
	for (int i = fields - 1; i >= 0 && !field(h, "Date"); i--) {
		GMimeHeader *f = g_mime_header_list_get_header_at(h->fields, i);

		if (strcasecmp(g_mime_header_get_name(f), "Received") != 0)
			continue;
		buf_adds(&b, g_mime_header_get_raw_value(f));
		break;
	}
	buf_add(&b, data + at, n - at);
	crypt_sha256(buf_data(&b), buf_len(&b), sum);
	buf_fini(&b);
	text_hex(sum, 16, hex);
	return arena_printf(h->m->arena, "%s@none.invalid", hex);
}

static const char *
read_message(struct mail *m, GMimeMessage *message, const char *from, const char *data, size_t n, const struct read_rules *rules)
{
	struct head h = { m, rules, g_mime_object_get_header_list(GMIME_OBJECT(message)) };
	const char *wrong = read_head(&h, message, from);

	if (wrong || m->bounce)
		return wrong;
	if (!m->id || strlen(m->id) > THREAD_ID_MAX)
		m->id = made_id(&h, data, n);
	m->id = one_line(m->arena, m->id, THREAD_ID_MAX);
	wrong = parts_read(m, g_mime_message_get_mime_part(message), &rules->limits);
	if (wrong)
		return wrong;
	cut_quote(m, rules);
	trim(m);
	return NULL;
}

const char *
mail_read(struct mail *out, const char *from, const char *data, size_t n, const struct read_rules *rules)
{
	const char *wrong = check_bounds(data, n, &rules->limits);
	GMimeStream *stream;
	GMimeParser *parser;
	GMimeMessage *message;

	if (wrong)
		return wrong;
	*out = (struct mail){ .arena = arena_new(0), .from_name = "", .subject = "", .text = "", .auth = AUTH_RESULTS_NONE };
	stream = g_mime_stream_mem_new_with_buffer(data, n);
	parser = g_mime_parser_new_with_stream(stream);
	message = g_mime_parser_construct_message(parser, NULL);
	wrong = message ? read_message(out, message, from, data, n, rules) : "554 5.6.0 that is no mail";
	if (message)
		g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(stream);
	if (wrong)
		mail_fini(out);
	return wrong;
}

void
mail_fini(struct mail *m)
{
	arena_free(m->arena);
	m->arena = NULL;
}
