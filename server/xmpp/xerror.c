/*
 * xerror: names and types of the errors, and the stanzas and stream ends that carry them.
 */
#include "xmpp/xerror.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

struct condition {
	const char *name, *type;
};

static const struct condition stanza_errors[] = {[XERROR_NONE] = {"none", "cancel"},
#define XERROR_ROW(id, name, type) [XERROR_##id] = {name, type},
						 XERROR_TABLE(XERROR_ROW)
#undef XERROR_ROW
};
#define STANZA_ERRORS (sizeof(stanza_errors) / sizeof(*stanza_errors))

static const char *const stream_errors[] = {[XSTREAM_NONE] = "none",
#define XSTREAM_ROW(id, name) [XSTREAM_##id] = name,
					    XSTREAM_TABLE(XSTREAM_ROW)
#undef XSTREAM_ROW
};

const char *
xerror_name(enum xerror e)
{
	return stanza_errors[e].name;
}

const char *
xerror_type(enum xerror e)
{
	return stanza_errors[e].type;
}

const char *
xstream_error_name(enum xstream_error e)
{
	return stream_errors[e];
}

enum xerror
xerror_of(const struct elem *stanza)
{
	const struct elem *error = elem_child(stanza, stanza->ns, "error");

	if (error == NULL)
		return XERROR_NONE;
	for (const struct elem *c = elem_child(error, NS_STANZA_ERRORS, NULL); c != NULL;
	     c = elem_next(c, NS_STANZA_ERRORS, NULL))
		for (size_t i = 1; i < STANZA_ERRORS; i++)
			if (strcmp(c->name, stanza_errors[i].name) == 0)
				return (enum xerror)i;
	return XERROR_UNDEFINED_CONDITION;
}

/* An error must not be answered with an error, nor may an IQ result (RFC 6120 §8.3.1, §8.2.3). */
static bool
may_answer(const struct elem *root)
{
	const char *type = elem_get(root, "type");

	if (type == NULL)
		return true;
	if (strcmp(type, "error") == 0)
		return false;
	return strcmp(root->name, "iq") != 0 || strcmp(type, "result") != 0;
}

struct stanza *
xerror_reply(const struct stanza *st, enum xerror e, const char *type, const char *text)
{
	const struct elem *root = st->root;
	const char *to = elem_get(root, "to");
	struct stanza *reply;
	struct elem *error, *t;
	char *words;

	if (!may_answer(root))
		return NULL;
	reply = stanza_new(root->ns, root->name);
	elem_set(reply, reply->root, "type", "error");
	elem_set(reply, reply->root, "id", elem_get(root, "id"));
	elem_set(reply, reply->root, "to", elem_get(root, "from"));
	/* RFC 6120 §8.3.3.8 has a malformed address back as it was; an empty one is no address to anybody. */
	elem_set(reply, reply->root, "from", to && *to ? to : NULL);
	error = elem_add(reply, reply->root, root->ns, "error");
	elem_set(reply, error, "type", type != NULL ? type : xerror_type(e));
	elem_add(reply, error, NS_STANZA_ERRORS, xerror_name(e));
	if (text != NULL) {
		t = elem_add(reply, error, NS_STANZA_ERRORS, "text");
		elem_set_ns(reply, t, NS_XML, "lang", "en");
		words = arena_strdup(reply->arena, text);
		text_mend(words);
		elem_add_text(reply, t, words, strlen(words));
	}
	metric_add(METRIC_STANZA_ERRORS, 1);
	metric_error("stanza", xerror_name(e));
	return reply;
}

void
xstream_error_write(struct buf *out, enum xstream_error e, const char *text)
{
	char *words;

	buf_addf(out, "<stream:error><%s xmlns='%s'/>", xstream_error_name(e), NS_STREAM_ERRORS);
	if (text != NULL) {
		buf_addf(out, "<text xmlns='%s' xml:lang='en'>", NS_STREAM_ERRORS);
		words = mem_strdup(text);
		text_mend(words);
		serialize_text(out, words, strlen(words));
		free(words);
		buf_adds(out, "</text>");
	}
	buf_adds(out, "</stream:error>");
	metric_add(METRIC_STREAM_ERRORS, 1);
	metric_error("stream", xstream_error_name(e));
}
