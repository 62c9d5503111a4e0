/*
 * bounce: groups of fields, with empty lines between: one of the mail, then one for each recipient.
 */
#include "bounce.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX 1000
#define GROUPS_MAX 100

const char *
bounce_field(struct arena *a, const char *head, size_t n, const char *name)
{
	size_t len = strlen(name);
	char *out, *o;

	for (size_t at = 0, next; at < n; at = next) {
		const char *lf = memchr(head + at, '\n', n - at);
		size_t from = at + len + 1;

		next = lf ? (size_t)(lf - head) + 1 : n;
		if (next - at <= len || strncasecmp(head + at, name, len) || head[at + len] != ':')
			continue;
		/* RFC 5322 §2.2.3 */
		while (next < n && (head[next] == ' ' || head[next] == '\t')) {
			lf = memchr(head + next, '\n', n - next);
			next = lf ? (size_t)(lf - head) + 1 : n;
		}
		o = out = arena_alloc(a, VALUE_MAX + 1);
		for (; from < next && o - out < VALUE_MAX; from++) {
			char c = head[from];
			bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';

			if (!blank)
				*o++ = c ? c : '?';
			else if (o > out && o[-1] != ' ')
				*o++ = ' ';
		}
		while (o > out && o[-1] == ' ')
			o--;
		*o = '\0';
		return out;
	}
	return NULL;
}

/* "rfc822; bob@partner.example": what is behind the type. */
static const char *
typed(const char *value)
{
	const char *p = value ? strchr(value, ';') : NULL;

	if (!p)
		return value;
	return p + 1 + strspn(p + 1, " ");
}

static int
read_group(struct arena *a, const char *p, size_t n, struct bounce *out)
{
	const char *action = bounce_field(a, p, n, "Action"), *original = typed(bounce_field(a, p, n, "Original-Recipient")),
		   *final = typed(bounce_field(a, p, n, "Final-Recipient")), *status = bounce_field(a, p, n, "Status"),
		   *why = typed(bounce_field(a, p, n, "Diagnostic-Code"));

	if (!action || (!final && !original))
		return -1;
	*out = (struct bounce){ .recipient = original && *original ? original : final ? final : original, .status = status ? status : "", .why = why ? why : "" };
	/* §2.3.3 */
	out->action = !strncasecmp(action, "failed", 6)	     ? BOUNCE_FAILED
		      : !strncasecmp(action, "delayed", 7)   ? BOUNCE_DELAYED
		      : !strncasecmp(action, "delivered", 9) ? BOUNCE_DELIVERED
							     : BOUNCE_PASSED_ON;
	return 0;
}

int
bounce_read(struct arena *a, const char *status, size_t n, const char *head, size_t head_n, struct bounce *out)
{
	const char *id = bounce_field(a, head, head_n, "Message-ID");
	unsigned groups = 0;
	struct bounce b;
	int rc = -1;

	for (size_t at = 0, end; at < n && groups < GROUPS_MAX; at = end, groups++) {
		/* Up to a line that is empty. */
		for (end = at; end < n;) {
			const char *lf = memchr(status + end, '\n', n - end);
			size_t len = (lf ? (size_t)(lf - status) : n) - end;
			bool empty = len == 0 || (len == 1 && status[end] == '\r');

			end += len + (lf != NULL);
			if (empty)
				break;
		}
		if (read_group(a, status + at, end - at, &b) || (rc == 0 && b.action != BOUNCE_FAILED))
			continue;
		*out = b;
		rc = 0;
		if (b.action == BOUNCE_FAILED)
			break;
	}
	if (rc)
		return -1;
	out->id = NULL;
	if (id && id[0] == '<' && strchr(id, '>'))
		out->id = arena_strndup(a, id + 1, strcspn(id + 1, ">"));
	return 0;
}
