/* probe_names: see probe_names.h. */
#include "core/federation/probe_names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"

#define NAMES_MAX 32

/* What certificates say is shown to people: nothing but printable text. */
static void
add_name(struct buf *out, const char *kind, const unsigned char *s, int n)
{
	buf_addf(out, "%s%s", buf_len(out) > 0 ? ", " : "", kind);
	for (int i = 0; i < n && i < 200; i++)
		buf_addc(out, s[i] > 0x20 && s[i] < 0x7f ? (char)s[i] : '?');
}

static void
add_other_name(struct buf *out, const OTHERNAME *o)
{
	int kind = OBJ_obj2nid(o->type_id);
	const ASN1_STRING *v = o->value->value.asn1_string;

	if (kind == NID_XmppAddr && o->value->type == V_ASN1_UTF8STRING)
		add_name(out, "XMPP ", ASN1_STRING_get0_data(v), ASN1_STRING_length(v));
	else if (kind == NID_SRVName && o->value->type == V_ASN1_IA5STRING)
		add_name(out, "SRV ", ASN1_STRING_get0_data(v), ASN1_STRING_length(v));
}

static void
add_ip(struct buf *out, const ASN1_STRING *ip)
{
	char text[INET6_ADDRSTRLEN];
	int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;

	if ((family == AF_INET || ASN1_STRING_length(ip) == 16) && inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof text) != NULL)
		add_name(out, "IP ", (const unsigned char *)text, (int)strlen(text));
}

const char *
probe_names(X509 *x, struct arena *a)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	struct buf out = {0};
	const char *text;

	for (int i = 0; i < sk_GENERAL_NAME_num(list) && i < NAMES_MAX; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(list, i);

		if (g->type == GEN_DNS)
			add_name(&out, "", ASN1_STRING_get0_data(g->d.dNSName), ASN1_STRING_length(g->d.dNSName));
		else if (g->type == GEN_OTHERNAME)
			add_other_name(&out, g->d.otherName);
		else if (g->type == GEN_IPADD)
			add_ip(&out, g->d.iPAddress);
	}
	GENERAL_NAMES_free(list);
	text = arena_strdup(a, buf_len(&out) > 0 ? buf_str(&out) : "nobody");
	buf_fini(&out);
	return text;
}
