/*
 * file_policy: what the settings say of a file: before a byte of it is taken, and when its true type is known. And the words in which people
 * are told. No state, no I/O; any thread.
 */
#ifndef CORE_FILE_POLICY_H
#define CORE_FILE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file_rule.h"
#include "core/config/config.h"

/* NULL: allowed; else why not, whole sentences, static or in `a`. */

/* Before its content is known (f->type NULL, f->more). `size`: 0: not known. `declared`: NULL when not. */
const char *file_policy_ahead(struct arena *a, const struct config *c, const struct file_facts *f, uint64_t size, const char *declared);
/* By what it is: the rules, types that nobody may send, and content that pretends to be something else. `name`, `declared`: NULL when not known. */
const char *file_policy_content(struct arena *a, const struct config *c, const struct file_facts *f, const char *name, const char *declared);
/* One that has passed, without knowing for whom, is sent to somebody. f->encrypted: f->type is that of what it is encrypted into. */
const char *file_policy_sent(struct arena *a, const struct config *c, const struct file_facts *f);

/* A name as it is kept: of valid text, without what is above FILE_NAME_MAX bytes. NULL stays NULL. */
#define FILE_NAME_MAX 1024
const char *file_name_kept(struct arena *a, const char *name);
/* As it is shown to people: one line, without control characters and direction marks, shortened; "The file" when there is none. */
const char *file_name_shown(struct arena *a, const char *name);
/* "12 bytes", "3.4 MB" */
const char *file_size_shown(struct arena *a, uint64_t size);

#endif
