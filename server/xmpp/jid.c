/*
 * jid: parsing, preparing and holding addresses (RFC 7622). Everybody calls it; a stanza costs
 * two or three parses, so the parts are first judged as ASCII here and go to precis.c or
 * domain.c only when they have something else.
 *
 * A jid is one allocation: the counters and lengths, then the full address, then, when there
 * is a resource, the bare address, then the localpart, each with its NUL.
 */
#include "xmpp/jid.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "xmpp/domain.h"
#include "xmpp/precis.h"

#define PART_MAX 1023 /* bytes, prepared (RFC 7622 §3.2 to §3.4) */
#define PART_SIZE (PART_MAX + 1)
/* Unprepared: a full-width letter becomes a third of its bytes, three jamo or a letter with
 * two marks also become one character of a third; nothing shrinks more. Longer input cannot
 * become valid. */
#define INPUT_MAX (3 * PART_MAX)

struct jid {
	atomic_uint refs;
	uint16_t full_len, bare_len,
		local_len;    /* local_len 0: none; full_len == bare_len: no resource */
	uint16_t bare, local; /* offsets in text; the full address is at 0 */
	uint64_t hash;
	char text[];
};

struct part {
	size_t n; /* 0: absent */
	char s[PART_SIZE];
};

struct parts {
	struct part local, domain, resource;
};

/* A lower-case ASCII letter of a localpart, or 0: RFC 7622 §3.3.1 excludes what quotes,
 * separates or delimits, UsernameCaseMapped the space and controls. */
static char
map_local_ascii(char c)
{
	if (c >= 'a' && c <= 'z')
		return c;
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c > ' ' && c < 0x7f && !strchr("\"&'/:<>@", c) ? c : 0;
}

static bool
is_ascii(const char *s, size_t n)
{
	unsigned char all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)s[i];
	return all < 0x80;
}

static bool
is_printable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] < ' ' || s[i] > '~')
			return false;
	}
	return true;
}

/* Each returns the prepared length, or -1. */
static int
prepare_local(const char *s, size_t n, char out[PART_SIZE])
{
	int len = (int)n;

	if (n == 0 || n > INPUT_MAX)
		return -1;
	if (!is_ascii(s, n)) {
		len = precis_username(s, n, out, PART_SIZE);
		/* Width mapping may have brought forth an '@' or a '/'. */
		for (int i = 0; i < len; i++) {
			if (out[i] > 0 && !map_local_ascii(out[i]))
				return -1;
		}
		return len;
	}
	if (n > PART_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!(out[i] = map_local_ascii(s[i])))
			return -1;
	}
	out[n] = '\0';
	return len;
}

static int
prepare_domain(const char *s, size_t n, char out[PART_SIZE])
{
	return n == 0 || n > INPUT_MAX ? -1 : domain_prepare(s, n, out, PART_SIZE);
}

static int
prepare_opaque(const char *s, size_t n, char *out, size_t max)
{
	if (n == 0 || n > INPUT_MAX || max == 0)
		return -1;
	if (!is_ascii(s, n))
		return precis_opaque(s, n, out, max);
	if (n >= max || !is_printable(s, n))
		return -1;
	memcpy(out, s, n);
	out[n] = '\0';
	return (int)n;
}

static int
prepare_resource(const char *s, size_t n, char out[PART_SIZE])
{
	return prepare_opaque(s, n, out, PART_SIZE);
}

/* 0 or -1, and the length into the part. */
static int
take(struct part *p, int len)
{
	p->n = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : -1;
}

