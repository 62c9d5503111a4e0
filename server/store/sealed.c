/*
 * sealed: see sealed.h. Keys and the name of their file are under a lock; a change is a new file that takes the place of the old one.
 */
#include "store/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define KEY_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define FILE_MAX (SEALED_KEYS_MAX * (2 * KEY_SIZE + 16))

struct key {
	unsigned id;
	uint8_t bytes[KEY_SIZE];
};

static struct {
	pthread_mutex_t lock;
	char *file;
	struct key key[SEALED_KEYS_MAX];
	unsigned n;
} keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The file */

static int
read_line(const char *line, size_t n, struct key *k)
{
	const char *space = memchr(line, ' ', n);
	uint64_t id;

	if (!space || !text_u64(line, (size_t)(space - line), 1, INT32_MAX, &id) || n - (size_t)(space + 1 - line) != 2 * KEY_SIZE ||
		text_unhex(space + 1, 2 * KEY_SIZE, k->bytes) != KEY_SIZE)
		return -1;
	k->id = (unsigned)id;
	return 0;
}

static int
read_lines(const char *text, struct err *e)
{
	unsigned n = 0;

	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (n == SEALED_KEYS_MAX || read_line(text, len, &keys.key[n]))
			return err_set(e, 0, "is no file of keys");
		n++;
	}
	keys.n = n;
	return n ? 0 : err_set(e, 0, "has no key");
}

static int
read_file(int fd, struct err *e)
{
	char text[FILE_MAX + 1];
	struct stat st;
	ssize_t n;
	int rc;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return err_set(e, 0, "is no file of keys");
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return err_set(e, EPERM, "must belong to the server and be for nobody else (mode 0600)");
	n = read(fd, text, FILE_MAX);
	if (n < 0)
		return err_set(e, errno, "%s", strerror(errno));
	text[n] = '\0';
	rc = strlen(text) == (size_t)n ? read_lines(text, e) : err_set(e, 0, "is no file of keys");
	crypt_wipe(text, sizeof(text));
	return rc;
}

static int
write_all(int fd, const char *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			return err_set(e, errno, "%s", strerror(errno));
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return fsync(fd) ? err_set(e, errno, "%s", strerror(errno)) : 0;
}

/* The folder has to know the name as well, before anything is sealed under a key that only this file has. */
static int
sync_folder(const char *file, struct err *e)
{
	char *folder = mem_strdup(file), *slash = strrchr(folder, '/');
	int dir, rc = 0;

	if (slash)
		slash[slash == folder] = '\0';
	dir = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir))
		rc = err_set(e, errno, "%s", strerror(errno));
	if (dir >= 0)
		(void)close(dir);
	free(folder);
	return rc;
}

