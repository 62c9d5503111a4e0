/*
 * engine: see engine.h.
 */
#include "scan/engine.h"

#include <clamav.h>
#include <dirent.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "scan/say.h"

/* What the engine counts, it counts for every layer anew: room above our own limits, which are exact. */
#define ROOM 8
#define RECURSION_MAX 100
/* Of up to so many signatures libclamav is faster with one matcher for all of them (Aho-Corasick) than with two, each of which reads the whole
 * file twice. With more of them that one's table is larger than a processor's caches. */
#define FEW 100

static const char *const suffixes[] = { ".cvd", ".cld", ".cud", ".cdb", ".cbc", ".crb", ".db", ".fp", ".sfp", ".ftm", ".gdb", ".hdb",
	".hdu", ".hsb", ".hsu", ".idb", ".ign", ".ign2", ".imp", ".ldb", ".ldu", ".mdb", ".mdu", ".msb", ".msu", ".ndb", ".ndu", ".pdb", ".pwdb",
	".sdb", ".wdb", ".yar", ".yara", ".zmd", ".rmd", ".info", ".cfg", ".ioc" };

int
engine_reads(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t k = strlen(suffixes[i]);

		if (n > k && strcasecmp(name + n - k, suffixes[i]) == 0)
			return 1;
	}
	return 0;
}

const char *
engine_version(void)
{
	return cl_retver();
}

/* Conversions that texts need are modules of the C library, which a worker could no longer open: they stay open. */
static void
load_charsets(void)
{
	static const char *const charsets[] = { "ISO-8859-1", "ISO-8859-2", "ISO-8859-5", "ISO-8859-15", "WINDOWS-1250", "WINDOWS-1251",
		"WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255", "WINDOWS-1256", "KOI8-R", "IBM437", "IBM850", "IBM866", "UTF-16",
		"UTF-16LE", "UTF-16BE", "UTF-32", "UTF-7", "SHIFT_JIS", "EUC-JP", "ISO-2022-JP", "GB18030", "GBK", "BIG5", "EUC-KR" };
	static iconv_t kept[sizeof(charsets) / sizeof(charsets[0])] __attribute__((used));

	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		kept[i] = iconv_open("UTF-8", charsets[i]);
}

int
engine_init(struct err *e)
{
	cl_error_t r = cl_init(CL_INIT_DEFAULT);

	if (r != CL_SUCCESS)
		return err_set(e, 0, "libclamav: %s", cl_strerror(r));
	load_charsets();
	return 0;
}

/* libclamav's own words go where ours go; they may quote a file, so only their beginning, in one line. */
static void
on_message(enum cl_msg severity, const char *full, const char *msg, void *arg)
{
	char line[256];

	(void)full;
	(void)arg;
	if (severity < CL_MSG_ERROR)
		return;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(msg, "\n"), msg);
	finding_copy(line, sizeof(line), line);
	say("libclamav: %s", line);
}

/* What cannot be counted is told when it is loaded. */
static bool
are_few(const char *dir)
{
	unsigned n = 0;

	return cl_countsigs(dir, CL_COUNTSIGS_ALL, &n) == CL_SUCCESS && n <= FEW;
}

