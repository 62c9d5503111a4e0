#include "gateway/transfer.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "gateway/priv.h"

#define WHY 400
#define CONNECT_MS 10000L
#define HEAD_MAX 65536
#define TOKEN 40

/* Between transfer_start and done_with it is the thread's, but for `stop`, `fn` and `arg`. */
struct transfer {
	uv_work_t work;
	struct list link;      /* in transfers: waiting, or running */
	struct gateway *g;
	bool running, put, ours;
	char *url, *type, *ca_file, *at;
	struct reach reach;
	uint64_t most, at_byte;
	long seconds, redirects;
	struct spool *file;
	atomic_bool stop;
	enum transfer_end end;
	size_t head, nwhy;
	char why[WHY], found_type[128];
	transfer_fn *fn;       /* NULL: nobody wants to know */
	void *arg;
};

static void
transfer_free(struct transfer *t)
{
	list_remove(&t->link);
	spool_free(t->file);
	free(t->url);
	free(t->type);
	free(t->ca_file);
	free(t->at);
	free(t);
}

/* On the thread */

static void
end_as(struct transfer *t, enum transfer_end end, const char *why)
{
	t->end = end;
	snprintf(t->why, sizeof(t->why), "%s", why);
}

/* The last word on where it goes: this is what is connected to. */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;

	if (purpose != CURLSOCKTYPE_IPCXN || (!t->ours && !reach_may(&t->reach, &a->addr)))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t
on_head(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)p;
	t->head += size * n;
	return t->head > HEAD_MAX ? 0 : size * n;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	n *= size;
	if (t->put) {
		/* What is said to people when the answer is a refusal. */
		for (size_t i = 0; i < n && t->nwhy + 1 < sizeof(t->why); i++)
			t->why[t->nwhy++] = p[i];
		t->why[t->nwhy] = '\0';
		return n;
	}
	if (n > t->most - t->file->size)
		snprintf(t->why, sizeof(t->why), "it is larger than %" PRIu64 " bytes", t->most);
	else if (!spool_add(t->file, p, n))
		return n;
	return 0;
}

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	ssize_t got = pread(t->file->fd, p, size * n, (off_t)t->at_byte);

	if (got < 0)
		return CURL_READFUNC_ABORT;
	t->at_byte += (size_t)got;
	return (size_t)got;
}

static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct transfer *t = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return atomic_load(&t->stop);
}

/* One that is not known to this libcurl must not go unnoticed. */
static bool
set_options(CURL *c, struct transfer *t, struct curl_slist *fields, struct curl_slist *at)
{
	CURLcode bad = CURLE_OK;

#define SET(option, value) (bad = bad ? bad : curl_easy_setopt(c, CURLOPT_##option, value))
	SET(URL, t->url);
	SET(DISALLOW_USERNAME_IN_URL, 1L);
	SET(PROTOCOLS_STR, "https");
	SET(REDIR_PROTOCOLS_STR, "https");
	SET(FOLLOWLOCATION, t->ours ? 0L : 1L);
	SET(MAXREDIRS, t->redirects);
	SET(PROXY, "");
	SET(NOPROXY, "*");
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(NOSIGNAL, 1L);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(FRESH_CONNECT, 1L);
	SET(FORBID_REUSE, 1L);
	SET(USERAGENT, "Chancery");
	SET(CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(TIMEOUT, t->seconds);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	/* The folder, in which it looks for the one that it needs: to read all of them takes a tenth of a second. */
	SET(CAPATH, X509_get_default_cert_dir());
	SET(CAINFO, t->ca_file);
	SET(OPENSOCKETFUNCTION, on_open);
	SET(OPENSOCKETDATA, t);
	SET(HEADERFUNCTION, on_head);
	SET(HEADERDATA, t);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, t);
	SET(NOPROGRESS, 0L);
	SET(XFERINFOFUNCTION, on_progress);
	SET(XFERINFODATA, t);
	SET(HTTPHEADER, fields);
	SET(CONNECT_TO, at);
	if (t->put) {
		SET(UPLOAD, 1L);
		SET(READFUNCTION, on_read);
		SET(READDATA, t);
		SET(INFILESIZE_LARGE, (curl_off_t)t->file->size);
	}
#undef SET
	return !bad;
}

static void
judge_status(struct transfer *t, CURL *c)
{
	const char *type = NULL;
	struct curl_header *h;
	long status = 0;

	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	if (status == (t->put ? 201 : 200)) {
		t->end = TRANSFER_DONE;
		if (!t->put && !t->file->size)
			end_as(t, TRANSFER_REFUSED, "it is empty");
		else if (!t->put && !curl_easy_header(c, "Content-Encoding", 0, CURLH_HEADER, -1, &h) && strcmp(h->value, "identity") != 0)
			end_as(t, TRANSFER_REFUSED, "its server compresses it");
		else if (type && text_is_media_type(type))
			snprintf(t->found_type, sizeof(t->found_type), "%s", type);
	} else if (status >= 500 || status == 408 || status == 409 || status == 429) {
		end_as(t, TRANSFER_LATER, t->ours ? "files are not taken now" : "its server does not give it now");
	} else {
		t->end = TRANSFER_REFUSED;
		if (!t->put || !*t->why)
			snprintf(t->why, sizeof(t->why), "%s (%ld)", t->put ? "it was not taken" : "its server does not give it", status);
	}
}

