/*
 * cert_name: whom a certificate is for. Only the subject alternative names count; the common name is never an identity.
 *
 * XmppAddr (RFC 6120 §13.7.1.4), SRV-ID (RFC 4985; RFC 6120 §13.7.1.2.1), DNS-ID (RFC 9525 §6.3), and for a domain that is an address the
 * IP-ID. Lengths decide where a name ends: a NUL within one makes it fit nothing.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/cert_priv.h"

#define SERVICE "_xmpp-server."
#define CLIENTS "_xmpp-client."
#define NAMES_TOLD 3 /* in our words */

/* A name as it is in the certificate. */
struct name {
	const char *p;
	size_t n;
};

struct scan {
	struct judging *j;
	const char *ascii;
	unsigned char ip[16];
	size_t ip_len;      /* 0: the domain is none */
	bool fits;          /* by DNS-ID or IP-ID */
	bool fits_xmpp;     /* by a name that name constraints do not know */
	bool nul, wide, clients, not_ascii;
	char told[NAMES_TOLD][CERT_NAME_MAX];
	unsigned names;
};

static struct name
name_of(const ASN1_STRING *s)
{
	return (struct name){ (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII, without case. */
static bool
equal(struct name a, const char *b)
{
	if (a.n != strlen(b))
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b[i]))
			return false;
	return true;
}

/* Cuts the prefix off when it is there. */
static bool
behind(struct name *a, const char *prefix)
{
	size_t n = strlen(prefix);

	if (a->n <= n || !equal((struct name){ a->p, n }, prefix))
		return false;
	a->p += n;
	a->n -= n;
	return true;
}

/* RFC 9525 §6.3: the wildcard is the whole left-most label and stands for one label. It has to have two labels behind it. */
static bool
dns_equal(struct name a, const char *domain, bool *wide)
{
	const char *parent = strchr(domain, '.');

	if (a.n < 2 || a.p[0] != '*')
		return equal(a, domain);
	if (a.p[1] != '.' || !parent || parent == domain)
		return false;
	a.p += 2;
	a.n -= 2;
	if (!equal(a, parent + 1))
		return false;
	if (memchr(a.p, '.', a.n))
		return true;
	*wide = true;
	return false;
}

static void
tell(struct scan *s, struct name a)
{
	if (s->names < NAMES_TOLD)
		cert_text_clean(a.p, a.n, s->told[s->names], sizeof(s->told[0]));
	s->names++;
	if (memchr(a.p, 0, a.n))
		s->nul = true;
}

static void
dns_id(struct scan *s, struct name a)
{
	const struct cert_question *q = s->j->q;

	tell(s, a);
	for (size_t i = 0; i < a.n; i++)
		s->not_ascii |= (unsigned char)a.p[i] >= 0x80;
	if (s->ip_len == 0 && dns_equal(a, s->ascii, &s->wide))
		s->fits = true;
	for (size_t i = 0; q->trust == CERT_BY_DANE && i < q->nalso; i++)
		if (dns_equal(a, q->also[i], &s->wide))
			s->fits = true;
}

static void
srv_id(struct scan *s, struct name a)
{
	tell(s, a);
	if (s->ip_len)
		return;
	if (behind(&a, SERVICE))
		s->fits_xmpp |= equal(a, s->ascii);
	else if (behind(&a, CLIENTS))
		s->clients |= equal(a, s->ascii);
}

/* A bare domain, prepared as any other before it is compared. */
static void
xmpp_addr(struct scan *s, struct name a)
{
	const struct cert_question *q = s->j->q;
	char prepared[1024];

	tell(s, a);
	if (memchr(a.p, 0, a.n))
		return;
	if (!q->prepare)
		s->fits_xmpp |= equal(a, q->domain);
	else if (a.n < sizeof(prepared) && !q->prepare(a.p, a.n, prepared))
		s->fits_xmpp |= !strcmp(prepared, q->domain);
}

static void
ip_id(struct scan *s, struct name a)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (a.n == 4 || a.n == 16)
		inet_ntop(a.n == 4 ? AF_INET : AF_INET6, a.p, text, sizeof(text));
	tell(s, (struct name){ text, strlen(text) });
	if (s->ip_len && a.n == s->ip_len && !memcmp(a.p, s->ip, a.n))
		s->fits = true;
}

static void
other_name(struct scan *s, const OTHERNAME *o)
{
	int nid = OBJ_obj2nid(o->type_id);

	if (nid == NID_XmppAddr && o->value->type == V_ASN1_UTF8STRING)
		xmpp_addr(s, name_of(o->value->value.utf8string));
	else if (nid == NID_SRVName && o->value->type == V_ASN1_IA5STRING)
		srv_id(s, name_of(o->value->value.ia5string));
}

