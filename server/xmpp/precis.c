/*
 * precis: profiles of RFC 8265 over the string classes of RFC 8264. jid.c calls it for
 * whatever is not plain ASCII.
 *
 * A pass maps, normalises and checks once; passes repeat until the string no longer changes, as
 * RFC 8264 §7 asks, so that what comes out is accepted unchanged when it comes in again: the
 * database, other servers and we ourselves compare bytes.
 *
 * Whether a code point may stand in a class is derived from Unicode properties (RFC 8264 §8),
 * never from a list, so it follows the installed ICU's Unicode version.
 */
#include "xmpp/precis.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "base/crypt.h"

#define MARKS_MAX 30 /* in a row (UAX #15 §13) */
/* The first application and three more (RFC 8264 §7). */
#define PASSES 4

struct text {
	UChar u[PRECIS_MAX];
	int32_t n;
};

struct work {
	struct text in, out, tmp;
};

/* From `in` to `out`, by way of `tmp`. 0 or -1. */
typedef int (*pass_fn)(struct work *w);

enum property { PVALID, FREE_PVALID, CONTEXT, DISALLOWED };

/* Code points that RFC 5892 §2.6 settles by name. */
static const struct exception {
	UChar32 first, last;
	enum property property;
} exceptions[] = {
	{0x00b7, 0x00b7, CONTEXT},    {0x00df, 0x00df, PVALID},     {0x0375, 0x0375, CONTEXT},
	{0x03c2, 0x03c2, PVALID},     {0x05f3, 0x05f4, CONTEXT},    {0x0640, 0x0640, DISALLOWED},
	{0x0660, 0x0669, CONTEXT},    {0x06f0, 0x06f9, CONTEXT},    {0x06fd, 0x06fe, PVALID},
	{0x07fa, 0x07fa, DISALLOWED}, {0x0f0b, 0x0f0b, PVALID},     {0x3007, 0x3007, PVALID},
	{0x302e, 0x302f, DISALLOWED}, {0x3031, 0x3035, DISALLOWED}, {0x303b, 0x303b, DISALLOWED},
	{0x30fb, 0x30fb, CONTEXT},
};

#define LETTER_DIGITS \
	(U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK | U_GC_LM_MASK | U_GC_MN_MASK | \
	 U_GC_MC_MASK)
#define FREEFORM_ONLY \
	(U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK | U_GC_ZS_MASK | U_GC_S_MASK | \
	 U_GC_P_MASK)

static const struct exception *
find_exception(UChar32 cp)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
		if (cp < exceptions[i].first)
			return NULL;
		if (cp <= exceptions[i].last)
			return &exceptions[i];
	}
	return NULL;
}

/* Conjoining jamo (RFC 8264 §9.9). */
static bool
is_old_hangul(UChar32 cp)
{
	int type = u_getIntPropertyValue(cp, UCHAR_HANGUL_SYLLABLE_TYPE);

	return type == U_HST_LEADING_JAMO || type == U_HST_VOWEL_JAMO ||
	       type == U_HST_TRAILING_JAMO;
}

/* Does NFKC change the code point (RFC 8264 §9.17)? */
static bool
has_compat(UChar32 cp)
{
	UErrorCode st = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&st);
	UChar u[2];
	int32_t n = 0;
	bool same;

	U16_APPEND_UNSAFE(u, n, cp);
	same = unorm2_isNormalized(nfkc, u, n, &st);
	return U_FAILURE(st) || !same;
}

/* The derived property, in the order of RFC 8264 §8. BackwardCompatible is empty; Unassigned
 * and disallowed are one, since both refuse. */
