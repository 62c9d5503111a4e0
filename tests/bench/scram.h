/*
 * scram: the client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
 */
#ifndef BENCH_SCRAM_H
#define BENCH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

struct scram {
	char user[64], nonce[40];
	unsigned char signature[32]; /* what the server has to prove */
};

/* The first message, base64, into out. */
void scram_begin(struct scram *s, char *out, size_t size);

/* The answer to the server's challenge, both base64; false when the challenge is malformed. */
bool scram_answer(struct scram *s, const char *password, const char *challenge, char *out,
		  size_t size);

/* The server's last message, base64, proves that it knows the keys. */
bool scram_proven(const struct scram *s, const char *last);

#endif