/* A domain that is an address: 192.0.2.1, [2001:db8::1]. */
static void
address(struct scan *s)
{
	const char *d = s->j->q->domain;
	size_t n = strlen(d);
	char inner[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, d, s->ip) == 1) {
		s->ip_len = 4;
	} else if (n > 2 && n < sizeof(inner) && d[0] == '[' && d[n - 1] == ']') {
		memcpy(inner, d + 1, n - 2);
		inner[n - 2] = '\0';
		if (inet_pton(AF_INET6, inner, s->ip) == 1)
			s->ip_len = 16;
	}
}

static void
scan(struct scan *s)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(s->j->q->leaf, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < CERT_NAMES_MAX; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS)
			dns_id(s, name_of(g->d.dNSName));
		else if (g->type == GEN_IPADD)
			ip_id(s, name_of(g->d.iPAddress));
		else if (g->type == GEN_OTHERNAME)
			other_name(s, g->d.otherName);
	}
	GENERAL_NAMES_free(names);
}

/* A certificate with nothing in it but this DNS-ID. */
static X509 *
only_dns(const char *ascii)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509 *x = X509_new();

	if (!names || !g || !text || !x || !ASN1_STRING_set(text, ascii, -1))
		mem_exhausted(0);
	GENERAL_NAME_set0_value(g, GEN_DNS, text);
	if (!sk_GENERAL_NAME_push(names, g) || X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) != 1)
		mem_exhausted(0);
	GENERAL_NAMES_free(names);
	/* What is asked later is what OpenSSL has read from the extensions; that the rest is missing does not matter. */
	X509_check_purpose(x, -1, 0);
	return x;
}

/*
 * Name constraints are for DNS-IDs; XmppAddr and SRV-ID have kinds of their own, which nobody uses (RFC 5280 §4.2.1.10, RFC 4985 §4). An
 * authority that may speak for one domain only would be free to speak for all by them: so the same bounds hold for those.
 */
static bool
within_constraints(struct judging *j, const char *ascii)
{
	X509 *x = NULL;
	bool good = true;

	for (int i = 1; good && i < sk_X509_num(j->chain); i++) {
		NAME_CONSTRAINTS *nc = X509_get_ext_d2i(sk_X509_value(j->chain, i), NID_name_constraints, NULL, NULL);

		if (!nc)
			continue;
		if (!x)
			x = only_dns(ascii);
		good = NAME_CONSTRAINTS_check(x, nc) == X509_V_OK;
		NAME_CONSTRAINTS_free(nc);
	}
	X509_free(x);
	return good || cert_refuse(j, CERT_BAD_CHAIN, "an authority above it may not issue certificates for %s", j->q->domain);
}

static bool
refuse(const struct scan *s)
{
	const char *domain = s->j->q->domain;
	char cn[CERT_NAME_MAX], more[48] = "";

	if (s->nul)
		return cert_refuse(s->j, CERT_OTHER_NAME, "a name in its certificate has a NUL in it ('%s'): it is not for %s", s->told[0], domain);
	if (s->not_ascii)
		return cert_refuse(s->j, CERT_OTHER_NAME, "a DNS name in its certificate ('%s') is not in A-labels (xn--...): it is not for %s", s->told[0],
			s->ascii);
	if (s->wide)
		return cert_refuse(s->j, CERT_OTHER_NAME, "the wildcard in its certificate ('%s') is too wide for %s", s->told[0], domain);
	if (s->clients)
		return cert_refuse(s->j, CERT_OTHER_NAME, "its certificate is for the clients of %s only, not for its server (_xmpp-client)", domain);
	if (s->names == 0) {
		cert_text_name(X509_get_subject_name(s->j->q->leaf), cn, sizeof(cn));
		return cert_refuse(s->j, CERT_OTHER_NAME, "its certificate has no name that counts: '%s' is only its subject, not a subject "
			"alternative name, so it is not for %s", cn, domain);
	}
	if (s->names > NAMES_TOLD)
		snprintf(more, sizeof(more), " and %u more", s->names - NAMES_TOLD);
	return cert_refuse(s->j, CERT_OTHER_NAME, "its certificate is for %s%s%s%s%s%s, not for %s", s->told[0], s->names > 1 ? ", " : "",
		s->told[1], s->names > 2 ? ", " : "", s->told[2], more, domain);
}

bool
cert_name_check(struct judging *j)
{
	struct scan s = { .j = j, .ascii = j->q->ascii ? j->q->ascii : j->q->domain };

	address(&s);
	scan(&s);
	if (s.fits)
		return true;
	if (s.fits_xmpp)
		return within_constraints(j, s.ascii);
	return refuse(&s);
}
