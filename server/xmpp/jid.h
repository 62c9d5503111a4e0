/*
 * jid: addresses by RFC 7622: localpart PRECIS UsernameCaseMapped, resourcepart OpaqueString
 * (RFC 8265), domainpart IDNA2008 with UTS 46 mapping, or an IP literal; each part at most
 * 1023 bytes after preparation. Two equal addresses have equal bytes.
 *
 * A jid is immutable and counted atomically; it may be used by any thread that holds a
 * reference.
 */
#ifndef XMPP_JID_H
#define XMPP_JID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jid;

/* Parses and prepares. NULL when malformed. ASCII lower-case input takes a fast path without
 * ICU. */
struct jid *jid_parse(const char *s, size_t n);
struct jid *jid_parse_z(const char *s);
/* From parts as a peer gave them; local and resource may be NULL. */
struct jid *jid_new(const char *local, const char *domain, const char *resource);
/* The same bare address with another resource (prepared here; NULL when malformed), or
 * without. */
struct jid *jid_with_resource(const struct jid *j, const char *resource);
struct jid *jid_to_bare(struct jid *j); /* a new reference in any case */
struct jid *jid_ref(struct jid *j);
void jid_unref(struct jid *j);

const char *jid_full(const struct jid *j);     /* local@domain/resource */
const char *jid_bare(const struct jid *j);     /* local@domain */
const char *jid_local(const struct jid *j);    /* NULL when none */
const char *jid_domain(const struct jid *j);
const char *jid_resource(const struct jid *j); /* NULL when none */
size_t jid_full_len(const struct jid *j);
size_t jid_bare_len(const struct jid *j);
bool jid_is_bare(const struct jid *j);         /* has no resource */
bool jid_is_domain(const struct jid *j);       /* neither local nor resource */
bool jid_equal(const struct jid *a, const struct jid *b);
bool jid_equal_bare(const struct jid *a, const struct jid *b);
/* Does `pattern` mean j? By what it names (XEP-0191 §5): user@domain/resource, user@domain, domain/resource exactly or with
 * any resource; a domain means all of it. */
bool jid_covers(const struct jid *pattern, const struct jid *j);
/* Keyed hash of the bare JID, computed once: crypt_hash(jid_bare(j), jid_bare_len(j)). home = jid_hash(j) % reactors. */
uint64_t jid_hash(const struct jid *j);

/* Single parts, as tests and account tools need them. out holds 1024 bytes. 0 or -1. */
int jid_prepare_local(const char *s, size_t n, char out[1024]);
int jid_prepare_domain(const char *s, size_t n, char out[1024]);
int jid_prepare_resource(const char *s, size_t n, char out[1024]);
/* OpaqueString for passwords (RFC 8265 §4); out may hold up to 4 * n + 1 bytes, `max` with the
 * NUL. */
int jid_prepare_password(const char *s, size_t n, char *out, size_t max);

#endif
