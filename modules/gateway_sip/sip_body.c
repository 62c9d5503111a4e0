/* sip_body: what a MESSAGE carries. */
#include "sip_body.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "sip_xml.h"

#define NS_TYPING "urn:ietf:params:xml:ns:im-iscomposing"
#define NS_REPORT "urn:ietf:params:xml:ns:imdn"
#define URN_REPORT "urn:ietf:params:imdn"
#define LINE_MAX_BYTES 1024
#define PREFIX_SIZE 32

/* ---- types ------------------------------------------------------------------------------------------------ */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Is that the type, whatever its parameters are? */
static bool
type_is(const char *type, const char *what)
{
	size_t n = strlen(what);

	while (is_space(*type))
		type++;
	return strncasecmp(type, what, n) == 0 && (type[n] == '\0' || type[n] == ';' || is_space(type[n]));
}

/* A parameter's value, without quotes; "" where there is none. */
static void
type_parameter(const char *type, const char *name, char *out, size_t size)
{
	size_t n = strlen(name), len = 0;
	const char *p = strchr(type, ';');

	for (; p != NULL; p = strchr(p, ';')) {
		for (p++; is_space(*p); p++)
			;
		if (strncasecmp(p, name, n) == 0 && p[n] == '=')
			break;
	}
	if (p != NULL)
		for (p += n + 1; *p != '\0' && *p != ';' && !is_space(*p) && len < size - 1; p++)
			if (*p != '"')
				out[len++] = *p;
	out[len] = '\0';
}

static void
bad(struct sip_body *b, const char *why)
{
	b->kind = SIP_BODY_BAD;
	b->why = why;
}

/* ---- text ------------------------------------------------------------------------------------------------- */

static void
read_text(struct sip_body *b, const char *type, const char *p, size_t n)
{
	char charset[32];

	type_parameter(type, "charset", charset, sizeof(charset));
	b->kind = SIP_BODY_TEXT;
	if (!strcasecmp(charset, "iso-8859-1")) {
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)p[i];

			if (c == '\0') {
				bad(b, "a text with a byte 0");
				return;
			}
			if (c < 0x80)
				buf_addc(&b->text, (char)c);
			else
				buf_addf(&b->text, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
		}
	} else if (charset[0] != '\0' && strcasecmp(charset, "utf-8") != 0 && strcasecmp(charset, "us-ascii") != 0) {
		b->kind = SIP_BODY_UNSUPPORTED;
		b->why = "a character set that is not supported";
	} else if (!text_is_utf8(p, n)) {
		bad(b, "a text that is not UTF-8");
	} else {
		buf_add(&b->text, p, n);
	}
}

/* ---- notifications ---------------------------------------------------------------------------------------- */

static void
on_typing(void *arg, const char *parent, const char *name, const char *text)
{
	struct sip_body *b = arg;

	if (!strcmp(parent, NS_TYPING " isComposing") && !strcmp(name, NS_TYPING " state")) {
		b->kind = SIP_BODY_TYPING;
		b->typing = !strcasecmp(text, "active");
	}
}

static void
on_report(void *arg, const char *parent, const char *name, const char *text)
{
	static const struct {
		const char *name;
		enum sip_report report;
	} states[] = {
		{ NS_REPORT " delivered", SIP_REPORT_DELIVERED },
		{ NS_REPORT " displayed", SIP_REPORT_DISPLAYED },
		{ NS_REPORT " failed", SIP_REPORT_FAILED },
		{ NS_REPORT " forbidden", SIP_REPORT_OTHER },
		{ NS_REPORT " error", SIP_REPORT_OTHER },
		{ NS_REPORT " processed", SIP_REPORT_OTHER },
		{ NS_REPORT " stored", SIP_REPORT_OTHER },
	};
	struct sip_body *b = arg;

	if (!strcmp(parent, NS_REPORT " imdn") && !strcmp(name, NS_REPORT " message-id"))
		(void)snprintf(b->id, sizeof(b->id), "%s", strlen(text) < sizeof(b->id) ? text : "");
	if (strcmp(parent, NS_REPORT " status") != 0)
		return;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(name, states[i].name)) {
			b->kind = SIP_BODY_REPORT;
			b->report = states[i].report;
		}
}

static void
read_document(struct sip_body *b, sip_xml_fn fn, const char *p, size_t n)
{
	b->id[0] = '\0';
	bad(b, "a notification that says nothing");
	if (!sip_xml_read(p, n, fn, b))
		bad(b, "a notification that is not well-formed");
	else if (b->kind == SIP_BODY_REPORT && b->id[0] == '\0')
		bad(b, "a notification of nobody's delivery");
}

static void
read_plain(struct sip_body *b, const char *type, const char *p, size_t n)
{
	if (type_is(type, "text/plain"))
		read_text(b, type, p, n);
	else if (type_is(type, SIP_BODY_TYPE_TYPING))
		read_document(b, on_typing, p, n);
	else if (type_is(type, SIP_BODY_TYPE_REPORT))
		read_document(b, on_report, p, n);
	else {
		b->kind = SIP_BODY_UNSUPPORTED;
		b->why = "a type of content that is not supported";
	}
}

