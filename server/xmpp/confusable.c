/* confusable: see confusable.h. On ICU's data. */
#include "xmpp/confusable.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/unorm2.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

#include "base/mem.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static USpoofChecker *checker;
static const UNormalizer2 *folder;

/* Both are for reading only from then on, by every thread; ICU frees them never, as its own data. */
static void
open_checker(void)
{
	UErrorCode e = U_ZERO_ERROR;

	checker = uspoof_open(&e);
	folder = unorm2_getNFKCCasefoldInstance(&e);
	if (U_FAILURE(e))
		checker = NULL;
}

static UChar *
to_utf16(const char *s, int32_t *n)
{
	int32_t cap = (int32_t)strlen(s) + 1;
	UChar *u = mem_alloc((size_t)cap * sizeof(*u));
	UErrorCode e = U_ZERO_ERROR;

	u_strFromUTF8(u, cap, n, s, -1, &e);
	if (!U_FAILURE(e))
		return u;
	free(u);
	return NULL;
}

/* Grows: a ligature becomes several letters, at most 18 (UAX #15). */
static UChar *
fold(const UChar *u, int32_t n, int32_t *m)
{
	int32_t cap = 18 * n + 1;
	UChar *out = mem_alloc((size_t)cap * sizeof(*out));
	UErrorCode e = U_ZERO_ERROR;

	*m = unorm2_normalize(folder, u, n, out, cap, &e);
	if (!U_FAILURE(e))
		return out;
	free(out);
	return NULL;
}

static char *
skeleton(const UChar *u, int32_t n)
{
	UErrorCode e = U_ZERO_ERROR;
	int32_t m = uspoof_getSkeleton(checker, 0, u, n, NULL, 0, &e), len = 0;
	UChar *sk;
	char *out;

	if (e != U_BUFFER_OVERFLOW_ERROR && U_FAILURE(e))
		return NULL;
	e = U_ZERO_ERROR;
	sk = mem_alloc((size_t)(m + 1) * sizeof(*sk));
	out = mem_alloc((size_t)m * 3 + 1);
	uspoof_getSkeleton(checker, 0, u, n, sk, m + 1, &e);
	u_strToUTF8(out, m * 3 + 1, &len, sk, m, &e);
	free(sk);
	if (!U_FAILURE(e))
		return out;
	free(out);
	return NULL;
}

char *
confusable_skeleton(const char *s)
{
	UChar *u, *folded;
	char *out = NULL;
	int32_t n, m;

	pthread_once(&once, open_checker);
	if (!checker || !(u = to_utf16(s, &n)))
		return NULL;
	folded = fold(u, n, &m);
	if (folded)
		out = skeleton(folded, m);
	free(folded);
	free(u);
	return out;
}
