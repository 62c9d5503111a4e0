/*
 * config_table: the declared settings. A row gives path, type, range, default and help; reading, checking,
 * `chancery config check`, the reference page and reload all come from the row.
 *
 * `hosts` is the one setting without a row: it is a list of mappings, and config_parse.c knows it.
 */
#ifndef CORE_CONFIG_TABLE_H
#define CORE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/config/config.h"

#define CONFIG_LIST_MAX 64    /* items of a list */
#define CONFIG_VALUE_MAX 4096 /* bytes of a value */
#define CONFIG_PATH_MAX 128   /* bytes of a setting's path, with the NUL */

enum config_type {
	CONFIG_BOOL,
	CONFIG_NUMBER,
	CONFIG_SIZE,     /* bytes: 65536, 64k, 1m, 1g */
	CONFIG_DURATION, /* kept in milliseconds: 500ms, 20s, 10m, 2h, 1d */
	CONFIG_CHOICE,   /* one of `choices`, kept as its index */
	CONFIG_STRING,
	CONFIG_FILE,      /* relative to the folder of the settings file */
	CONFIG_ADDRESSES, /* list of 192.0.2.1:5222, [2001:db8::1]:5222 */
	CONFIG_LIST,      /* list of texts */
};

struct config_row {
	const char *path; /* section.name */
	enum config_type type;
	size_t offset;              /* of the member in struct config */
	const char *def;            /* as it would be written; lists: items between single spaces */
	uint64_t min, max;          /* numbers, in the unit that is kept */
	const char *const *choices; /* CONFIG_CHOICE: NULL ends them */
	bool required, fixed;       /* must not be empty; see config_row_is_fixed */
	bool secret;                /* may hold a password: the value is shown to nobody */
	bool (*check)(const char *text); /* CONFIG_STRING and items of CONFIG_LIST: more than any text; NULL: not */
	const char *expect;         /* what `check` accepts, for messages: "a URI" */
	const char *help;
};

extern const struct config_row config_rows[];
extern const size_t config_nrows;

/* CONFIG_ADDRESSES or CONFIG_LIST: the member is a struct config_list. */
bool config_row_is_list(const struct config_row *row);
const struct config_row *config_row_find(const char *path);
/* Is there a row whose path begins with "NAME."? Returns the first. */
const struct config_row *config_row_section(const char *name);
/* A reload does not change it. */
bool config_row_is_fixed(const struct config_row *row);
/* What a value must look like, for messages and the reference page. */
void config_row_expect(const struct config_row *row, struct buf *out);

/* Puts one value where the row says; memory from c->arena. False: not what config_row_expect says.
 * For a list, adds one item. `text` has no control characters. */
bool config_row_put(struct config *c, const struct config_row *row, const char *text);
/* Puts the default. */
void config_row_default(struct config *c, const struct config_row *row);
/* The value as it would be written; a list's items between spaces. */
void config_row_text(const struct config *c, const struct config_row *row, struct buf *out);
bool config_row_equal(const struct config *a, const struct config *b, const struct config_row *row);

/* `name` as seen from the folder of the settings file; in the arena of c. */
const char *config_resolve_file(struct config *c, const char *name);

#endif
