/*
 * search_doc: from a record to what the index holds of it: its words in order, and its marks.
 *
 * Marks, each a lexeme of the index beside the words; HASH is the number of an address (store/address.h) in hexadecimal:
 *   :fHASH :tHASH   from and to           :vHASH   the room through which a private message came
 *   :dHASH          domain of either end   :kN      kind      :D1 :D2   from, to another server
 *   :x              a file, or its address :hSHA256 of a file  :nWORD    a word of a file's name
 *   :e              end-to-end encrypted   :rHASH   the id that it refers to   :RID   the record
 *   :gHASH          an address at another network, or a nick there
 *   :S              a room's note that all who were in it are not any more (the server had stopped)
 *   :b              more words than are kept here: not all of it is found by words
 * and the stems of its words, without a colon.
 */
#ifndef ARCHIVE_SEARCH_DOC_H
#define ARCHIVE_SEARCH_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/search/search.h"
#include "archive/search/search_words.h"
#include "base/buf.h"

#define SEARCH_DOC_BYTES (256 * 1024) /* of words, and of marks; PostgreSQL's tsvector holds a megabyte */

/* Adds to both, which the caller has cleared. Of the row texts, kind, direction and refers_record are looked at. */
void search_doc(struct search_words *w, const struct search_row *r, struct buf *words, struct buf *marks);

/* The text that words are taken from, what is in elements of its own on a line of its own. For what is shown, too. */
void search_doc_text(const char *stanza, size_t n, struct buf *out);
/* The values of attributes, each on a line of its own, but for those of the stanza itself, namespaces and languages. */
void search_doc_values(const char *stanza, size_t n, struct buf *out);
/* What the tags of a stanza say. */
struct search_tags {
	bool file, encrypted, shutdown;
};
void search_doc_tags(const char *stanza, size_t n, struct search_tags *out);
/* The value of the first attribute `name` of the stanza's first tag, unescaped, or of the first element of that name. False: there is none. */
bool search_doc_attribute(const char *stanza, size_t n, const char *element, const char *name, struct buf *out);
/* Of the first element of that name directly within the stanza: what is deeper, anybody may have written (core/route/intake looks at no more). */
bool search_doc_child_attribute(const char *stanza, size_t n, const char *element, const char *name, struct buf *out);

/* The marks of addresses. `kind` is the letter. */
void search_mark_hash(struct buf *out, char kind, const char *s, size_t n);

#endif
