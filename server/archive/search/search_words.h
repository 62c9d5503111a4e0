/*
 * search_words: from text to the words that a search finds it by.
 *
 * A word is a run of letters, digits and the marks on them; of scripts that are written without spaces each character is one, and so is each
 * emoji. It is *folded*: small letters, without accents, ligatures and the forms that exist for compatibility; characters that cannot
 * be seen are left out. Its *stems* are what is left of it by the rules of English and French, folded: they are found by words that have one
 * of them, too.
 *
 * A query is words that all have to be there:
 *   word          it, or one with the same stem        "two words"   these, one after the other, as they are written
 *   begin*        a word that begins so                 -word -"…"    not this
 * What is several words although it is written as one (l'équipe, e-mail) is looked for as if it stood in quotes.
 *
 * An object for each thread.
 */
#ifndef ARCHIVE_SEARCH_WORDS_H
#define ARCHIVE_SEARCH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SEARCH_WORD_BYTES 96  /* of a folded word; what is longer is known by its beginning */
#define SEARCH_STEMS 4

struct search_words;
struct search_words *search_words_new(void);
void search_words_free(struct search_words *w);

/* The word that comes next in a text. */
struct search_word {
	size_t first, end;                 /* where it is, in bytes */
	char folded[SEARCH_WORD_BYTES + 1];
	size_t len;                        /* of it */
	char plain[SEARCH_WORD_BYTES + 1]; /* small letters, with accents: what stems are made from */
	bool cut;                          /* it is longer */
};
/* False: there is none from `*at` on. Text that is not UTF-8 ends words, nothing else. */
bool search_words_next(const char *text, size_t n, size_t *at, struct search_word *out);
/* Its stems that are not the word itself; each folded. Returns how many. */
unsigned search_words_stems(struct search_words *w, const struct search_word *word, char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1]);

/* What a query asks for. In the arena it was parsed into. */
struct search_term {
	char **word;       /* one of these (the word, its stems), folded */
	unsigned n;
	bool prefix, not;
	struct search_term *next;
};
struct search_terms {
	struct search_term *first;   /* what the index is asked */
	const char **has, **lacks;   /* phrases, folded, words with one space between */
	size_t nhas, nlacks;
};

/* 0; -1 and what is wrong with it: too many words, too long, none at all, nothing but what is not wanted. */
int search_terms_parse(struct search_words *w, struct arena *a, const char *text, unsigned most, unsigned most_bytes,
	struct search_terms *out, struct err *e) MUST_CHECK;
/* The same in the language of PostgreSQL's tsquery, behind `&` when there is something already. */
void search_terms_add(const struct search_terms *t, struct buf *out);
/* Is this word of a text one that was asked for? For marking hits; a phrase's words are each. */
bool search_terms_hit(struct search_words *w, const struct search_terms *t, const struct search_word *word);

/* A lexeme of a tsquery, quoted. */
void search_lexeme(struct buf *out, const char *s, bool prefix);

#endif
