/*
 * c2s: a client's stream: negotiation (RFC 6120 §4 to §7), and then the way between a session and its socket.
 *
 * A stream is TLS, SASL and binding in that order, as a table of state × element (c2s_negotiate). It lives on the
 * reactor that accepted it until authentication, then on the home of its user.
 */
#ifndef CORE_C2S_H
#define CORE_C2S_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "xmpp/jid.h"
#include "xmpp/xerror.h"

struct c2s;
struct conn;
struct packet;
struct reactor;
struct session;

/* listener_fn: arg is the address of a bool: true for direct TLS (XEP-0368). */
void c2s_accept(int fd, const struct sockaddr *peer, void *direct_tls);
/* A WebSocket (RFC 7395) whose handshake is over has arrived on this reactor (see conn_move). */
void c2s_accept_websocket(struct conn *conn, void *unused);
/* The same over a local socket, without masks, whose other end carries it on (BOSH); `tls` says how it is protected there.
 * From any thread; `at` is where it begins. */
void c2s_accept_pipe(struct reactor *at, int fd, const char *address, const char *source, const char *tls);
/* Registers what belongs to streams; before the reactors start. */
void c2s_start(void);
void c2s_home_start(void);
/* Stops reading on every stream: what has been read is finished first. */
void c2s_home_quiet(void);
/* Then: reads only what clients confirm, so that nothing they have comes again. How many have not said all. */
unsigned c2s_home_confirm(void);
/* Every stream of this reactor is told system-shutdown and closed; returns how many there are still. */
unsigned c2s_home_shutdown(void);
void c2s_home_stop(void);
/* Ends streams of this reactor that belong to the account and have no session yet. Returns how many. */
unsigned c2s_close_logins(const struct jid *bare, enum xstream_error e, const char *text);
unsigned c2s_count(void); /* on this reactor */

/* For session and resume. */
void c2s_send(struct c2s *c, struct packet *p);
void c2s_write(struct c2s *c, const char *p, size_t n);
void c2s_writef(struct c2s *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void c2s_ask_ack(struct c2s *c); /* <r/> */
size_t c2s_unsent(const struct c2s *c);
uint64_t c2s_mark(const struct c2s *c);
void c2s_pause(struct c2s *c);
void c2s_resume_reading(struct c2s *c);
/* Ends the stream: error (or none), </stream:stream>, close. The session is no longer called. */
void c2s_end(struct c2s *c, enum xstream_error e, const char *text);
/* XEP-0198 §4: an <a/> beyond what was sent: undefined-condition with <handled-count-too-high/>. */
void c2s_fail_sm(struct c2s *c, uint32_t h, unsigned sent);
const char *c2s_address(const struct c2s *c);
const char *c2s_tls(const struct c2s *c, char out[96]);
const char *c2s_mechanism(const struct c2s *c);
int64_t c2s_device(const struct c2s *c);      /* store/device; 0: not known */
const char *c2s_client(const struct c2s *c);  /* what it is, in its words; NULL */
const char *c2s_lang(const struct c2s *c); /* of the stream header; NULL */
/* The session the stream carries from now on (NULL: none). */
void c2s_set_session(struct c2s *c, struct session *s);

#endif