static enum property
derive(UChar32 cp)
{
	const struct exception *e;
	uint32_t category;

	if (cp >= 0x21 && cp <= 0x7e)
		return PVALID;
	if ((e = find_exception(cp)))
		return e->property;
	category = U_GET_GC_MASK(cp);
	if (category & U_GC_CN_MASK)
		return DISALLOWED;
	if (u_hasBinaryProperty(cp, UCHAR_JOIN_CONTROL))
		return CONTEXT;
	if (is_old_hangul(cp) || u_hasBinaryProperty(cp, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
	    u_hasBinaryProperty(cp, UCHAR_NONCHARACTER_CODE_POINT) || (category & U_GC_CC_MASK))
		return DISALLOWED;
	if (has_compat(cp))
		return FREE_PVALID;
	if (category & LETTER_DIGITS)
		return PVALID;
	return category & FREEFORM_ONLY ? FREE_PVALID : DISALLOWED;
}

bool
precis_in_identifier(int32_t cp)
{
	enum property p = derive(cp);

	return p == PVALID || p == CONTEXT;
}

/* Do all code points belong to the class? Context is looked at later, in the mapped string. */
static bool
in_class(const struct text *t, bool freeform)
{
	UChar32 cp;

	for (int32_t i = 0; i < t->n;) {
		enum property p;

		U16_NEXT(t->u, i, t->n, cp);
		p = derive(cp);
		if (p == DISALLOWED || (p == FREE_PVALID && !freeform))
			return false;
	}
	return true;
}

/* What the context rules need to know of a whole string, gathered once: looking it up at each
 * occurrence would take quadratic time. */
struct traits {
	bool kana_or_han, arabic_digit, extended_digit, context;
};

static bool
is_arabic_digit(UChar32 cp)
{
	return cp >= 0x0660 && cp <= 0x0669;
}

static bool
is_extended_digit(UChar32 cp)
{
	return cp >= 0x06f0 && cp <= 0x06f9;
}

static UScriptCode
script_of(UChar32 cp)
{
	UErrorCode st = U_ZERO_ERROR;

	return uscript_getScript(cp, &st);
}

static struct traits
gather(const struct text *t)
{
	struct traits r = {0};
	UChar32 cp;

	for (int32_t i = 0; i < t->n;) {
		UScriptCode script;

		U16_NEXT(t->u, i, t->n, cp);
		if (cp < 0x80)
			continue;
		script = script_of(cp);
		r.kana_or_han |= script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA ||
				 script == USCRIPT_HAN;
		r.arabic_digit |= is_arabic_digit(cp);
		r.extended_digit |= is_extended_digit(cp);
		r.context |= derive(cp) == CONTEXT;
	}
	return r;
}

/* The code point that ends before `i`, or -1. */
static UChar32
before(const struct text *t, int32_t i)
{
	UChar32 cp;

	if (i <= 0)
		return -1;
	U16_PREV(t->u, 0, i, cp);
	return cp;
}

/* The code point that starts at `i`, or -1. */
static UChar32
at(const struct text *t, int32_t i)
{
	UChar32 cp;

	if (i >= t->n)
		return -1;
	U16_NEXT(t->u, i, t->n, cp);
	return cp;
}

static int
joining_type(UChar32 cp)
{
	return cp < 0 ? U_JT_NON_JOINING : u_getIntPropertyValue(cp, UCHAR_JOINING_TYPE);
}

/* RFC 5892 A.1, the expression (L|D) T* ZWNJ T* (R|D). The text from `start` to `end` is the
 * ZWNJ. A run of transparent characters is seen from its two ends at most, so this stays
 * linear. */
static bool
joins(const struct text *t, int32_t start, int32_t end)
{
	int left, right;

	while ((left = joining_type(before(t, start))) == U_JT_TRANSPARENT)
		U16_BACK_1(t->u, 0, start);
	while ((right = joining_type(at(t, end))) == U_JT_TRANSPARENT)
		U16_FWD_1(t->u, end, t->n);
	return (left == U_JT_LEFT_JOINING || left == U_JT_DUAL_JOINING) &&
	       (right == U_JT_RIGHT_JOINING || right == U_JT_DUAL_JOINING);
}

/* RFC 5892 appendix A: may `cp`, from `start` to `end`, stand where it stands? */
static bool
context_allows(const struct text *t, const struct traits *r, UChar32 cp, int32_t start, int32_t end)
{
	UChar32 prev = before(t, start);
	bool virama = prev >= 0 && u_getCombiningClass(prev) == 9;

	switch (cp) {
	case 0x200c: /* A.1 ZERO WIDTH NON-JOINER */
		return virama || joins(t, start, end);
	case 0x200d: /* A.2 ZERO WIDTH JOINER */
		return virama;
	case 0x00b7: /* A.3 MIDDLE DOT, as in Catalan l·l */
		return prev == 'l' && at(t, end) == 'l';
	case 0x0375: /* A.4 GREEK LOWER NUMERAL SIGN */
		return at(t, end) >= 0 && script_of(at(t, end)) == USCRIPT_GREEK;
	case 0x05f3: /* A.5 and A.6 HEBREW GERESH, GERSHAYIM */
	case 0x05f4:
		return prev >= 0 && script_of(prev) == USCRIPT_HEBREW;
	case 0x30fb: /* A.7 KATAKANA MIDDLE DOT; its own script is Common */
		return r->kana_or_han;
	}
	if (is_arabic_digit(cp)) /* A.8 */
		return !r->extended_digit;
	if (is_extended_digit(cp)) /* A.9 */
		return !r->arabic_digit;
	return false;
}

static bool
context_ok(const struct text *t)
{
	struct traits r = gather(t);
	UChar32 cp;

	if (!r.context)
		return true;
	for (int32_t i = 0; i < t->n;) {
		int32_t start = i;

		U16_NEXT(t->u, i, t->n, cp);
		if (cp >= 0x80 && derive(cp) == CONTEXT && !context_allows(t, &r, cp, start, i))
			return false;
	}
	return true;
}

#define DIR(x) (1u << (x))
#define DIR_RTL (DIR(U_RIGHT_TO_LEFT) | DIR(U_RIGHT_TO_LEFT_ARABIC) | DIR(U_ARABIC_NUMBER))
#define DIR_NEUTRAL \
	(DIR(U_EUROPEAN_NUMBER) | DIR(U_EUROPEAN_NUMBER_SEPARATOR) | \
	 DIR(U_COMMON_NUMBER_SEPARATOR) | DIR(U_EUROPEAN_NUMBER_TERMINATOR) | \
	 DIR(U_OTHER_NEUTRAL) | DIR(U_BOUNDARY_NEUTRAL) | DIR(U_DIR_NON_SPACING_MARK))

/* The Bidi Rule (RFC 5893 §2), asked of strings with a right-to-left character (RFC 8264
 * §5.2.5). */
static bool
bidi_ok(const struct text *t)
{
	unsigned seen = 0, first = 0, last = 0;
	UChar32 cp;

	for (int32_t i = 0; i < t->n;) {
		unsigned dir;

		U16_NEXT(t->u, i, t->n, cp);
		dir = DIR(u_charDirection(cp));
		first = first ? first : dir;
		last = dir == DIR(U_DIR_NON_SPACING_MARK) ? last : dir;
		seen |= dir;
	}
	if (!(seen & DIR_RTL))
		return true;
	/* Conditions 1 and 5: such a string starts with R or AL, as L would allow no R, AL or
	 * AN. */
	if (!(first & (DIR(U_RIGHT_TO_LEFT) | DIR(U_RIGHT_TO_LEFT_ARABIC))))
		return false;
	if (seen & ~(DIR_RTL | DIR_NEUTRAL)) /* 2 */
		return false;
	if (!(last & (DIR_RTL | DIR(U_EUROPEAN_NUMBER)))) /* 3 */
		return false;
	return !(seen & DIR(U_EUROPEAN_NUMBER)) || !(seen & DIR(U_ARABIC_NUMBER)); /* 4 */
}

/* Fullwidth and halfwidth forms become what they decompose to (RFC 8265 §3.3.1). */
static int
map_width(const struct text *in, struct text *out)
{
	UErrorCode st = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&st);
	UChar32 cp;

	out->n = 0;
	for (int32_t i = 0; i < in->n;) {
		int type, room = PRECIS_MAX - out->n;

		U16_NEXT(in->u, i, in->n, cp);
		type = u_getIntPropertyValue(cp, UCHAR_DECOMPOSITION_TYPE);
		if (type == U_DT_WIDE || type == U_DT_NARROW) {
			out->n += unorm2_getRawDecomposition(nfkc, cp, out->u + out->n, room, &st);
		} else {
			if (room < 2)
				return -1;
			U16_APPEND_UNSAFE(out->u, out->n, cp);
		}
		if (U_FAILURE(st))
			return -1;
	}
	return 0;
}

