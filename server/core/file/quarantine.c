/*
 * quarantine: what must not be read by accident, encrypted on disk.
 *
 * A file of it: eight bytes of magic, the size of the content (8 bytes, big-endian), a nonce (12), the file's key under the quarantine's key
 * (AES-256-GCM, 32 + 16; magic, size and hash are authenticated with it), then pieces of 64 KiB, each with its tag. A piece's nonce is whether
 * it is the last, and its number: pieces cannot be left out, changed places or cut off. The file's key is used for nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/file/vault.h"
#include "core/file/vault_priv.h"

#define KEY_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define PIECE 65536
#define HEAD_SIZE (8 + 8 + NONCE_SIZE + KEY_SIZE + TAG_SIZE)

static const uint8_t magic[8] = { 'C', 'H', 'Y', 'Q', 'U', 'A', 'R', 1 };
static uint8_t quarantine_key[KEY_SIZE];

/* The key */

static int
read_key(int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size != KEY_SIZE)
		return err_set(e, 0, "is not a key of %d bytes", KEY_SIZE);
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_set(e, EPERM, "must belong to the server and be for nobody else (mode 0600)");
	return vault_read(fd, quarantine_key, KEY_SIZE, 0, e);
}

/* Whole and on disk before it has a name: a key that is lost takes the quarantine with it. */
static int
make_key(const char *file, struct err *e)
{
	char folder[4096], self[40], *slash;
	int dir, fd, rc = -1;

	if (snprintf(folder, sizeof(folder), "%s", file) >= (int)sizeof(folder) || !(slash = strrchr(folder, '/')))
		return err_set(e, 0, "is no path");
	*(slash == folder ? slash + 1 : slash) = '\0';
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -1 : openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	crypt_random(quarantine_key, KEY_SIZE);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fd < 0)
		rc = err_set(e, errno, "cannot be made: %s", strerror(errno));
	else if (!vault_write(fd, quarantine_key, KEY_SIZE, e) &&
		(fsync(fd) || linkat(AT_FDCWD, self, AT_FDCWD, file, AT_SYMLINK_FOLLOW) || fsync(dir)))
		rc = err_set(e, errno, "cannot be made: %s", strerror(errno));
	else
		rc = 0;
	if (fd >= 0)
		(void)close(fd);
	if (dir >= 0)
		(void)close(dir);
	if (!rc)
		log_info(NULL, "quarantine-key-made", "file=%s", file);
	return rc;
}

int
quarantine_start(const char *dir, const char *file, struct err *e)
{
	char own[4096];
	int fd, rc;

	if (!*file) {
		if (snprintf(own, sizeof(own), "%s/quarantine.key", dir) >= (int)sizeof(own))
			return err_set(e, ENAMETOOLONG, "too long");
		file = own;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		rc = err_set(e, errno, "%s", strerror(errno));
	else
		rc = fd < 0 ? make_key(file, e) : read_key(fd, e);
	if (fd >= 0)
		(void)close(fd);
	return rc ? err_prefix(e, "files.quarantine_key %s", file) : 0;
}

/* Pieces */

struct cipher {
	EVP_CIPHER_CTX *ctx;
	uint8_t key[KEY_SIZE];
	uint8_t head[HEAD_SIZE];
	uint8_t plain[PIECE], sealed[PIECE + TAG_SIZE];
};

static struct cipher *
cipher_new(void)
{
	struct cipher *c = NEW(struct cipher);

	c->ctx = EVP_CIPHER_CTX_new();
	if (!c->ctx)
		mem_exhausted(sizeof(*c));
	return c;
}

static void
cipher_free(struct cipher *c)
{
	EVP_CIPHER_CTX_free(c->ctx);
	crypt_wipe(c, sizeof(*c));
	free(c);
}

/* `more` is authenticated, too. Out: n bytes and the tag. */
static bool
seal(EVP_CIPHER_CTX *ctx, const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], const uint8_t *more, size_t nmore, const uint8_t *in,
	size_t n, uint8_t *out)
{
	int len;

	return EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) && (!nmore || EVP_EncryptUpdate(ctx, NULL, &len, more, (int)nmore)) &&
		(!n || EVP_EncryptUpdate(ctx, out, &len, in, (int)n)) && EVP_EncryptFinal_ex(ctx, out + n, &len) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + n);
}

/* In: n bytes and the tag. False: they are not what was sealed. */
static bool
unseal(EVP_CIPHER_CTX *ctx, const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], const uint8_t *more, size_t nmore, uint8_t *in, size_t n,
	uint8_t *out)
{
	int len;

	return EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) && (!nmore || EVP_DecryptUpdate(ctx, NULL, &len, more, (int)nmore)) &&
		(!n || EVP_DecryptUpdate(ctx, out, &len, in, (int)n)) && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, in + n) &&
		EVP_DecryptFinal_ex(ctx, out + n, &len) > 0;
}

static void
store64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void
nonce_of(uint64_t number, bool last, uint8_t out[NONCE_SIZE])
{
	memset(out, 0, NONCE_SIZE);
	out[0] = last;
	store64(out + 4, number);
}

/* Magic, size and hash: what the wrapped key is bound to. */
static void
bind_head(const struct cipher *c, const uint8_t sha256[SHA256_SIZE], uint8_t out[16 + SHA256_SIZE])
{
	memcpy(out, c->head, 16);
	memcpy(out + 16, sha256, SHA256_SIZE);
}

/* In */

