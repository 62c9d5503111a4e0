/*
 * form: data forms (XEP-0004) and typed fields (XEP-0068): reading what a client submitted, building what is sent.
 */
#ifndef XMPP_FORM_H
#define XMPP_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "xmpp/stanza.h"

struct form_field {
	struct form_field *next;
	const char *var, *type; /* type NULL when not said */
	const char **value;     /* n of them */
	unsigned n;
};

struct form {
	const char *type;      /* form, submit, cancel, result */
	const char *form_type; /* value of FORM_TYPE; NULL when none */
	struct form_field *first; /* the others, in order */
};

/* Reads <x xmlns='jabber:x:data'/> into `a`. NULL: malformed (no type, a field without var in a submission, a var twice). */
struct form *form_parse(const struct elem *x, struct arena *a);
const struct form_field *form_find(const struct form *f, const char *var);
/* The first value; NULL when there is no such field, or it has none. */
const char *form_value(const struct form *f, const char *var);
/* "1", "true", "0", "false". False: another value. `*out` stays when there is no such field. */
bool form_bool(const struct form *f, const char *var, bool *out);
/* Decimal, within bounds. False: not such a number. `*out` stays when there is no such field. */
bool form_number(const struct form *f, const char *var, uint64_t min, uint64_t max, uint64_t *out);

/* Adds <x type=''/> below parent, with FORM_TYPE as a hidden field when given. */
struct elem *form_new(struct stanza *st, struct elem *parent, const char *type, const char *form_type);
void form_title(struct stanza *st, struct elem *x, const char *title, const char *instructions);
/* A field; type, label and value may be NULL. */
struct elem *form_add(struct stanza *st, struct elem *x, const char *type, const char *var, const char *label, const char *value);
void form_add_value(struct stanza *st, struct elem *field, const char *value);
void form_add_option(struct stanza *st, struct elem *field, const char *label, const char *value);
void form_require(struct stanza *st, struct elem *field);

#endif
