/*
 * http_reply: answers: their head with what every answer says (RFC 9110, and security), their order, files.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/address.h"
#include "net/http_priv.h"

#define FILE_PIECE 65536
#define FILE_AHEAD 131072 /* bytes of a file that wait for the client */
#define CREDIT 4          /* times the grace: so long who has been fast may pause */

static const struct {
	int status;
	const char *text;
} texts[] = {
	{ 101, "Switching Protocols" }, { 200, "OK" }, { 201, "Created" }, { 204, "No Content" }, { 206, "Partial Content" },
	{ 301, "Moved Permanently" }, { 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
	{ 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" }, { 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
	{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
	{ 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
};

/* What every answer says unless told otherwise. Two years: what HSTS preload lists ask for. */
static const struct {
	const char *name, *value;
} standard[] = {
	{ "Strict-Transport-Security", "max-age=63072000" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
};

const char *
http_status_text(int status)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

/* Access */

const struct http_head *
http_head_of(const struct http_request *r)
{
	return &r->head;
}

void
http_set_data(struct http_request *r, void *data)
{
	r->data = data;
}

void *
http_data(const struct http_request *r)
{
	return r->data;
}

void
http_body_max(struct http_request *r, uint64_t bytes)
{
	r->body_max = bytes;
}

struct log *
http_log(const struct http_request *r)
{
	return conn_log(r->c->conn);
}

const char *
http_tls(const struct http_request *r, char out[96])
{
	return tls_describe(conn_ssl(r->c->conn), out);
}

/* RFC 9110 §5.3: of several fields the last one; some proxies write one of their own behind the client's. */
static const char *
last_forwarded(const struct http_head *h)
{
	const char *found = NULL;

	for (unsigned i = 0; i < h->nfields; i++)
		if (!strcmp(h->field[i].name, "x-forwarded-for"))
			found = h->field[i].value;
	return found;
}

/* The last address in X-Forwarded-For is the one that our proxy saw; what stands before it anybody may have written. */
static void
look_behind(struct http_request *r)
{
	const char *all = last_forwarded(&r->head), *last = all ? strrchr(all, ',') : NULL;
	char text[ADDRESS_TEXT] = "", address[ADDRESS_TEXT], source[ADDRESS_TEXT];
	struct sockaddr_storage sa = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;

	last = last ? last + 1 : all;
	if (!last)
		return;
	snprintf(text, sizeof(text), "%s", last + strspn(last, " \t"));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		sa.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		sa.ss_family = AF_INET6;
	else
		return;
	address_text((struct sockaddr *)&sa, address);
	address_source((struct sockaddr *)&sa, source);
	r->address = mem_alloc(strlen(address) + strlen(source) + 2);
	memcpy(r->address, address, strlen(address) + 1);
	memcpy(r->address + strlen(address) + 1, source, strlen(source) + 1);
}

const char *
http_address(const struct http_request *r)
{
	if (r->c->proxy && !r->address)
		look_behind((struct http_request *)r);
	return r->address ? r->address : conn_address(r->c->conn);
}

const char *
http_source(const struct http_request *r)
{
	const char *address = http_address(r);

	return r->address ? address + strlen(address) + 1 : conn_source(r->c->conn);
}

/* Heads */

void
http_last(struct http_request *r)
{
	r->head.keep = false;
}

static bool
is_clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

void
http_field(struct http_request *r, const char *name, const char *value)
{
	if (value && !is_clean(value))
		return;
	buf_add(&r->fields, name, strlen(name) + 1);
	buf_addc(&r->fields, value ? '=' : '-');
	buf_add(&r->fields, value ? value : "", (value ? strlen(value) : 0) + 1);
}

static bool
was_given(const struct http_request *r, const char *name)
{
	const char *p = buf_data(&r->fields), *end = p ? p + buf_len(&r->fields) : NULL;

	while (p < end) {
		if (!strcasecmp(p, name))
			return true;
		p += strlen(p) + 1;
		p += strlen(p) + 1;
	}
	return false;
}

static void
write_fields(struct buf *out, const struct http_request *r)
{
	const char *p = buf_data(&r->fields), *end = p ? p + buf_len(&r->fields) : NULL;

	while (p < end) {
		const char *value = p + strlen(p) + 1;

		if (*value == '=')
			buf_addf(out, "%s: %s\r\n", p, value + 1);
		p = value + strlen(value) + 1;
	}
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		if (!was_given(r, standard[i].name))
			buf_addf(out, "%s: %s\r\n", standard[i].name, standard[i].value);
}

static void
write_date(struct buf *out)
{
	time_t now = (time_t)(clock_wall_us() / 1000000);
	struct tm tm;
	char text[40];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	buf_addf(out, "Date: %s\r\n", text);
}

static bool
is_oldest(const struct http_request *r)
{
	return r->c->requests.next == &r->link;
}

static void
say(struct http_request *r, const void *p, size_t n)
{
	if (is_oldest(r))
		conn_write(r->c->conn, p, n);
	else
		buf_add(&r->out, p, n);
}

#define LENGTH_UNKNOWN UINT64_MAX

/* RFC 9112 §7.1: HTTP/1.0 has no chunks; there the end of the connection is the end. */
static bool
is_chunked(const struct http_request *r)
{
	return r->more && !r->head.old;
}

static void
write_head(struct http_request *r, int status, const char *type, uint64_t length)
{
	struct buf out = { 0 };

	r->begun = true;
	r->keep = r->head.keep && r->body_done && !http_is_quiet() && r->c->state != HTTP_CLOSING && (length != LENGTH_UNKNOWN || is_chunked(r));
	buf_addf(&out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	write_date(&out);
	if (type)
		buf_addf(&out, "Content-Type: %s\r\n", type);
	if (length == LENGTH_UNKNOWN)
		buf_adds(&out, is_chunked(r) ? "Transfer-Encoding: chunked\r\n" : "");
	else if (status != 204 && status != 304)
		buf_addf(&out, "Content-Length: %llu\r\n", (unsigned long long)length);
	write_fields(&out, r);
	if (!r->keep)
		buf_adds(&out, "Connection: close\r\n");
	else if (r->head.old)
		buf_adds(&out, "Connection: keep-alive\r\n");
	buf_adds(&out, "\r\n");
	say(r, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

/* Order */

static void
on_pace(struct timer *t)
{
	struct http_conn *c = LIST_ENTRY(t, struct http_conn, pace);
	const struct http_request *r = LIST_ENTRY(c->requests.next, struct http_request, link);
	int64_t grace = http_settings()->head_ms, taken = (int64_t)((conn_flushed(c->conn) - c->paced) / HTTP_BYTES_PER_MS);

	/* In pieces: it is not the client that we wait for. */
	if (!list_is_empty(&c->requests) && r->more && conn_mark(c->conn) == conn_flushed(c->conn))
		return;
	c->paced = conn_flushed(c->conn);
	c->pace_left_ms += (taken < CREDIT * grace ? taken : CREDIT * grace) - grace;
	if (c->pace_left_ms > CREDIT * grace)
		c->pace_left_ms = CREDIT * grace;
	if (c->pace_left_ms >= 0) {
		timer_set(t, grace, on_pace);
		return;
	}
	metric_add(METRIC_HTTP_REFUSED, 1);
	log_info(conn_log(c->conn), "http-slow-download", "address=%s", conn_address(c->conn));
	http_drop(c);
}

/* What a client fetches has to be taken as fast as bodies have to come: files, connections and what waits in them are not its to hold. */
static void
watch_pace(struct http_conn *c)
{
	if (timer_is_set(&c->pace))
		return;
	c->paced = conn_flushed(c->conn);
	c->pace_left_ms = http_settings()->head_ms;
	timer_set(&c->pace, c->pace_left_ms, on_pace);
}

static void
read_piece(struct http_request *r)
{
	static _Thread_local char piece[FILE_PIECE];
	size_t want = r->file_left < sizeof(piece) ? (size_t)r->file_left : sizeof(piece);
	ssize_t n = read(r->file, piece, want);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		/* It has become shorter: the client must not take what it has for the whole. */
		r->keep = false;
		r->file_left = 0;
		return;
	}
	r->file_left -= (uint64_t)n;
	conn_write(r->c->conn, piece, (size_t)n);
}

/* True when all of the request's answer has been given to the connection. */
static bool
give(struct http_conn *c, struct http_request *r)
{
	if (buf_len(&r->out)) {
		conn_write(c->conn, buf_data(&r->out), buf_len(&r->out));
		buf_fini(&r->out);
	}
	if (r->file >= 0 && r->file_left)
		watch_pace(c);
	while (r->file >= 0 && r->file_left && conn_mark(c->conn) - conn_flushed(c->conn) < FILE_AHEAD)
		read_piece(r);
	return r->answered && !r->file_left;
}

void
http_pump(struct http_conn *c)
{
	while (!c->dropping && !list_is_empty(&c->requests)) {
		struct http_request *r = LIST_ENTRY(c->requests.next, struct http_request, link);
		bool keep;

		if (!give(c, r)) {
			if (c->reading == r)
				http_body_may_come(c, r);
			return;
		}
		keep = r->keep;
		timer_clear(&c->pace);
		http_request_end(r);
		if (!keep) {
			c->dropping = true;
			/* Behind an answer that says close nothing is answered. */
			LIST_EACH(l, &c->requests) {
				struct http_request *next = LIST_ENTRY(l, struct http_request, link);

				if (!next->answered && next->route && next->route->gone)
					next->route->gone(next);
				http_request_end(next);
			}
			http_shut(c);
			return;
		}
	}
	if (!c->dropping)
		http_go_on(c);
}

static void
answered(struct http_request *r)
{
	struct http_conn *c = r->c;

	assert(!r->answered);
	r->answered = true;
	http_forget_body(r);
	if (!r->keep && c->state != HTTP_SHUT) {
		c->state = HTTP_CLOSING;
		timer_clear(&c->timer);
	}
	http_pump(c);
}

/* Answers */

void
http_reply(struct http_request *r, int status, const char *type, const char *body, size_t n)
{
	write_head(r, status, type, n);
	if (n && r->head.method != HTTP_HEAD)
		say(r, body, n);
	answered(r);
}

void
http_refuse(struct http_request *r, int status)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %s\n", status, http_status_text(status));

	http_reply(r, status, "text/plain; charset=utf-8", text, (size_t)n);
}

void
http_refuse_with(struct http_request *r, int status, const char *text)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s\n", text);
	http_reply(r, status, "text/plain; charset=utf-8", buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

void
http_reply_file(struct http_request *r, int status, const char *type, int fd, uint64_t size)
{
	r->file = fd;
	write_head(r, status, type, size);
	if (r->head.method != HTTP_HEAD)
		r->file_left = size;
	answered(r);
}

/* Answers in pieces */

void
http_reply_begin(struct http_request *r, int status, const char *type, void (*more)(struct http_request *r))
{
	assert(r->body_done);
	r->more = more;
	write_head(r, status, type, LENGTH_UNKNOWN);
}

size_t
http_reply_room(const struct http_request *r)
{
	uint64_t waiting = is_oldest(r) ? conn_mark(r->c->conn) - conn_flushed(r->c->conn) : buf_len(&r->out);

	return waiting < FILE_AHEAD ? (size_t)(FILE_AHEAD - waiting) : 0;
}

void
http_reply_piece(struct http_request *r, const char *p, size_t n)
{
	char size[24];

	if (!n || r->head.method == HTTP_HEAD)
		return;
	if (is_chunked(r))
		say(r, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", n));
	say(r, p, n);
	if (is_chunked(r))
		say(r, "\r\n", 2);
	if (is_oldest(r))
		watch_pace(r->c);
}

void
http_reply_end(struct http_request *r, bool complete)
{
	if (!complete)
		r->keep = false;
	else if (is_chunked(r) && r->head.method != HTTP_HEAD)
		say(r, "0\r\n\r\n", 5);
	answered(r);
}

void
http_ask_more(struct http_conn *c)
{
	struct http_request *r;

	if (c->state == HTTP_SHUT || list_is_empty(&c->requests))
		return;
	r = LIST_ENTRY(c->requests.next, struct http_request, link);
	if (r->more && !r->answered && http_reply_room(r))
		r->more(r);
}

struct conn *
http_upgrade(struct http_request *r, const char *upgrade)
{
	struct http_conn *c = r->c;
	struct conn *conn = c->conn;
	struct buf out = { 0 };

	if (!is_oldest(r) || c->nrequests != 1 || !r->body_done || http_is_quiet())
		return NULL;
	buf_addf(&out, "HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n", http_status_text(101), upgrade);
	write_fields(&out, r);
	buf_adds(&out, "\r\n");
	conn_write(conn, buf_data(&out), buf_len(&out));
	buf_fini(&out);
	http_address(r);
	if (r->address)
		conn_set_peer(conn, r->address, http_source(r));
	r->answered = true;
	http_conn_release(c, r);
	return conn;
}
