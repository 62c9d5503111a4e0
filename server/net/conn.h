/*
 * conn: a TCP connection with output buffer, limits, pause and resume; plain or TLS with the same face.
 *
 * Lives on one reactor and can move to another. Its owner (a stream) gets callbacks; conn knows
 * nothing of XMPP. Freed by conn_close: unlinked at once, memory released at the end of the turn, so
 * a callback may close the connection it was called for; no callback follows conn_close.
 *
 * Output is collected and written at the end of the turn: many stanzas, one TLS record, one system call.
 * Buffers are released when empty: an idle connection holds no input or output memory.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/reactor.h"
#include "net/tls.h"

struct conn;

enum conn_end {
	CONN_EOF,      /* the peer closed (TLS close_notify or FIN) */
	CONN_ERROR,    /* reset, timeout of TCP, TLS error */
	CONN_SLOW,     /* output_bytes exceeded: the peer does not read */
};

struct conn_ops {
	/* Bytes after decryption, at most 16 KiB a call. They are valid during the call only. */
	void (*data)(struct conn *c, void *owner, const char *p, size_t n);
	/* The TLS handshake has finished. */
	void (*secured)(struct conn *c, void *owner);
	/* The connection is dead. The owner calls conn_close. CONN_EOF and CONN_ERROR come behind all data
	 * that arrived before, so not while the owner pauses or has not taken what it kept; CONN_SLOW and the
	 * end of a conn_shutdown's linger time come at once. After CONN_EOF output is still taken. */
	void (*ended)(struct conn *c, void *owner, enum conn_end how, const char *why);
	/* All output up to the mark of conn_mark() has been handed to the kernel. May be NULL. */
	void (*flushed)(struct conn *c, void *owner, uint64_t upto);
};

/* Takes over `fd` (non-blocking, TCP_NODELAY and keepalive are set here) on the current reactor.
 * Reading starts at once. `peer` is copied. `max_output`: bytes, see limits.output_bytes. */
struct conn *conn_new(int fd, const struct sockaddr *peer, const struct conn_ops *ops, void *owner, size_t max_output);
/* Changes who is called. */
void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner);
/* Queues a copy. Ignored after conn_shutdown or an error. */
void conn_write(struct conn *c, const void *p, size_t n);
/* The output buffer itself, to serialize into; call conn_wrote afterwards. */
struct buf *conn_out(struct conn *c);
/* The same once more before conn_wrote, which then is about all that was written since conn_out. */
struct buf *conn_out_again(struct conn *c);
void conn_wrote(struct conn *c);
/* Bytes ever queued: a position in the output that `flushed` reports when passed. */
uint64_t conn_mark(const struct conn *c);
uint64_t conn_flushed(const struct conn *c);
/* How many bytes TCP has been given (all that conn_flushed is about, and more for TLS), and how many of these the peer's kernel has acknowledged: what
 * was given at one time has been there when as much is acknowledged at a later one. -1: nobody can say. */
int conn_tcp_progress(const struct conn *c, uint64_t *given, uint64_t *acknowledged) MUST_CHECK;
/* Server side TLS from here on. Whatever plaintext is still unread in the kernel or was delivered in
 * the same read behind the request must not be taken for protected data: the owner passes the number of
 * bytes of the current data() call that it has not consumed; when that is not 0 the call fails (-1) and
 * the owner closes the stream (STARTTLS injection). Pending output (<proceed/>) is flushed first. */
int conn_start_tls(struct conn *c, struct tls_set *tls, bool alpn_required, size_t unread) MUST_CHECK;
/* Client side: takes over `ssl` (tls_connect_new), whatever it returns. As above; a server's handshake messages are bounded too (net/hello.h). `secured` is called whatever its
 * certificate is. */
int conn_connect_tls(struct conn *c, SSL *ssl, size_t unread) MUST_CHECK;
bool conn_is_secure(const struct conn *c);
SSL *conn_ssl(const struct conn *c);
/* Stops reading (lane full) and goes on. Counted: pause twice, resume twice. While paused no data()
 * call is made; bytes that TLS has decrypted already wait inside conn. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Inside data(): the owner took only the first `used` bytes of this call; the rest is kept and given
 * again after conn_resume. Call after conn_pause. */
void conn_keep_rest(struct conn *c, size_t used);
/* Flushes what is queued, sends close_notify, half-closes, then waits up to `linger_ms` for the peer to
 * close; `ended` is still called (CONN_EOF), unless the owner calls conn_close before. No data() any more
 * when `discard_input`; else data() goes on so that a </stream:stream> can be read. */
void conn_shutdown(struct conn *c, unsigned linger_ms, bool discard_input);
/* Closes and forgets, after trying to flush once without waiting. */
void conn_close(struct conn *c);
/* Closes and forgets at once: what is queued, here and in the kernel, is dropped, and a reset tells the peer that this was not all. */
void conn_reset(struct conn *c);
/* Moves to another reactor: from here on the connection must not be touched by this thread; arrived(c,
 * owner) is called on `to`, after which callbacks run there. Unread input and unwritten output move along.
 * To the current reactor: arrived is called at the end of the turn. */
void conn_move(struct conn *c, struct reactor *to, void (*arrived)(struct conn *c, void *owner));
/* "192.0.2.1" or "2001:db8::1"; lives as long as the conn. */
const char *conn_address(const struct conn *c);
/* What counts as one source: the IPv4 address, or the IPv6 /64. For throttling. */
const char *conn_source(const struct conn *c);
/* Who is behind a proxy that we trust, in the words of the two above. */
void conn_set_peer(struct conn *c, const char *address, const char *source);
struct log *conn_log(struct conn *c);

#endif