static int
write_head(struct cipher *c, int fd, const uint8_t sha256[SHA256_SIZE], uint64_t size, struct err *e)
{
	uint8_t bound[16 + SHA256_SIZE], *nonce = c->head + 16;

	crypt_random(c->key, KEY_SIZE);
	memcpy(c->head, magic, sizeof(magic));
	store64(c->head + 8, size);
	crypt_random(nonce, NONCE_SIZE);
	bind_head(c, sha256, bound);
	if (!seal(c->ctx, quarantine_key, nonce, bound, sizeof(bound), c->key, KEY_SIZE, nonce + NONCE_SIZE))
		return err_set(e, 0, "encryption failed");
	return vault_write(fd, c->head, HEAD_SIZE, e);
}

static int
write_pieces(struct cipher *c, int from, int to, uint64_t size, struct err *e)
{
	uint8_t nonce[NONCE_SIZE];

	for (uint64_t i = 0, at = 0; at < size || i == 0; i++) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		nonce_of(i, at + n == size, nonce);
		if (vault_read(from, c->plain, n, at, e))
			return -1;
		if (!seal(c->ctx, c->key, nonce, NULL, 0, c->plain, n, c->sealed))
			return err_set(e, 0, "encryption failed");
		if (vault_write(to, c->sealed, n + TAG_SIZE, e))
			return -1;
		at += n;
	}
	return 0;
}

static int
put(int from, const uint8_t sha256[SHA256_SIZE], uint64_t size, struct err *e)
{
	struct cipher *c;
	int fd, rc;

	if (vault_has(VAULT_QUARANTINE, sha256))
		return 0;
	fd = vault_unnamed(VAULT_QUARANTINE, e);
	if (fd < 0)
		return -1;
	c = cipher_new();
	rc = write_head(c, fd, sha256, size, e) || write_pieces(c, from, fd, size, e) || vault_link(VAULT_QUARANTINE, fd, sha256, e) ? -1 : 0;
	cipher_free(c);
	(void)close(fd);
	return rc;
}

int
quarantine_put(struct spool *s, struct err *e)
{
	const uint8_t *sha256 = spool_sha256(s);

	return put(spool_fd(s), sha256, spool_size(s), e) ? err_prefix(e, "the file could not be put into the quarantine") : 0;
}

int
quarantine_withdraw(const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	uint64_t size = 0;
	int fd = vault_open(sha256, &size, e), rc;

	/* Done before, but for the end. */
	if (fd < 0)
		return e->code == ENOENT && vault_has(VAULT_QUARANTINE, sha256) ? 0 : -1;
	rc = put(fd, sha256, size, e) || vault_remove(sha256, e) ? -1 : 0;
	(void)close(fd);
	return rc;
}

/* Out */

static int
read_head(struct cipher *c, int fd, const uint8_t sha256[SHA256_SIZE], uint64_t length, uint64_t *size, struct err *e)
{
	uint8_t bound[16 + SHA256_SIZE], *nonce = c->head + 16;
	uint64_t pieces;

	if (length < HEAD_SIZE || vault_read(fd, c->head, HEAD_SIZE, 0, e))
		return err_set(e, EIO, "is damaged");
	*size = load64(c->head + 8);
	bind_head(c, sha256, bound);
	if (memcmp(c->head, magic, sizeof(magic)) != 0 ||
		!unseal(c->ctx, quarantine_key, nonce, bound, sizeof(bound), nonce + NONCE_SIZE, KEY_SIZE, c->key))
		return err_set(e, EIO, "is damaged, or was encrypted with another key (files.quarantine_key)");
	pieces = *size ? (*size + PIECE - 1) / PIECE : 1;
	return length == HEAD_SIZE + *size + pieces * TAG_SIZE ? 0 : err_set(e, EIO, "is damaged: of another length");
}

static int
read_pieces(struct cipher *c, int from, int to, uint64_t size, const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	struct crypt_hasher *h = crypt_hasher_new();
	uint8_t nonce[NONCE_SIZE], found[SHA256_SIZE];
	int rc = 0;

	for (uint64_t i = 0, at = 0; !rc && (at < size || i == 0); i++) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		nonce_of(i, at + n == size, nonce);
		if (vault_read(from, c->sealed, n + TAG_SIZE, HEAD_SIZE + i * (PIECE + TAG_SIZE), e))
			rc = -1;
		else if (!unseal(c->ctx, c->key, nonce, NULL, 0, c->sealed, n, c->plain))
			rc = err_set(e, EIO, "is damaged");
		else
			rc = vault_write(to, c->plain, n, e);
		crypt_hasher_add(h, c->plain, n);
		at += n;
	}
	crypt_hasher_end(h, found);
	if (!rc && memcmp(found, sha256, SHA256_SIZE) != 0)
		rc = err_set(e, EIO, "is not the file that it was");
	return rc;
}

static int
take_out(int from, uint64_t length, const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	struct cipher *c;
	int fd = vault_unnamed(VAULT_CONTENT, e), rc;
	uint64_t size = 0;

	if (fd < 0)
		return -1;
	c = cipher_new();
	rc = read_head(c, from, sha256, length, &size, e) || read_pieces(c, from, fd, size, sha256, e) ||
		vault_link(VAULT_CONTENT, fd, sha256, e) ? -1 : 0;
	cipher_free(c);
	(void)close(fd);
	return rc;
}

int
quarantine_release(const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	uint64_t length;
	int fd = vault_open_in(VAULT_QUARANTINE, sha256, &length, e), rc;

	/* Done before, but for the end. */
	if (fd < 0)
		return e->code == ENOENT && vault_has(VAULT_CONTENT, sha256) ? 0 : err_prefix(e, "the file in the quarantine");
	rc = take_out(fd, length, sha256, e) ? err_prefix(e, "the file in the quarantine") : quarantine_remove(sha256, e);
	(void)close(fd);
	return rc;
}

int
quarantine_remove(const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	return vault_unlink(VAULT_QUARANTINE, sha256, e);
}