/* Whole and on disk before it takes the place of the old one. */
static int
write_file(const struct key *list, unsigned n, struct err *e)
{
	struct buf text = { 0 }, name = { 0 };
	char hex[2 * KEY_SIZE + 1];
	int fd, rc;

	for (unsigned i = 0; i < n; i++) {
		text_hex(list[i].bytes, KEY_SIZE, hex);
		buf_addf(&text, "%u %s\n", list[i].id, hex);
	}
	buf_addf(&name, "%s.new", keys.file);
	(void)unlink(buf_str(&name));
	fd = open(buf_str(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = fd < 0 ? err_set(e, errno, "%s", strerror(errno)) : write_all(fd, buf_data(&text), buf_len(&text), e);
	if (fd >= 0)
		(void)close(fd);
	if (!rc && rename(buf_str(&name), keys.file))
		rc = err_set(e, errno, "%s", strerror(errno));
	if (!rc)
		rc = sync_folder(keys.file, e);
	crypt_wipe(hex, sizeof(hex));
	crypt_wipe(text.data, text.cap);
	buf_fini(&text);
	buf_fini(&name);
	return rc ? err_prefix(e, "gateways.key_file %s cannot be written", keys.file) : 0;
}

int
sealed_start(const char *file, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc = 0;

	pthread_mutex_lock(&keys.lock);
	free(keys.file);
	keys.file = mem_strdup(file);
	keys.n = 0;
	if (fd >= 0)
		rc = read_file(fd, e);
	else if (errno != ENOENT)
		rc = err_set(e, errno, "%s", strerror(errno));
	pthread_mutex_unlock(&keys.lock);
	if (fd >= 0)
		(void)close(fd);
	return rc ? err_prefix(e, "gateways.key_file %s", file) : 0;
}

void
sealed_stop(void)
{
	pthread_mutex_lock(&keys.lock);
	crypt_wipe(keys.key, sizeof(keys.key));
	keys.n = 0;
	free(keys.file);
	keys.file = NULL;
	pthread_mutex_unlock(&keys.lock);
}

bool
sealed_has_key(void)
{
	return sealed_key_id() != 0;
}

unsigned
sealed_key_id(void)
{
	unsigned id;

	pthread_mutex_lock(&keys.lock);
	id = keys.n ? keys.key[0].id : 0;
	pthread_mutex_unlock(&keys.lock);
	return id;
}

bool
sealed_has(unsigned id)
{
	bool has = false;

	pthread_mutex_lock(&keys.lock);
	for (unsigned i = 0; i < keys.n; i++)
		has |= keys.key[i].id == id;
	pthread_mutex_unlock(&keys.lock);
	return has;
}

/* Under the lock. */
static int
add_key(struct err *e)
{
	struct key list[SEALED_KEYS_MAX + 1];
	unsigned n = keys.n + 1;
	int rc;

	if (n > SEALED_KEYS_MAX)
		return err_set(e, 0, "gateways.key_file holds %d keys already: an exchange of keys has not come to its end", SEALED_KEYS_MAX);
	crypt_random(list[0].bytes, KEY_SIZE);
	list[0].id = 1;
	for (unsigned i = 0; i < keys.n; i++) {
		list[i + 1] = keys.key[i];
		if (keys.key[i].id >= list[0].id)
			list[0].id = keys.key[i].id + 1;
	}
	rc = write_file(list, n, e);
	if (!rc) {
		memcpy(keys.key, list, n * sizeof(*list));
		keys.n = n;
		log_info(NULL, "gateway-key-made", "file=%s id=%u", keys.file, list[0].id);
	}
	crypt_wipe(list, sizeof(list));
	return rc;
}

int
sealed_make(struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&keys.lock);
	if (!keys.n)
		rc = add_key(e);
	pthread_mutex_unlock(&keys.lock);
	return rc;
}

int
sealed_new_key(unsigned *id, struct err *e)
{
	int rc;

	pthread_mutex_lock(&keys.lock);
	rc = add_key(e);
	*id = keys.n ? keys.key[0].id : 0;
	pthread_mutex_unlock(&keys.lock);
	return rc;
}

static bool
is_among(unsigned id, const unsigned *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

int
sealed_keep_only(const unsigned *ids, unsigned n, struct err *e)
{
	struct key list[SEALED_KEYS_MAX];
	unsigned left = 0;
	int rc = 0;

	pthread_mutex_lock(&keys.lock);
	for (unsigned i = 0; i < keys.n; i++)
		if (i == 0 || is_among(keys.key[i].id, ids, n))
			list[left++] = keys.key[i];
	if (left < keys.n) {
		rc = write_file(list, left, e);
		if (!rc) {
			crypt_wipe(keys.key, sizeof(keys.key));
			memcpy(keys.key, list, left * sizeof(*list));
			keys.n = left;
		}
	}
	pthread_mutex_unlock(&keys.lock);
	crypt_wipe(list, sizeof(list));
	return rc;
}

/* Sealing */

/* By its number; 0: the one in force. False: it is not here. */
static bool
take_key(unsigned id, struct key *out)
{
	bool found = false;

	pthread_mutex_lock(&keys.lock);
	for (unsigned i = 0; i < keys.n && !found; i++)
		if (!id || keys.key[i].id == id) {
			*out = keys.key[i];
			found = true;
		}
	pthread_mutex_unlock(&keys.lock);
	return found;
}

static EVP_CIPHER_CTX *
new_context(void)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (!c)
		mem_exhausted(1);
	return c;
}

static const char *
hex_of(struct arena *a, const void *p, size_t n)
{
	char *out = arena_alloc(a, 2 * n + 1);

	text_hex(p, n, out);
	return out;
}

int
sealed_seal(struct arena *a, const char *owner, size_t n, const char *text, struct sealed *out, struct err *e)
{
	EVP_CIPHER_CTX *c = new_context();
	uint8_t nonce[NONCE_SIZE], *sealed;
	size_t size = strlen(text);
	struct key k;
	int len, rc = -1;

	if (size > SEALED_TEXT_MAX) {
		err_set(e, 0, "it is longer than %d bytes", SEALED_TEXT_MAX);
	} else if (!take_key(0, &k)) {
		err_set(e, 0, "there is no key to seal with");
	} else {
		sealed = arena_alloc(a, size + TAG_SIZE);
		crypt_random(nonce, sizeof(nonce));
		if (EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k.bytes, nonce) && EVP_EncryptUpdate(c, NULL, &len, (const uint8_t *)owner, (int)n) &&
			(!size || EVP_EncryptUpdate(c, sealed, &len, (const uint8_t *)text, (int)size)) &&
			EVP_EncryptFinal_ex(c, sealed + size, &len) && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, sealed + size)) {
			*out = (struct sealed){ k.id, hex_of(a, nonce, sizeof(nonce)), hex_of(a, sealed, size + TAG_SIZE) };
			rc = 0;
		} else {
			err_set(e, 0, "encryption failed");
		}
		crypt_wipe(&k, sizeof(k));
	}
	EVP_CIPHER_CTX_free(c);
	return rc;
}

