/*
 * schema: the SQL files of schema/, built into the program by schema/embed.cmake.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stddef.h>

struct schema_file {
	const char *name; /* of the file: 0001_accounts.sql */
	const char *text; /* with a NUL behind it */
	size_t len;
};

/* The migrations in order, and an entry of NULLs behind the last. */
extern const struct schema_file schema_files[];
extern const size_t schema_files_n;
/* schema/roles.sql; empty text when there is none. */
extern const struct schema_file schema_roles;

#endif
