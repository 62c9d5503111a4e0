/*
 * text: escapes. What is not plain ASCII or UTF-8 that stands for itself is shown by its number.
 */
#include "export/html/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "export/conversation.h"
#include "export/view.h"

static bool
add_special(struct buf *b, char c)
{
	const char *is = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : c == '\'' ? "&#39;" : NULL;

	if (is)
		buf_adds(b, is);
	return is != NULL;
}

/* Its bytes up to the next that has to be looked at. */
static size_t
plain(const char *s)
{
	size_t n = 0;

	while ((unsigned char)s[n] >= ' ' && (unsigned char)s[n] < 0x7f && !strchr("<>&\"'", s[n]))
		n++;
	return n;
}

static size_t
length_of(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static void
add_text(struct buf *b, const char *s, const char *end, const char *mark)
{
	uint32_t code;
	size_t n;

	while (*s && s < end) {
		n = plain(s);
		if (n) {
			n = (size_t)(end - s) < n ? (size_t)(end - s) : n;
			buf_add(b, s, n);
		} else if ((n = conversation_mark(s, &code)) > 0) {
			if (code != '\r' || s[1] != '\n')
				buf_addf(b, mark, (unsigned)code);
		} else if (add_special(b, *s)) {
			n = 1;
		} else {
			n = length_of(s);
			buf_add(b, s, n);
		}
		s += n;
	}
}

bool
html_text(struct buf *b, const char *s, size_t most)
{
	size_t n = most ? strnlen(s, most) : strlen(s);
	bool cut = s[n] != '\0';

	while (cut && n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	add_text(b, s, s + n, "<span class=\"mark\">U+%04X</span>");
	return cut;
}

void
html_word(struct buf *b, const char *s)
{
	buf_adds(b, "<bdi>");
	(void)html_text(b, s, 0);
	buf_adds(b, "</bdi>");
}

/* Each part of a path percent-encoded (RFC 3986 §3.3). */
void
html_link(struct buf *b, const char *path)
{
	char part[256];

	buf_adds(b, "..");
	while (*path) {
		size_t n = strcspn(path, "/");

		buf_addc(b, '/');
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		text_percent(b, part);
		path += n + (path[n] == '/');
	}
}

void
html_person(struct buf *b, const struct export_person *p)
{
	if (!p->bare) {
		buf_adds(b, "<span class=\"who\">(erased)</span>");
		return;
	}
	buf_adds(b, "<span class=\"who\">");
	html_word(b, p->name);
	buf_adds(b, "</span>");
	if (strcmp(p->name, p->bare) != 0) {
		buf_adds(b, " <span class=\"address\">");
		html_word(b, p->bare);
		buf_adds(b, "</span>");
	}
}

void
html_clock(struct buf *b, int64_t us)
{
	char iso[32], clock[32];

	buf_addf(b, "<time datetime=\"%s\">%s</time>", export_time(us, iso), view_clock(us, clock));
}

void
html_time(struct buf *b, int64_t us)
{
	char iso[32];

	export_time(us, iso);
	buf_addf(b, "<time datetime=\"%s\">%.10s %.8s</time>", iso, iso, iso[0] ? iso + 11 : "");
}

void
html_number(struct buf *b, uint64_t n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_addc(b, ',');
		buf_addc(b, text[i]);
	}
}