static int
set_limits(struct cl_engine *cl, const struct scan_options *o, const char *tmp)
{
	long long largest = (long long)scan_options_largest(o), recursion = 2 * (long long)o->archive_depth + ROOM;
	const struct {
		enum cl_engine_field field;
		long long value;
	} rows[] = {
		{ CL_ENGINE_MAX_FILESIZE, largest },
		{ CL_ENGINE_MAX_SCANSIZE, (long long)(o->archive_bytes + o->file_bytes) * ROOM },
		{ CL_ENGINE_MAX_FILES, (long long)o->archive_members * ROOM },
		{ CL_ENGINE_MAX_RECURSION, recursion < RECURSION_MAX ? recursion : RECURSION_MAX },
		{ CL_ENGINE_MAX_EMBEDDEDPE, largest },
		{ CL_ENGINE_MAX_HTMLNORMALIZE, largest },
		{ CL_ENGINE_MAX_HTMLNOTAGS, largest },
		{ CL_ENGINE_MAX_SCRIPTNORMALIZE, largest },
		{ CL_ENGINE_MAX_ZIPTYPERCG, largest },
		{ CL_ENGINE_PCRE_MAX_FILESIZE, largest },
		{ CL_ENGINE_AC_ONLY, are_few(o->signatures) },
		{ CL_ENGINE_DISABLE_CACHE, 1 },
		{ CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER },
		{ CL_ENGINE_KEEPTMP, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (cl_engine_set_num(cl, rows[i].field, rows[i].value) != CL_SUCCESS)
			return -1;
	return cl_engine_set_str(cl, CL_ENGINE_TMPDIR, tmp) == CL_SUCCESS ? 0 : -1;
}

/* When a database says that it was made; 0: it does not say. */
static int64_t
made_at(const char *path)
{
	size_t n = strlen(path);
	struct cl_cvd *head;
	int64_t at;

	if (n < 4 || (strcmp(path + n - 4, ".cvd") != 0 && strcmp(path + n - 4, ".cld") != 0))
		return 0;
	head = cl_cvdhead(path);
	if (!head)
		return 0;
	at = head->stime;
	cl_cvdfree(head);
	return at;
}

/* Official databases tell their age; a file of one's own beside them does not make them newer. */
static int64_t
newest(const char *dir)
{
	int64_t official = 0, own = 0, at;
	char path[4096];
	struct dirent *d;
	struct stat st;
	DIR *dp = opendir(dir);

	while (dp && (d = readdir(dp))) {
		if (!engine_reads(d->d_name) || snprintf(path, sizeof(path), "%s/%s", dir, d->d_name) >= (int)sizeof(path))
			continue;
		at = made_at(path);
		official = at > official ? at : official;
		if (stat(path, &st) == 0 && st.st_mtime > own)
			own = st.st_mtime;
	}
	if (dp)
		closedir(dp);
	official = official ? official : own;
	return official < SCAN_TIME_MAX ? official : SCAN_TIME_MAX;
}

static cl_error_t
on_layer(int fd, const char *type, const char **ancestors, size_t parent_size, const char *name, size_t size, const char *data,
	uint32_t depth, uint32_t attributes, void *arg)
{
	const struct engine_witness *w = arg;

	(void)fd;
	(void)type;
	(void)ancestors;
	(void)parent_size;
	(void)name;
	if (w && depth && data && !(attributes & LAYER_ATTRIBUTES_NORMALIZED))
		w->seen(w->arg, data, size, depth);
	return CL_CLEAN;
}

void
engine_unload(struct engine *g)
{
	if (g->cl)
		cl_engine_free(g->cl);
	g->cl = NULL;
}

int
engine_load(struct engine *g, const struct scan_options *o, const char *tmp, struct err *e)
{
	unsigned signatures = 0;
	cl_error_t r;

	memset(g, 0, sizeof(*g));
	cl_set_clcb_msg(on_message);
	g->cl = cl_engine_new();
	if (!g->cl || set_limits(g->cl, o, tmp))
		return err_set(e, 0, "libclamav does not take its settings");
	r = cl_load(o->signatures, g->cl, &signatures, CL_DB_STDOPT);
	if (r != CL_SUCCESS || !signatures) {
		engine_unload(g);
		if (r == CL_SUCCESS || r == CL_EOPEN)
			return err_set(e, 0, "no signatures in %s", o->signatures);
		return err_set(e, 0, "the signatures in %s cannot be loaded: %s", o->signatures, cl_strerror(r));
	}
	cl_engine_set_clcb_file_inspection(g->cl, on_layer);
	r = cl_engine_compile(g->cl);
	if (r != CL_SUCCESS) {
		engine_unload(g);
		return err_set(e, 0, "the signatures in %s cannot be compiled: %s", o->signatures, cl_strerror(r));
	}
	g->signatures = signatures;
	g->newest_s = newest(o->signatures);
	return 0;
}

int
engine_set_tmp(struct engine *g, const char *tmp)
{
	return cl_engine_set_str(g->cl, CL_ENGINE_TMPDIR, tmp) == CL_SUCCESS ? 0 : -1;
}

/* Names that mean that something could not be done, and not that something was found. */
static int
judge_name(const char *name, struct finding *f)
{
	if (!name)
		return finding_limit(f, "it is over a limit of the scanner");
	if (strstr(name, "Limits.Exceeded.MaxScanTime"))
		return finding_error(f, "out of time");
	if (strstr(name, "Heuristics.Limits.Exceeded"))
		return finding_limit(f, "over a limit of the scanner: %s", name);
	if (strstr(name, "Heuristics.Encrypted"))
		return finding_encrypted(f, strstr(name, "PDF") ? "the document" : "a member of the archive");
	return finding_infected(f, name);
}

/* libclamav reads a descriptor page by page into memory of its own, if it has nothing better. */
static cl_error_t
scan_map(struct engine *g, const struct source *s, struct cl_scan_options *how, const char **name, const struct engine_witness *witness)
{
	cl_fmap_t *map = cl_fmap_open_memory(s->map, (size_t)s->mapped);
	unsigned long scanned = 0;
	cl_error_t r;

	if (!map)
		return CL_EMEM;
	r = cl_scanmap_callback(map, NULL, name, &scanned, g->cl, how, (void *)witness);
	cl_fmap_close(map);
	return r;
}

/* The place in the file may be shared with others; the engine moves it. */
static cl_error_t
scan_fd(struct engine *g, int fd, struct cl_scan_options *how, const char **name, const struct engine_witness *witness)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	unsigned long scanned = 0;
	cl_error_t r = cl_scandesc_callback(fd, NULL, name, &scanned, g->cl, how, (void *)witness);

	if (at >= 0)
		(void)lseek(fd, at, SEEK_SET);
	return r;
}

int
engine_scan(struct engine *g, const struct source *s, int64_t ms, const struct engine_witness *witness, struct finding *f)
{
	struct cl_scan_options how = { .general = CL_SCAN_GENERAL_HEURISTICS, .parse = ~CL_SCAN_PARSE_IMAGE_FUZZY_HASH,
		.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX | CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE | CL_SCAN_HEURISTIC_ENCRYPTED_DOC };
	const char *name = NULL;
	int64_t due_ms = clock_mono_ms() + ms;
	cl_error_t r;

	if (ms < 1 || cl_engine_set_num(g->cl, CL_ENGINE_MAX_SCANTIME, ms) != CL_SUCCESS)
		return finding_error(f, "out of time");
	r = source_is_map(s) ? scan_map(g, s, &how, &name, witness) : scan_fd(g, s->fd, &how, &name, witness);
	switch (r) {
	case CL_CLEAN:
		/* It may have stopped looking without a word. */
		return clock_mono_ms() < due_ms ? 0 : finding_error(f, "out of time");
	case CL_VIRUS:
		return judge_name(name, f);
	case CL_EMEM:
		return finding_error(f, "out of memory");
	case CL_ETIMEOUT:
		return finding_error(f, "out of time");
	case CL_EMAXREC:
	case CL_EMAXSIZE:
	case CL_EMAXFILES:
		return finding_limit(f, "over a limit of the scanner: %s", cl_strerror(r));
	default:
		return finding_error(f, "libclamav: %s", cl_strerror(r));
	}
}
