/*
 * archive: entries for the archive writer, and checks of what became of them. For tests of store/record
 * and of what stands on it.
 */
#ifndef TESTS_LIB_ARCHIVE_H
#define TESTS_LIB_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/pg.h"
#include "store/record.h"

struct test_entry {
	struct record_entry e;
	char from[64], to[64], id[16], body[256], stanza[640];
	int64_t sent_ms, back_ms;
	int back; /* how often it came back */
};

/* The writers that are started from here on copy small batches too (record_settings.copies). */
extern bool test_archive_copies;
/* Starts the writer on this cluster; exits when that fails. */
void test_archive_start(struct pg *pg, unsigned patience_ms, unsigned batch);
/* Sends message `number` of `from`; the entry comes back by itself (home NULL). */
void test_submit(struct test_entry *t, const char *from, const char *to, unsigned number);
/* The same to juliet@example.org, of what may wait for company (record_entry.may_wait_ms). */
void test_submit_later(struct test_entry *t, const char *from, unsigned number, unsigned ms);
/* The same with texts that were set before. */
void test_submit_as_is(struct test_entry *t);
size_t test_open_entries(void);
/* Until at most so many are open; false after `ms`. */
bool test_wait_open(size_t at_most, int ms);

/* NULL, or what is wrong with the record as a whole: gaps, order, leaves, doubles. */
const char *test_archive_fault(struct pg *pg);
/* NULL, or how the record contradicts what one of these entries was told. */
const char *test_entries_fault(struct pg *pg, const struct test_entry *t, size_t n);

#endif