static char *
append(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

/* From prepared parts. */
static struct jid *
build(const char *local, size_t local_n, const char *domain, size_t domain_n, const char *resource,
      size_t resource_n)
{
	size_t bare_n = domain_n + (local_n ? local_n + 1 : 0);
	size_t full_n = bare_n + (resource_n ? resource_n + 1 : 0);
	size_t size = full_n + 1 + (resource_n ? bare_n + 1 : 0) + (local_n ? local_n + 1 : 0);
	struct jid *j = mem_alloc(sizeof(*j) + size);
	char *p = j->text;

	atomic_init(&j->refs, 1);
	j->full_len = (uint16_t)full_n;
	j->bare_len = (uint16_t)bare_n;
	j->local_len = (uint16_t)local_n;
	if (local_n) {
		p = append(p, local, local_n);
		*p++ = '@';
	}
	p = append(p, domain, domain_n);
	j->bare = 0;
	if (resource_n) {
		*p++ = '/';
		p = append(p, resource, resource_n);
		*p++ = '\0';
		j->bare = (uint16_t)(p - j->text);
		p = append(p, j->text, bare_n);
	}
	*p++ = '\0';
	j->local = (uint16_t)(p - j->text);
	if (local_n) {
		p = append(p, local, local_n);
		*p = '\0';
	}
	j->hash = crypt_hash(j->text, bare_n);
	return j;
}

static struct jid *
build_parts(const struct parts *p)
{
	return build(p->local.s, p->local.n, p->domain.s, p->domain.n, p->resource.s,
		     p->resource.n);
}

/* The first '/' ends the bare address, the first '@' in that the localpart (RFC 7622 §3.2),
 * before anything is mapped. */
struct jid *
jid_parse(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t bare = slash ? (size_t)(slash - s) : n;
	const char *at = memchr(s, '@', bare);
	size_t domain = at ? (size_t)(at - s) + 1 : 0;
	struct parts p;

	p.local.n = p.resource.n = 0;
	if (take(&p.domain, prepare_domain(s + domain, bare - domain, p.domain.s)))
		return NULL;
	if (at && take(&p.local, prepare_local(s, domain - 1, p.local.s)))
		return NULL;
	if (slash && take(&p.resource, prepare_resource(slash + 1, n - bare - 1, p.resource.s)))
		return NULL;
	return build_parts(&p);
}

struct jid *
jid_parse_z(const char *s)
{
	return jid_parse(s, strlen(s));
}

struct jid *
jid_new(const char *local, const char *domain, const char *resource)
{
	struct parts p;

	p.local.n = p.resource.n = 0;
	if (take(&p.domain, prepare_domain(domain, strlen(domain), p.domain.s)))
		return NULL;
	if (local && take(&p.local, prepare_local(local, strlen(local), p.local.s)))
		return NULL;
	if (resource &&
	    take(&p.resource, prepare_resource(resource, strlen(resource), p.resource.s)))
		return NULL;
	return build_parts(&p);
}

struct jid *
jid_with_resource(const struct jid *j, const char *resource)
{
	const char *domain = jid_domain(j);
	size_t domain_n = (size_t)(j->text + j->bare + j->bare_len - domain);
	struct part r = {.n = 0};

	if (resource && take(&r, prepare_resource(resource, strlen(resource), r.s)))
		return NULL;
	return build(j->text + j->local, j->local_len, domain, domain_n, r.s, r.n);
}

struct jid *
jid_to_bare(struct jid *j)
{
	return jid_is_bare(j) ? jid_ref(j) : jid_with_resource(j, NULL);
}

struct jid *
jid_ref(struct jid *j)
{
	/* The caller has a reference, so nothing needs to be ordered here. */
	unsigned was = atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);

	assert(was > 0);
	(void)was;
	return j;
}

void
jid_unref(struct jid *j)
{
	if (j && atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) == 1)
		free(j);
}

const char *
jid_full(const struct jid *j)
{
	return j->text;
}

const char *
jid_bare(const struct jid *j)
{
	return j->text + j->bare;
}

const char *
jid_local(const struct jid *j)
{
	return j->local_len ? j->text + j->local : NULL;
}

const char *
jid_domain(const struct jid *j)
{
	return j->text + j->bare + (j->local_len ? j->local_len + 1 : 0);
}

const char *
jid_resource(const struct jid *j)
{
	return jid_is_bare(j) ? NULL : j->text + j->bare_len + 1;
}

size_t
jid_full_len(const struct jid *j)
{
	return j->full_len;
}

size_t
jid_bare_len(const struct jid *j)
{
	return j->bare_len;
}

bool
jid_is_bare(const struct jid *j)
{
	return j->full_len == j->bare_len;
}

bool
jid_is_domain(const struct jid *j)
{
	return jid_is_bare(j) && !j->local_len;
}

bool
jid_equal(const struct jid *a, const struct jid *b)
{
	return a == b || (a->full_len == b->full_len && a->bare_len == b->bare_len &&
			  memcmp(a->text, b->text, a->full_len) == 0);
}

bool
jid_equal_bare(const struct jid *a, const struct jid *b)
{
	return a == b || (a->bare_len == b->bare_len && a->hash == b->hash &&
			  memcmp(a->text, b->text, a->bare_len) == 0);
}

bool
jid_covers(const struct jid *pattern, const struct jid *j)
{
	if (!jid_is_bare(pattern))
		return jid_equal(pattern, j);
	if (jid_local(pattern))
		return jid_equal_bare(pattern, j);
	return !strcmp(jid_domain(pattern), jid_domain(j));
}

uint64_t
jid_hash(const struct jid *j)
{
	return j->hash;
}

int
jid_prepare_local(const char *s, size_t n, char out[1024])
{
	return prepare_local(s, n, out) > 0 ? 0 : -1;
}

int
jid_prepare_domain(const char *s, size_t n, char out[1024])
{
	return prepare_domain(s, n, out) > 0 ? 0 : -1;
}

int
jid_prepare_resource(const char *s, size_t n, char out[1024])
{
	return prepare_resource(s, n, out) > 0 ? 0 : -1;
}

int
jid_prepare_password(const char *s, size_t n, char *out, size_t max)
{
	return prepare_opaque(s, n, out, max) > 0 ? 0 : -1;
}
