/*
 * file_policy: types by their names. libmagic has more names than one for the same thing: lists hold them all, and what is not known is
 * judged by nothing but the settings.
 */
#include "core/file/file_policy.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define SHOWN_MAX 120 /* characters of a name */

/* What a machine runs. */
static const char *const programs[] = { "application/x-dosexec", "application/vnd.microsoft.portable-executable", "application/x-msdownload",
	"application/x-ms-dos-executable", "application/x-executable", "application/x-pie-executable", "application/x-sharedlib",
	"application/x-object", "application/x-elf", "application/x-mach-binary", "application/x-msi", "application/x-ms-shortcut",
	"application/x-java-applet", "application/java-archive", "application/x-bytecode.python", NULL };

/* What a program runs, opens or unpacks: no picture, sound or film is any of these. */
static const char *const others[] = { "text/html", "application/xhtml+xml", "text/javascript", "application/javascript", "text/x-shellscript",
	"text/x-msdos-batch", "text/x-python", "text/x-script.python", "text/x-perl", "text/x-ruby", "text/x-php", "text/x-java",
	"application/pdf", "application/zip", "application/x-rar", "application/vnd.rar", "application/x-7z-compressed", "application/x-tar",
	"application/x-xz", "application/x-bzip2", "application/zstd", "application/x-iso9660-image", "application/vnd.ms-cab-compressed",
	"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-office",
	"application/x-ole-storage", "application/CDFV2", "text/rtf", "application/rtf", "message/rfc822", "text/calendar",
	"application/x-shockwave-flash", NULL };
static const char *const office[] = { "application/vnd.openxmlformats-", "application/vnd.oasis.opendocument." };
static const char *const documents[] = { "application/pdf", "application/msword", "application/rtf", "application/vnd.ms-excel",
	"application/vnd.ms-powerpoint", "message/rfc822", NULL };

/* Endings by which people and their programs take something for a picture, a film or a document. */
static const struct {
	const char *ending, *type;
} endings[] = {
	{ "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" }, { "png", "image/png" }, { "gif", "image/gif" }, { "webp", "image/webp" },
	{ "bmp", "image/bmp" }, { "tif", "image/tiff" }, { "tiff", "image/tiff" }, { "heic", "image/heic" }, { "avif", "image/avif" },
	{ "mp3", "audio/mpeg" }, { "ogg", "audio/ogg" }, { "opus", "audio/ogg" }, { "wav", "audio/wav" }, { "m4a", "audio/mp4" },
	{ "flac", "audio/flac" }, { "mp4", "video/mp4" }, { "mov", "video/quicktime" }, { "mkv", "video/matroska" }, { "webm", "video/webm" },
	{ "avi", "video/avi" }, { "pdf", "application/pdf" }, { "txt", "text/plain" }, { "doc", "application/msword" },
	{ "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
	{ "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	{ "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
	{ "odt", "application/vnd.oasis.opendocument.text" }, { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
};

/* The type itself, without parameters. */
static size_t
type_len(const char *type)
{
	return strcspn(type, "; \t");
}

static bool
is_type(const char *type, const char *what)
{
	size_t n = type_len(type);

	return n == strlen(what) && !strncasecmp(type, what, n);
}

static bool
is_one_of(const char *type, const char *const *list)
{
	for (; *list; list++)
		if (is_type(type, *list))
			return true;
	return false;
}

static bool
begins(const char *type, const char *with)
{
	return !strncasecmp(type, with, strlen(with));
}

static bool
is_denied(const struct config *c, const char *type)
{
	const struct config_list *l = &c->modules.files.deny_types;

	for (size_t i = 0; i < l->n; i++)
		if (file_type_is(type, l->item[i]))
			return true;
	return false;
}

static const char *
denied(struct arena *a, const char *type)
{
	return arena_printf(a, "Files of the type %.*s may not be sent here.", type_len(type) > 100 ? 100 : (int)type_len(type), type);
}

/* `groups` NULL: not known, or not yet. */
static bool
is_in_any(const char *groups, const struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], "everyone") || (groups && file_group_is_in(groups, l->item[i])))
			return true;
	return false;
}

static const char *
denied_by_rule(struct arena *a, const struct file_facts *f)
{
	if (!f->to)
		return "Your organisation does not allow this file to be sent.";
	return arena_printf(a, "Your organisation does not allow this file to be sent to %.255s.", f->to);
}

/* The first rule that matches, else the lists. `type`: as it is known best; NULL. */
static const char *
decide(struct arena *a, const struct config *c, const struct file_facts *f, const char *type)
{
	const struct config_list *rules = &c->modules.files.rules;

	switch (file_rules_say(rules->item, rules->n, f)) {
	case FILE_SAY_ALLOW:
	case FILE_SAY_LATER:
		return NULL;
	case FILE_SAY_DENY:
		return denied_by_rule(a, f);
	default:
		break;
	}
	if (is_in_any(f->groups, &c->modules.files.deny_groups))
		return "You may not send files.";
	if (type && !*type)
		return c->modules.files.deny_types.n ? "It could not be found out what the file is, so it was not passed on." : NULL;
	return type && is_denied(c, type) ? denied(a, type) : NULL;
}