static int
map_lower(const struct text *in, struct text *out)
{
	UErrorCode st = U_ZERO_ERROR;

	out->n = u_strToLower(out->u, PRECIS_MAX, in->u, in->n, "", &st);
	return U_FAILURE(st) ? -1 : 0;
}

/* Other spaces become U+0020 (RFC 8265 §4.2.2). All of them are single units. */
static void
map_spaces(struct text *t)
{
	for (int32_t i = 0; i < t->n; i++) {
		if (t->u[i] >= 0x80 && u_charType(t->u[i]) == U_SPACE_SEPARATOR)
			t->u[i] = ' ';
	}
}

static int
normalize(const struct text *in, struct text *out)
{
	UErrorCode st = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&st);

	out->n = unorm2_normalize(nfc, in->u, in->n, out->u, PRECIS_MAX, &st);
	return U_FAILURE(st) ? -1 : 0;
}

/* RFC 8265 §3.3.2: preparation (width, class), then case, normalisation, direction. */
static int
pass_username(struct work *w)
{
	if (map_width(&w->in, &w->out) || !in_class(&w->out, false))
		return -1;
	if (map_lower(&w->out, &w->tmp) || normalize(&w->tmp, &w->out))
		return -1;
	return in_class(&w->out, false) && context_ok(&w->out) && bidi_ok(&w->out) ? 0 : -1;
}

