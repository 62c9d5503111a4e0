/*
 * vcard_store: the SQL of vCards (schema/0008_profile.sql). On workers; plain values in, plain values out.
 */
#ifndef VCARD_STORE_H
#define VCARD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

enum vcard_access { VCARD_EVERYBODY, VCARD_CONTACTS, VCARD_OWNER };

/* Texts are NULL when there is none. */
struct vcard_row {
	const char *vcard, *vcard4, *photo, *photo_sha1;
	enum vcard_access photo_access;
};

/* For each of them `data` is one of these; `was` is what there was before (all NULL: nothing). */
struct vcard_job {
	int64_t account;
	struct vcard_row row, was;
};

/* Reads `row`. */
enum sql_status vcard_store_get(struct sql *db, struct arena *a, void *data, struct err *e);
/* Replaces all by `row`. */
enum sql_status vcard_store_put(struct sql *db, struct arena *a, void *data, struct err *e);
/* Replaces vcard and vcard4 only. */
enum sql_status vcard_store_put_text(struct sql *db, struct arena *a, void *data, struct err *e);
/* Replaces the photo only. */
enum sql_status vcard_store_put_photo(struct sql *db, struct arena *a, void *data, struct err *e);
/* module_account.load: *rows is a struct vcard_row with the members of the photo but the photo itself. */
enum sql_status vcard_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e);

#endif
