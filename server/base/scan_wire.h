/*
 * scan_wire: what chanceryd and chancery-scan say to each other, over a pair of sockets of type SOCK_SEQPACKET.
 *
 * One message is one packet: a fixed structure in the machine's own byte order (both ends are on one machine and of one build:
 * `version` says so). A request carries one read-only descriptor of a regular file (SCM_RIGHTS), which the scanner reads by
 * pread from its beginning to `size`; it is never given a name or a path. Requests are answered in whatever order, each once, by
 * `id`. Whatever chancery-scan says is not believed further than it goes: an answer to an id that was not asked, of a length
 * or with a value that is not one of these, means that the scanner is broken; it is ended and started anew, and everything it had
 * counts as `error`. Only an explicit CLEAN is clean (P5).
 */
#ifndef BASE_SCAN_WIRE_H
#define BASE_SCAN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_WIRE_VERSION 2
#define SCAN_TEXT_MAX 192  /* bytes with the NUL */
#define SCAN_TYPE_MAX 128
#define SCAN_TIME_MAX ((int64_t)253402300799) /* the end of the year 9999 */

enum scan_verdict {
	SCAN_CLEAN = 1,   /* all of it was looked at, every member of every archive too, and nothing was found */
	SCAN_INFECTED,    /* text: the name of the signature */
	SCAN_UNSCANNABLE, /* text: why, in plain words: encrypted, over a limit, damaged, … */
	SCAN_ERROR,       /* text: why: worker ended, out of time, out of memory, no signatures */
};

/* Why a file is unscannable, for policies that tell them apart. */
enum scan_why {
	SCAN_WHY_NONE,
	SCAN_WHY_ENCRYPTED, /* a member of an archive, or a document, cannot be read without a password */
	SCAN_WHY_LIMIT,     /* size of a member or of all, number, depth, ratio */
	SCAN_WHY_DAMAGED,   /* truncated, overlapping entries, members that its directory hides, an unknown method, … */
};

enum scan_message_kind {
	SCAN_REQUEST = 1,
	SCAN_ANSWER,
	SCAN_STATE,       /* chancery-scan, when something has changed and every ten seconds: that it lives, and with what */
};

struct scan_request {
	uint32_t kind, version;
	uint64_t id;
	uint64_t size;        /* of the file; it is not larger or smaller */
	uint32_t patience_ms; /* from now on; later the answer is SCAN_ERROR */
	uint32_t unused;
};

struct scan_answer {
	uint32_t kind, version;
	uint64_t id;
	uint32_t verdict, why;
	char text[SCAN_TEXT_MAX]; /* UTF-8, printable, NUL-terminated */
	char type[SCAN_TYPE_MAX]; /* the true media type as libmagic has it, "application/zip"; "" when it was not found out */
	uint64_t signatures;      /* scan_state.generation that it was scanned with; 0: none */
	uint32_t took_ms, unused;
};

struct scan_state {
	uint32_t kind, version;
	uint64_t generation;  /* 1, 2, …: rises when new signatures are in force; 0: none yet, everything is answered by SCAN_ERROR */
	uint64_t signatures;  /* how many */
	uint64_t set;         /* which they are: another number for other files, by names, sizes, times and places; fits into 63 bits */
	int64_t newest_s;     /* when the newest of them were made, by their own header, else the file's time; s since 1970 */
	uint32_t workers, busy, waiting;
	uint32_t lost;        /* workers that crashed, hung or ran out of memory, since the start */
	char engine[64];      /* libclamav's version */
	char trouble[SCAN_TEXT_MAX]; /* why the newest signatures could not be loaded; "", also while they are being loaded */
};

/* Sends one packet; `fd` goes along when it is not -1 and stays the caller's. 0, or -1 with errno (EAGAIN too). */
int scan_wire_send(int sock, const void *packet, size_t n, int fd);
/* Receives one packet of at most `max` bytes; a descriptor that came along, if any, is the caller's in *fd (else -1; more than one
 * or a truncated packet is an error). Returns its size; 0: the other end has closed; -1 with errno. */
long scan_wire_receive(int sock, void *packet, size_t max, int *fd);
/* Is this a whole and sensible answer (state)? Texts are terminated and printable UTF-8, enums are known. */
bool scan_wire_answer_is_right(const void *packet, size_t n);
bool scan_wire_state_is_right(const void *packet, size_t n);

#endif