/* RFC 8265 §4.2: no width, case or direction rule. */
static int
pass_opaque(struct work *w)
{
	if (!in_class(&w->in, true))
		return -1;
	memcpy(w->tmp.u, w->in.u, (size_t)w->in.n * sizeof(UChar));
	w->tmp.n = w->in.n;
	map_spaces(&w->tmp);
	if (normalize(&w->tmp, &w->out))
		return -1;
	return in_class(&w->out, true) && context_ok(&w->out) ? 0 : -1;
}

static int
repeat(struct work *w, pass_fn pass)
{
	for (int i = 0; i < PASSES; i++) {
		if (pass(w) || w->out.n == 0)
			return -1;
		if (w->in.n == w->out.n && u_memcmp(w->in.u, w->out.u, w->in.n) == 0)
			return 0;
		memcpy(w->in.u, w->out.u, (size_t)w->out.n * sizeof(UChar));
		w->in.n = w->out.n;
	}
	return -1;
}

bool
precis_is_stream_safe(const char *s, size_t n)
{
	int run = 0;

	for (size_t i = 0; i < n;) {
		UChar32 cp;

		U8_NEXT(s, i, n, cp);
		if (cp < 0)
			return false;
		run = cp >= 0x80 && u_getIntPropertyValue(cp,
							  UCHAR_LEAD_CANONICAL_COMBINING_CLASS) ?
			      run + 1 :
			      0;
		if (run > MARKS_MAX)
			return false;
	}
	return true;
}

static int
enforce(const char *s, size_t n, char *out, size_t max, pass_fn pass)
{
	struct work w;
	UErrorCode st = U_ZERO_ERROR;
	int32_t len = -1;

	if (n > PRECIS_MAX || max == 0 || max > INT32_MAX || !precis_is_stream_safe(s, n))
		return -1;
	u_strFromUTF8(w.in.u, PRECIS_MAX, &w.in.n, s, (int32_t)n, &st);
	if (U_FAILURE(st))
		return -1;
	if (repeat(&w, pass) == 0) {
		u_strToUTF8(out, (int32_t)max - 1, &len, w.out.u, w.out.n, &st);
		if (U_FAILURE(st))
			len = -1;
		else
			out[len] = '\0';
	}
	crypt_wipe(&w, sizeof(w));
	return len;
}

int
precis_username(const char *s, size_t n, char *out, size_t max)
{
	return enforce(s, n, out, max, pass_username);
}

int
precis_opaque(const char *s, size_t n, char *out, size_t max)
{
	return enforce(s, n, out, max, pass_opaque);
}
