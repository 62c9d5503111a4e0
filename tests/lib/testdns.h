/*
 * testdns: a real name server (nsd) on a free port of 127.0.0.1, with zones made by the test; signed with dnssec-signzone when asked
 * for. Exits on trouble, like the rest of this folder.
 */
#ifndef TESTS_LIB_TESTDNS_H
#define TESTS_LIB_TESTDNS_H

#include <stdbool.h>
#include <stddef.h>

struct testdns;

struct testdns_zone {
	const char *name;    /* "a.test" */
	const char *records; /* lines of a zone file; SOA and NS are added; the TTL is 60 */
	bool is_signed;
	const char *const (*spoil)[2]; /* after signing: what becomes what, up to one with NULL; long enough not to be in a signature */
};

/* The packages are here: nsd, bind9-utils. */
bool testdns_available(void);
struct testdns *testdns_start(const struct testdns_zone *zones, size_t n);
void testdns_stop(struct testdns *d);
/* "127.0.0.1@PORT" */
const char *testdns_server(const struct testdns *d);
/* A file with the DS records of the signed zones. */
const char *testdns_anchors(const struct testdns *d);
const char *testdns_dir(const struct testdns *d);

#endif
