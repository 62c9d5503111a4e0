/*
 * peer_record: who was at the other end, in the record. When a stream has been authenticated, a record of kind RECORD_PEER says so before any
 * stanza passes: domain, direction, certificate's fingerprint, how it was authenticated, TLS, address. Messages that come in on it refer to that
 * record (refers_record); messages that go out refer to the one of the stream that was there when they were recorded. What was recorded
 * while there was none, or goes over another one than that, is named by a record of kind RECORD_PASSED before it is sent. Both wait up to 20 ms
 * for other records, with which they are committed.
 */
#ifndef CORE_PEER_RECORD_H
#define CORE_PEER_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/route/packet.h"

struct s2s;

/* fn(owner, ok) at home when it is committed (s->peer_record is set), or the archive did not take it: then the stream must end. Never
 * within the call that makes it; the handle is gone when fn is called, and no call comes after peer_record_cancel. */
typedef void (*peer_record_fn)(void *owner, bool ok);
struct peer_record *peer_record_new(struct s2s *s, peer_record_fn fn, void *owner);
/* The same for what is about to be sent over s although it does not refer to its record: ids of messages, ascending. */
struct peer_record *peer_record_passed(struct s2s *s, const uint64_t *ids, size_t n, peer_record_fn fn, void *owner);
void peer_record_cancel(struct peer_record *r);

#endif
