/*
 * files: the web chat's files from web.chat_dir, below /chat/: regular files that are not hidden, found by exact name.
 *
 * The path has been decoded once and has no dot segments (net/http_head); what is opened is below the folder, and nothing is
 * listed. A browser asks again each time and gets the file only when it has changed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/web/web_priv.h"

/* No script or connection but our own, and no script in the page. Pictures may come in data and blob URLs: avatars are in stanzas.
 * Styles in the page are the one exception: Converse.js has no other way to say the colour of an avatar (clients/chat/README.md). */
static const char chat_policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
	"media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
	"form-action 'self'; frame-ancestors 'none'";

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", TYPE_HTML }, { ".js", "text/javascript; charset=utf-8" }, { ".mjs", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" }, { ".json", "application/json" }, { ".webmanifest", "application/manifest+json" },
	{ ".svg", "image/svg+xml" }, { ".png", "image/png" }, { ".jpg", "image/jpeg" }, { ".gif", "image/gif" },
	{ ".webp", "image/webp" }, { ".ico", "image/x-icon" }, { ".woff2", "font/woff2" }, { ".woff", "font/woff" },
	{ ".ttf", "font/ttf" }, { ".mp3", "audio/mpeg" }, { ".ogg", "audio/ogg" }, { ".wasm", "application/wasm" },
	{ ".txt", "text/plain; charset=utf-8" }, { ".map", "application/json" },
};

static const char *
type_of(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t m = strlen(types[i].ending);

		if (n > m && !strcmp(name + n - m, types[i].ending))
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Nothing whose name begins with a dot. */
static bool
is_hidden(const char *path)
{
	return *path == '.' || strstr(path, "/.");
}

/* -1: there is no such file. */
static int
open_below(const char *folder, const char *path, struct stat *st)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (dir < 0)
		return -1;
	/* Not blocking, should it be a pipe. */
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	close(dir);
	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

void
chat_redirect(struct http_request *r)
{
	if (!*web_config()->web.chat_dir) {
		http_refuse(r, 404);
		return;
	}
	http_field(r, "Location", "/chat/");
	http_refuse(r, 301);
}

void
chat_file(struct http_request *r)
{
	const struct http_head *h = http_head_of(r);
	const char *folder = web_config()->web.chat_dir, *name = h->path + strlen("/chat/"), *known;
	char tag[64];
	struct stat st;
	int fd;

	if (!*name)
		name = "index.html";
	fd = *folder && !is_hidden(name) ? open_below(folder, name, &st) : -1;
	if (fd < 0) {
		http_refuse(r, 404);
		return;
	}
	snprintf(tag, sizeof(tag), "\"%llx-%llx-%lx\"", (unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec,
		(unsigned long)st.st_mtim.tv_nsec);
	http_field(r, "ETag", tag);
	http_field(r, "Cache-Control", "no-cache");
	http_field(r, "Content-Security-Policy", chat_policy);
	known = http_head_get(h, "if-none-match");
	if (known && !strcmp(known, tag)) {
		close(fd);
		http_reply(r, 304, NULL, NULL, 0);
		return;
	}
	http_reply_file(r, 200, type_of(name), fd, (uint64_t)st.st_size);
}