/* Words that do not tell an inner address from one where nothing answers. */
static void
judge_failure(struct transfer *t, CURLcode code)
{
	if (code == CURLE_WRITE_ERROR && *t->why && !t->put)
		t->end = TRANSFER_REFUSED;
	else if (code == CURLE_WRITE_ERROR)
		end_as(t, TRANSFER_LATER, "there is no room for it now");
	else if (t->ours || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_ABORTED_BY_CALLBACK)
		end_as(t, TRANSFER_LATER, t->ours ? "files cannot be passed on now" : "its server is too slow");
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		end_as(t, TRANSFER_REFUSED, "its server has no valid certificate");
	else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT || code == CURLE_LOGIN_DENIED)
		end_as(t, TRANSFER_REFUSED, "its address is not one of https");
	else
		end_as(t, TRANSFER_REFUSED, "its server cannot be reached");
	log_warning(NULL, "transfer-failed", "ours=%s code=%d why=%s", t->ours ? "yes" : "no", (int)code, curl_easy_strerror(code));
}

static void
run(uv_work_t *work)
{
	struct transfer *t = work->data;
	struct curl_slist *fields = curl_slist_append(NULL, "Expect:"), *at = t->at ? curl_slist_append(NULL, t->at) : NULL;
	CURL *c = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;
	char type[160];

	if (t->put) {
		snprintf(type, sizeof(type), "Content-Type:%s%s", t->type ? " " : "", t->type ? t->type : "");
		fields = curl_slist_append(fields, type);
	}
	if (c && set_options(c, t, fields, at))
		code = curl_easy_perform(c);
	if (code == CURLE_OK)
		judge_status(t, c);
	else
		judge_failure(t, code);
	curl_easy_cleanup(c);
	curl_slist_free_all(fields);
	curl_slist_free_all(at);
}

/* On the loop */

static void
done_with(uv_work_t *work, int status)
{
	struct transfer *t = work->data;
	struct gateway *g = t->g;
	struct spool *file = NULL;

	g->ntransfers--;
	if (status)
		end_as(t, TRANSFER_LATER, "it was not begun");
	if (t->fn && !g->stopping) {
		if (!t->put && t->end == TRANSFER_DONE) {
			file = t->file;
			t->file = NULL;
			spool_close(file);
		}
		t->fn(t->arg, t->end, t->why, file, *t->found_type ? t->found_type : NULL);
	}
	transfer_free(t);
}

/* There is a thread for it. */
static void
transfer_start(struct transfer *t)
{
	struct gateway *g = t->g;

	t->running = true;
	g->ntransfers++;
	if (!t->put && !(t->file = spool_new(g, t->most))) {
		end_as(t, TRANSFER_LATER, "too many files are on their way");
		t->stop = true;
	}
	if (t->stop || uv_queue_work(g->loop, &t->work, run, done_with))
		done_with(&t->work, 0);
}

static struct transfer *
first_waiting(struct gateway *g)
{
	LIST_EACH(pos, &g->transfers) {
		struct transfer *t = LIST_ENTRY(pos, struct transfer, link);

		if (!t->running)
			return t;
	}
	return NULL;
}

void
transfers_turn(struct gateway *g)
{
	struct transfer *t;

	while (!g->stopping && g->ntransfers < g->limits->files && (t = first_waiting(g)))
		transfer_start(t);
}

static struct transfer *
transfer_new(struct gateway *g, const char *url, bool ours, transfer_fn *fn, void *arg)
{
	const struct gateway_settings *s = &g->settings;
	struct transfer *t = NEW(struct transfer);

	*t = (struct transfer){ .g = g, .url = mem_strdup(url), .ours = ours, .most = g->limits->file_bytes, .seconds = (long)g->limits->file_seconds,
		.redirects = (long)g->limits->file_redirects, .end = TRANSFER_LATER, .reach = s->reach, .fn = fn, .arg = arg };
	t->work.data = t;
	t->ca_file = s->ca_file ? mem_strdup(s->ca_file) : NULL;
	if (ours && s->upload_at) {
		struct buf b = { 0 };

		buf_addf(&b, "::%s", s->upload_at);
		t->at = mem_strdup(buf_str(&b));
		buf_fini(&b);
	}
	list_append(&g->transfers, &t->link);
	return t;
}

struct transfer *
transfer_get(struct gateway *g, const char *url, bool ours, transfer_fn *fn, void *arg)
{
	return transfer_new(g, url, ours, fn, arg);
}

struct transfer *
transfer_put(struct gateway *g, const char *url, const char *type, struct spool *file, transfer_fn *fn, void *arg)
{
	struct transfer *t = transfer_new(g, url, true, fn, arg);

	t->put = true;
	t->file = file;
	t->type = type ? mem_strdup(type) : NULL;
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	if (!t)
		return;
	t->fn = NULL;
	atomic_store(&t->stop, true);
	if (!t->running)
		transfer_free(t);
}

bool
transfer_is_ours(const struct gateway *g, const char *url)
{
	const char *base = g->settings.upload_url, *rest;
	size_t n = base ? strlen(base) : 0;

	if (!n || strncmp(url, base, n) != 0)
		return false;
	rest = url + n;
	return strspn(rest, "0123456789abcdef") == TOKEN && rest[TOKEN] == '/' && rest[TOKEN + 1] && !strpbrk(rest + TOKEN + 1, "/?#\\ \t\r\n");
}

void
transfers_end(struct gateway *g)
{
	LIST_EACH(pos, &g->transfers)
		transfer_cancel(LIST_ENTRY(pos, struct transfer, link));
}