const char *
file_policy_ahead(struct arena *a, const struct config *c, const struct file_facts *f, uint64_t size, const char *declared)
{
	struct file_facts facts = *f;

	if (size > c->limits.file_bytes)
		return arena_printf(a, "The file has %s; more than %s may not be sent.", file_size_shown(a, size),
			file_size_shown(a, c->limits.file_bytes));
	facts.size = size;
	facts.has_size = size > 0;
	return decide(a, c, &facts, declared && *declared ? declared : NULL);
}

const char *
file_policy_sent(struct arena *a, const struct config *c, const struct file_facts *f)
{
	const struct config_list *rules = &c->modules.files.rules;
	struct file_facts facts = *f;
	enum file_say say = FILE_SAY_NOTHING;

	if (f->encrypted) {
		facts.type = NULL;
		say = file_rules_say(rules->item, rules->n, &facts);
	}
	if (say != FILE_SAY_NOTHING)
		return say == FILE_SAY_DENY ? denied_by_rule(a, f) : NULL;
	facts = *f;
	facts.encrypted = false;
	return decide(a, c, &facts, f->type);
}

/* What the name promises; NULL: nothing in particular. */
static const char *
type_by_name(const char *name)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	for (size_t i = 0; dot && i < sizeof(endings) / sizeof(*endings); i++)
		if (!strcasecmp(dot + 1, endings[i].ending))
			return endings[i].type;
	return NULL;
}

static bool
is_document(const char *type)
{
	return begins(type, "text/") || is_one_of(type, documents) || begins(type, office[0]) || begins(type, office[1]);
}

/* A program as a picture or a document; what is no picture, sound or film as one. */
static bool
pretends(const char *declared, const char *true_type)
{
	bool media = begins(declared, "image/") || begins(declared, "audio/") || begins(declared, "video/");

	if (is_one_of(true_type, programs))
		return media || is_document(declared);
	if (!media || is_type(declared, "image/svg+xml"))
		return false;
	return is_one_of(true_type, others) || begins(true_type, office[0]) || begins(true_type, office[1]);
}

const char *
file_policy_content(struct arena *a, const struct config *c, const struct file_facts *f, const char *name, const char *declared)
{
	const char *promised = type_by_name(name), *lie = NULL, *true_type = f->type, *why = decide(a, c, f, true_type);

	if (why || !*true_type)
		return why;
	if (declared && pretends(declared, true_type))
		lie = declared;
	else if (promised && pretends(promised, true_type))
		lie = promised;
	if (!lie)
		return NULL;
	return arena_printf(a, "%s is not what it says it is (%.*s): it is %.100s, and was not passed on.", file_name_shown(a, name),
		type_len(lie) > 100 ? 100 : (int)type_len(lie), lie, true_type);
}

/* Words */

const char *
file_name_kept(struct arena *a, const char *name)
{
	char *out;
	size_t n;

	if (!name)
		return NULL;
	n = strnlen(name, FILE_NAME_MAX);
	while (n && name[n] && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	out = arena_strndup(a, name, n);
	text_mend(out);
	return out;
}

/* U+200B–200F, U+2028–202E, U+2060–206F, U+FEFF: nothing to see, and they move what is there. */
static bool
is_mark(const unsigned char *s)
{
	if (s[0] == 0xe2 && s[1] == 0x80)
		return (s[2] >= 0x8b && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae);
	if (s[0] == 0xe2 && s[1] == 0x81)
		return s[2] >= 0xa0 && s[2] <= 0xaf;
	return s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf;
}

const char *
file_name_shown(struct arena *a, const char *name)
{
	const char *clean = file_name_kept(a, name);
	char *out, *to;
	size_t n = 0;

	if (!clean || !*clean)
		return "The file";
	out = to = arena_alloc(a, strlen(clean) + sizeof("…"));
	for (const unsigned char *s = (const unsigned char *)clean; *s; s++) {
		if (is_mark(s)) {
			s += 2;
		} else if (*s == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f) { /* the other control characters */
			s++;
		} else if (*s >= 0x20 && *s != 0x7f) {
			if ((*s & 0xc0) != 0x80 && n++ == SHOWN_MAX) {
				memcpy(to, "…", sizeof("…") - 1);
				to += sizeof("…") - 1;
				break;
			}
			*to++ = (char)*s;
		}
	}
	*to = '\0';
	return *out ? out : "The file";
}

const char *
file_size_shown(struct arena *a, uint64_t size)
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	unsigned i = 0;
	uint64_t unit = 1000;

	if (size < 1000)
		return arena_printf(a, "%" PRIu64 " byte%s", size, size == 1 ? "" : "s");
	while (i < 3 && size / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	return arena_printf(a, "%" PRIu64 ".%" PRIu64 " %s", size / unit, size % unit * 10 / unit, units[i]);
}
