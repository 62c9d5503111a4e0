/*
 * testcert: a throw-away certificate authority and certificates, as PEM files in a temporary
 * folder. Made with OpenSSL at test time: nothing in the tree can expire.
 */
#ifndef TESTS_LIB_TESTCERT_H
#define TESTS_LIB_TESTCERT_H

struct testca;

/* Files of one certificate; the paths live as long as the authority. */
struct testcert {
	char certificate[256]; /* leaf, then the authority */
	char key[256];
};

enum testcert_kind { TESTCERT_EC, TESTCERT_RSA, TESTCERT_ED25519 };

/* Exits on failure, like everything here. */
struct testca *testca_new(void);
/* Removes the files. */
void testca_free(struct testca *ca);
const char *testca_file(const struct testca *ca);
const char *testca_dir(const struct testca *ca);
/* A certificate for the DNS name (subject and SAN), good from yesterday until in `days` days;
 * negative: it has expired. */
struct testcert testca_issue(struct testca *ca, const char *name, enum testcert_kind kind, int days);

#endif
