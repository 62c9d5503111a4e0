/*
 * trust_files: the public authorities and the revocation lists. Reading them costs (a list may have megabytes): on a thread that may wait,
 * and only when something has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "core/config/config.h"
#include "core/federation/partner_priv.h"
#include "core/federation/trust.h"
#include "core/home.h"
#include "net/reactor.h"
#include "store/pool.h"

#define FILE_MAX (64u << 20)
#define LOOK_MS 2000

/* How a file looks from outside. */
struct look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER; /* one at a time; of `looks` and `loaded` */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    /* of `store` */
static struct cert_store *store;
static struct look looks[2];
/* Whose files those of `store` are. During a reload the settings in force are still the old ones: by those the new files would
 * look as if they had changed, and be exchanged for the old. */
static struct config *loaded;
static atomic_uint_fast64_t version;

static _Thread_local struct timer tick;
static _Thread_local bool watching;

static void
look(const char *file, struct look *l)
{
	struct stat st;

	memset(l, 0, sizeof(*l));
	if (!*file || stat(file, &st))
		return;
	l->device = st.st_dev;
	l->inode = st.st_ino;
	l->size = st.st_size;
	l->changed = st.st_mtim;
}

static void
look_at_both(const struct config *c, struct look l[2])
{
	look(c->federation.ca_file, &l[0]);
	look(c->federation.crl_file, &l[1]);
}

static int
read_all(int fd, struct buf *out, const char *file, struct err *e)
{
	ssize_t n;

	for (;;) {
		n = read(fd, buf_reserve(out, 65536), 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "%s: %s", file, strerror(errno));
		if (n == 0)
			return 0;
		buf_added(out, (size_t)n);
		if (buf_len(out) > FILE_MAX)
			return err_set(e, EFBIG, "%s: longer than %u bytes", file, FILE_MAX);
	}
}

/* An empty name: there is none, and nothing is read. */
static int
read_file(const char *file, struct buf *out, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (!*file)
		return 0;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		rc = err_set(e, EINVAL, "%s: not a regular file", file);
	else
		rc = read_all(fd, out, file, e);
	close(fd);
	return rc;
}

static struct cert_store *
read_store(const struct config *c, struct err *e)
{
	const char *ca_file = c->federation.ca_file, *crl_file = c->federation.crl_file;
	struct cert_store *s = NULL;
	struct buf ca = { 0 }, crl = { 0 };

	if (read_file(ca_file, &ca, e)) {
		err_prefix(e, "federation.ca_file");
	} else if (read_file(crl_file, &crl, e)) {
		err_prefix(e, "federation.crl_file");
	} else {
		s = cert_store_new(*ca_file ? buf_str(&ca) : NULL, *crl_file ? buf_str(&crl) : NULL, e);
		if (!s)
			err_prefix(e, "federation.ca_file %s, federation.crl_file %s", ca_file, crl_file);
	}
	buf_fini(&ca);
	buf_fini(&crl);
	return s;
}

static void
put(struct cert_store *s)
{
	struct cert_store *old;

	pthread_mutex_lock(&lock);
	old = store;
	store = s;
	atomic_fetch_add(&version, 1);
	pthread_mutex_unlock(&lock);
	cert_store_unref(old);
}

/* With `loading` held. */
static int
load(const struct config *c, struct err *e)
{
	struct cert_store *s;
	size_t authorities, lists;

	/* Before they are read: what is written meanwhile is noticed the next time. */
	look_at_both(c, looks);
	s = read_store(c, e);
	if (!s)
		return -1;
	authorities = cert_store_anchors(s);
	lists = cert_store_lists(s);
	put(s);
	log_info(NULL, "trust-loaded", "authorities=%zu revocation_lists=%zu", authorities, lists);
	return 0;
}

int
trust_load(const struct config *c, struct err *e)
{
	int rc;

	pthread_mutex_lock(&loading);
	rc = load(c, e);
	if (!rc) {
		config_unref(loaded);
		loaded = config_ref((struct config *)c);
	}
	pthread_mutex_unlock(&loading);
	return rc;
}

void
trust_stop(void)
{
	put(NULL);
	pthread_mutex_lock(&loading);
	config_unref(loaded);
	loaded = NULL;
	pthread_mutex_unlock(&loading);
}

struct cert_store *
trust_public(void)
{
	struct cert_store *s;

	pthread_mutex_lock(&lock);
	s = cert_store_ref(store);
	pthread_mutex_unlock(&lock);
	return s;
}

uint64_t
trust_version(void)
{
	/* A reload reads the files before the homes have the new settings: what was judged in between was judged by the old ones. */
	return atomic_load(&version) * 4 + home_config()->federation.revocation;
}

/* Watching */

static enum sql_status
look_again(struct job *j, struct sql *db)
{
	struct look now[2];
	bool changed = false;

	(void)db;
	pthread_mutex_lock(&loading);
	if (loaded) {
		look_at_both(loaded, now);
		changed = memcmp(now, looks, sizeof(now)) != 0;
	}
	if (changed && load(loaded, &j->err)) {
		log_error(NULL, "trust-not-loaded", "why=%s", j->err.text);
		changed = false;
	}
	pthread_mutex_unlock(&loading);
	if (changed)
		partner_follow();
	return SQL_OK;
}

static void watch(struct timer *t);

static void
looked(struct job *j)
{
	(void)j;
	if (watching)
		timer_set(&tick, LOOK_MS, watch);
}

/* Not here: files may be on a disk that hangs. */
static void
watch(struct timer *t)
{
	struct job *j = job_new(0);

	(void)t;
	j->work = look_again;
	j->done = looked;
	pool_submit_cpu(j);
}

void
trust_home_start(void)
{
	if (reactor_index(reactor_current()) != 0 || !home_config()->federation.on)
		return;
	watching = true;
	timer_set(&tick, LOOK_MS, watch);
}

void
trust_home_stop(void)
{
	watching = false;
	timer_clear(&tick);
}