/* ---- CPIM ------------------------------------------------------------------------------------------------- */

struct lines {
	const char *p;
	size_t n;
};

/* The next line without its end; false: there is none, or it is too long. */
static bool
next_line(struct lines *in, char line[LINE_MAX_BYTES])
{
	const char *end = memchr(in->p, '\n', in->n);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - in->p);
	if (n >= LINE_MAX_BYTES || memchr(in->p, '\0', n) != NULL)
		return false;
	memcpy(line, in->p, n);
	line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
	in->n -= n + 1;
	in->p = end + 1;
	return true;
}

/* The value of `name: value`; NULL when the line is another header. */
static const char *
value_of(const char *line, const char *prefix, const char *name)
{
	size_t p = strlen(prefix), n = strlen(name);

	if (p > 0 && (strncmp(line, prefix, p) != 0 || line[p++] != '.'))
		return NULL;
	if (strncasecmp(line + p, name, n) != 0 || line[p + n] != ':')
		return NULL;
	for (line += p + n + 1; is_space(*line); line++)
		;
	return line;
}

/* NS: prefix <urn>; RFC 3862 §3.4. */
static void
take_prefix(const char *value, char prefix[PREFIX_SIZE])
{
	size_t n = strcspn(value, " \t<");

	if (n > 0 && n < PREFIX_SIZE && strstr(value + n, "<" URN_REPORT ">") != NULL) {
		memcpy(prefix, value, n);
		prefix[n] = '\0';
	}
}

static void
read_cpim(struct sip_body *b, const char *p, size_t n)
{
	struct lines in = { p, n };
	char line[LINE_MAX_BYTES], type[LINE_MAX_BYTES] = "text/plain", prefix[PREFIX_SIZE] = "imdn";
	const char *v;
	bool more;

	while ((more = next_line(&in, line)) && line[0] != '\0') {
		if ((v = value_of(line, "", "NS")) != NULL)
			take_prefix(v, prefix);
		else if ((v = value_of(line, prefix, "Message-ID")) != NULL)
			(void)snprintf(b->id, sizeof(b->id), "%s", strlen(v) < sizeof(b->id) && text_is_utf8(v, strlen(v)) ? v : "");
		else if ((v = value_of(line, prefix, "Disposition-Notification")) != NULL)
			b->wants_report = strstr(v, "positive-delivery") != NULL;
	}
	while (more && (more = next_line(&in, line)) && line[0] != '\0')
		if ((v = value_of(line, "", "Content-Type")) != NULL)
			(void)snprintf(type, sizeof(type), "%s", v);
	if (!more)
		bad(b, "a wrapper (CPIM) without content");
	else if (type_is(type, SIP_BODY_TYPE_CPIM))
		bad(b, "a wrapper in a wrapper");
	else
		read_plain(b, type, in.p, in.n);
}

void
sip_body_read(struct sip_body *b, const char *type, const char *p, size_t n)
{
	memset(b, 0, sizeof(*b));
	if (type != NULL && type_is(type, SIP_BODY_TYPE_CPIM))
		read_cpim(b, p, n);
	else
		read_plain(b, type != NULL ? type : "text/plain", p, n);
	if (b->kind == SIP_BODY_TEXT && buf_len(&b->text) == 0)
		bad(b, "nothing is said");
}

void
sip_body_fini(struct sip_body *b)
{
	buf_fini(&b->text);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void
write_head(struct buf *out, const char *from, const char *to, const char *id, const char *at)
{
	buf_addf(out, "From: <%s>\r\nTo: <%s>\r\nDateTime: %s\r\nNS: imdn <" URN_REPORT ">\r\nimdn.Message-ID: %s\r\n", from, to, at, id);
}

void
sip_body_write_cpim(struct buf *out, const char *from, const char *to, const char *id, const char *at, const char *text)
{
	write_head(out, from, to, id, at);
	buf_adds(out, "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n");
	buf_adds(out, text);
}

void
sip_body_write_typing(struct buf *out, bool typing)
{
	buf_addf(out, "<?xml version='1.0' encoding='UTF-8'?>\n<isComposing xmlns='" NS_TYPING "'><state>%s</state>"
		"<contenttype>text/plain</contenttype></isComposing>\n", typing ? "active" : "idle");
}

void
sip_body_write_report(struct buf *out, const char *from, const char *to, const char *own_id, const char *id, const char *at, bool delivered)
{
	write_head(out, from, to, own_id, at);
	buf_adds(out, "\r\nContent-Type: " SIP_BODY_TYPE_REPORT "\r\nContent-Disposition: notification\r\n\r\n"
		"<?xml version='1.0' encoding='UTF-8'?>\n<imdn xmlns='" NS_REPORT "'><message-id>");
	sip_xml_escape(out, id);
	buf_addf(out, "</message-id><datetime>%s</datetime><delivery-notification><status><%s/></status></delivery-notification></imdn>\n", at,
		delivered ? "delivered" : "failed");
}
