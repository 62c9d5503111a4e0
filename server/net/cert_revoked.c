/*
 * cert_revoked: has somebody taken it back? Revocation lists that the administrator has put there (RFC 5280 §5), and the response that the
 * peer staples to its handshake (RFC 6066 §8, RFC 6960). Nothing is fetched from addresses in certificates: whoever connects would send
 * us anywhere with them.
 *
 * What a list or response that is too old says is not known; that it names the certificate as revoked counts all the same.
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "net/cert_priv.h"

#define CLOCKS_S 300       /* by which clocks may differ */
#define WITHOUT_END_S 86400 /* how long a response is good that does not say when the next comes (RFC 6960 §4.2.2.1) */
#define RESPONSE_MAX 65536

/* Lists */

void
cert_lists_use(struct judging *j, X509_STORE_CTX *ctx)
{
	const struct cert_question *q = j->q;

	j->list_silent = true;
	j->list_unsigned = -1;
	if (q->revocation == CERT_REVOCATION_OFF || !q->lists || sk_X509_CRL_num(q->lists->crls) == 0)
		return;
	j->list_silent = false;
	X509_STORE_CTX_set0_crls(ctx, q->lists->crls);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

static bool
signed_by(X509_CRL *crl, STACK_OF(X509) *some)
{
	for (int i = 0; i < sk_X509_num(some); i++) {
		X509 *x = sk_X509_value(some, i);

		if (!X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(crl)) && X509_CRL_verify(crl, X509_get0_pubkey(x)) == 1)
			return true;
	}
	return false;
}

/* A pinned leaf is its own anchor: its issuer is not in the chain, but may be known all the same. */
static bool
is_genuine(struct judging *j, X509_CRL *crl)
{
	return signed_by(crl, j->shown) || (j->q->store && signed_by(crl, j->q->store->list));
}

static bool
is_revoked(struct judging *j, X509_STORE_CTX *ctx, int depth)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	X509_REVOKED *entry = NULL;

	if (j->list_unsigned == depth && !(crl && is_genuine(j, crl))) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return false;
	}
	if (crl && x && X509_CRL_get0_by_cert(crl, &entry, x) == 1)
		j->revoked_on = cert_text_seconds(X509_REVOKED_get0_revocationDate(entry));
	return true;
}

bool
cert_lists_problem(struct judging *j, X509_STORE_CTX *ctx)
{
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		j->list_unsigned = depth;
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
		break;
	case X509_V_ERR_CERT_REVOKED:
		return !is_revoked(j, ctx, depth);
	default:
		return false;
	}
	if (depth == 0)
		j->list_silent = true;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return true;
}

/* The stapled response */

static X509 *
issuer_of_leaf(struct judging *j)
{
	X509 *leaf = j->q->leaf;

	if (sk_X509_num(j->chain) > 1)
		return sk_X509_value(j->chain, 1);
	for (int i = 0; i < sk_X509_num(j->shown); i++) {
		X509 *x = sk_X509_value(j->shown, i);

		if (X509_check_issued(x, leaf) == X509_V_OK && X509_verify(leaf, X509_get0_pubkey(x)) == 1)
			return x;
	}
	return NULL;
}

/* By the issuer itself, or by somebody to whom the issuer has given the right (RFC 6960 §4.2.2.2). */
static bool
is_signed(struct judging *j, OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *known = sk_X509_new_null();
	bool good;

	if (!store || !known || !sk_X509_push(known, issuer) || X509_STORE_add_cert(store, issuer) != 1)
		mem_exhausted(0);
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)j->q->now);
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	good = OCSP_basic_verify(basic, known, store, 0) == 1;
	sk_X509_free(known);
	X509_STORE_free(store);
	return good;
}

/* Is this single response about the leaf? */
static bool
is_about(OCSP_SINGLERESP *single, X509 *leaf, X509 *issuer)
{
	const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
	ASN1_OBJECT *algorithm = NULL;
	const EVP_MD *md;
	OCSP_CERTID *mine;
	bool same;

	/* The getter wants it writable and does not write. */
	if (OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) != 1 ||
	    !(md = EVP_get_digestbyobj(algorithm)))
		return false;
	mine = OCSP_cert_to_id(md, leaf, issuer);
	same = mine && !OCSP_id_cmp(mine, id);
	OCSP_CERTID_free(mine);
	return same;
}

static bool
is_fresh(const struct judging *j, const ASN1_GENERALIZEDTIME *from, const ASN1_GENERALIZEDTIME *to)
{
	int64_t since = cert_text_seconds(from), until = to ? cert_text_seconds(to) : since + WITHOUT_END_S;

	return since && since <= j->q->now + CLOCKS_S && until >= j->q->now - CLOCKS_S;
}

/* V_OCSP_CERTSTATUS_*; unknown too when it cannot be relied upon. */
static int
status_of(struct judging *j, OCSP_BASICRESP *basic, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *to = NULL;
		int status, reason = -1;

		if (!is_about(single, j->q->leaf, issuer))
			continue;
		status = OCSP_single_get0_status(single, &reason, &revoked, &from, &to);
		if (status == V_OCSP_CERTSTATUS_REVOKED) {
			j->revoked_on = cert_text_seconds(revoked);
			return status;
		}
		return status == V_OCSP_CERTSTATUS_GOOD && is_fresh(j, from, to) ? status : V_OCSP_CERTSTATUS_UNKNOWN;
	}
	return V_OCSP_CERTSTATUS_UNKNOWN;
}

static int
stapled(struct judging *j)
{
	const unsigned char *p = j->q->ocsp;
	X509 *issuer = issuer_of_leaf(j);
	int status = V_OCSP_CERTSTATUS_UNKNOWN;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;

	if (!p || !issuer || j->q->ocsp_len == 0 || j->q->ocsp_len > RESPONSE_MAX)
		return status;
	response = d2i_OCSP_RESPONSE(NULL, &p, (long)j->q->ocsp_len);
	if (!response)
		return status;
	basic = OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(response) : NULL;
	if (basic && is_signed(j, basic, issuer))
		status = status_of(j, basic, issuer);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	return status;
}

bool
cert_revoked_check(struct judging *j)
{
	char day[32];
	int status;

	if (j->q->revocation == CERT_REVOCATION_OFF)
		return true;
	status = stapled(j);
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return cert_refuse(j, CERT_REVOKED, "its certificate was revoked on %s (OCSP)", cert_text_day(j->revoked_on, day));
	j->a->revocation_known = status == V_OCSP_CERTSTATUS_GOOD || !j->list_silent;
	/* A leaf that is trusted by itself has nobody above it to ask: it is taken back where it was named. */
	if (j->q->revocation != CERT_REVOCATION_HARD || j->a->revocation_known || sk_X509_num(j->chain) <= 1)
		return true;
	return cert_refuse(j, CERT_REVOCATION_UNKNOWN, "nobody can say whether its certificate has been revoked: it brings no OCSP response that is "
		"good, and there is no current revocation list of its issuer here");
}
