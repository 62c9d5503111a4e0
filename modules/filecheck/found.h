/*
 * found: what a stanza has of files in itself, and what it offers by an address. Pure; asked of every stanza that anybody sends.
 */
#ifndef FOUND_H
#define FOUND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "module_file.h"
#include "xmpp/stanza.h"

enum found_kind {
	FOUND_BASE64,    /* a file: text in base64, in lines perhaps */
	FOUND_URI,       /* a file: a data: URI, from behind its colon to the end of the word, or of the text */
	FOUND_LINK,      /* the address of a file, offered as such */
	FOUND_ENCRYPTED, /* a file that nobody between two people can read */
};

struct found {
	struct found *next;
	enum found_kind kind;
	enum judge_path path;
	const struct elem *e;   /* where */
	const char *text;
	size_t n;
	const char *type;       /* declared; NULL */
	bool prose;             /* FOUND_URI: among words */
	bool guess;             /* FOUND_URI: only base64 is a file, and what is none is not wrong */
	bool broken;            /* it has elements within: not everybody reads the same content out of it. No text */
	bool alone;             /* FOUND_LINK: the element can be taken out by itself */
};

/* In the order in which they stand; in `a`, which need not outlive the stanza. NULL: nothing, as in nearly all. */
struct found *found_in(const struct elem *root, struct arena *a);

#endif