char *
sealed_open(struct arena *a, const char *owner, size_t n, const struct sealed *s, struct err *e)
{
	size_t digits = strlen(s->text), size;
	uint8_t nonce[NONCE_SIZE], *sealed;
	char *text = NULL, *plain;
	EVP_CIPHER_CTX *c;
	struct key k;
	int len;

	if (strlen(s->nonce) != 2 * NONCE_SIZE || text_unhex(s->nonce, 2 * NONCE_SIZE, nonce) != NONCE_SIZE || digits < 2 * TAG_SIZE ||
		digits > 2 * (SEALED_TEXT_MAX + TAG_SIZE) || digits % 2) {
		err_set(e, 0, "it is not what was sealed");
		return NULL;
	}
	if (!take_key(s->key_id, &k)) {
		err_set(e, 0, "key %u is not in gateways.key_file", s->key_id);
		return NULL;
	}
	c = new_context();
	size = digits / 2 - TAG_SIZE;
	sealed = arena_alloc(a, digits / 2);
	plain = arena_alloc(a, size + 1);
	if (text_unhex(s->text, digits, sealed) == (ssize_t)(digits / 2) && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, k.bytes, nonce) &&
		EVP_DecryptUpdate(c, NULL, &len, (const uint8_t *)owner, (int)n) &&
		(!size || EVP_DecryptUpdate(c, (uint8_t *)plain, &len, sealed, (int)size)) &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, sealed + size) && EVP_DecryptFinal_ex(c, (uint8_t *)plain + size, &len) > 0) {
		plain[size] = '\0';
		text = plain;
	} else {
		crypt_wipe(plain, size + 1);
		err_set(e, 0, "it is not what was sealed");
	}
	crypt_wipe(&k, sizeof(k));
	EVP_CIPHER_CTX_free(c);
	return text;
}
