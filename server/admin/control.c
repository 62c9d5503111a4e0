/*
 * control: accepts on the local socket, checks who is there, and runs a thread for each connection.
 *
 * The accepting thread owns the socket; a connection's thread owns its descriptor, buffers and database
 * connection. `control.lock` guards the list of connections, which control_stop needs to end them.
 */
#include "admin/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/request/request.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/config/config.h"
#include "store/refusal.h"

#define IDLE_MS 60000 /* between requests */
#define LINE_MS 10000 /* from a request's first byte to its last */
#define SEND_MS 30000 /* for the peer to take what is sent */
#define FLUSH_BYTES 32768
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

struct client {
	struct list all;
	int fd;
	struct audit_who who;
	char name[64], origin[128];
	char *in; /* CONTROL_LINE_MAX bytes; never moved, as lines may hold passwords */
	size_t in_len;
	struct buf out;
	bool broken; /* the peer is gone, or did not read in time */
	struct request request;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct list clients;
	unsigned n;

	pthread_t thread;
	bool running;
	int fd, wake;
	gid_t group;
	char *path, *conninfo;
	struct request_server server;
} control = {.lock = PTHREAD_MUTEX_INITIALIZER, .gone = PTHREAD_COND_INITIALIZER};

/* Waits until the socket is ready. -1: the time is over, or it broke. */
static int
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		int n;

		if (left <= 0)
			return -1;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

static void
client_flush(struct client *c)
{
	int64_t deadline = clock_mono_ms() + SEND_MS;

	while (!c->broken && buf_len(&c->out) > 0) {
		ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			buf_consume(&c->out, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			c->broken = wait_for(c->fd, POLLOUT, deadline) != 0;
		else if (n >= 0 || errno != EINTR)
			c->broken = true;
	}
	if (c->broken)
		buf_clear(&c->out);
}

static int
client_send(void *arg, const char *line, size_t n)
{
	struct client *c = arg;

	if (c->broken)
		return -1;
	buf_add(&c->out, line, n);
	buf_addc(&c->out, '\n');
	if (buf_len(&c->out) >= FLUSH_BYTES)
		client_flush(c);
	return c->broken ? -1 : 0;
}

/* Has the peer closed? What it has sent meanwhile stays where it is. */
static bool
client_gone(void *arg)
{
	const struct client *c = arg;
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

	return c->broken || atomic_load(&control.server.stopping) || (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0);
}

/* Reads until there is a line; its length without the end, or -1: closed, too slow, or too long. */
static ssize_t
client_read_line(struct client *c)
{
	int64_t deadline = clock_mono_ms() + IDLE_MS;
	size_t looked = 0;

	for (;;) {
		const char *end = memchr(c->in + looked, '\n', c->in_len - looked);
		ssize_t n;

		if (end != NULL)
			return end - c->in;
		if (c->in_len == CONTROL_LINE_MAX) {
			client_send(c, "{\"error\":\"the request is too long\"}", 35);
			return -1;
		}
		if (looked == 0 && c->in_len > 0)
			deadline = clock_mono_ms() + LINE_MS;
		looked = c->in_len;
		if (wait_for(c->fd, POLLIN, deadline) != 0)
			return -1;
		n = recv(c->fd, c->in + looked, CONTROL_LINE_MAX - looked, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -1;
		if (n > 0)
			c->in_len += (size_t)n;
	}
}

/* Forgets the first `n` bytes. */
static void
client_consume(struct client *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	crypt_wipe(c->in + c->in_len, n);
}

static bool
is_in_group(int fd, gid_t gid, gid_t group)
{
	socklen_t len = 0;
	gid_t *list;
	bool found = gid == group;

	/* With no room it says how much it wants. */
	if (found || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 ||
	    errno != ERANGE || len > GROUPS_MAX * sizeof *list)
		return found;
	list = mem_alloc(len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &len) == 0)
		for (size_t i = 0; i < len / sizeof *list; i++)
			found = found || list[i] == group;
	free(list);
	return found;
}

static void
user_name(uid_t uid, char *out, size_t n)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(uid, &pw, room, sizeof room, &found) == 0 && found != NULL)
		snprintf(out, n, "%s", pw.pw_name);
	else
		snprintf(out, n, "uid %u", (unsigned)uid);
}

/* "root" by sudo says little; the kernel remembers who logged in. -1 where nobody did, or it does not remember; AUDIT_HIDDEN where we are not
 * shown: /proc is hidden from us, or who has asked is gone. */
static long
login_uid(pid_t pid)
{
	char name[64], text[16];
	unsigned uid = (unsigned)-1;
	FILE *f;

	snprintf(name, sizeof name, "/proc/%ld/loginuid", (long)pid);
	f = fopen(name, "re");
	if (f == NULL)
		return access("/proc/self/loginuid", R_OK) == 0 ? AUDIT_HIDDEN : -1;
	if (fgets(text, sizeof text, f) != NULL)
		uid = (unsigned)strtoul(text, NULL, 10);
	fclose(f);
	return uid == (unsigned)-1 ? -1 : (long)uid;
}

/* Who is there, and may they. */
static bool
client_check_peer(struct client *c)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	char login[64] = "-";
	long uid;

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		log_error(NULL, "control-peer", "why=%s", strerror(errno));
		return false;
	}
	user_name(peer.uid, c->name, sizeof c->name);
	uid = login_uid(peer.pid);
	if (uid >= 0)
		user_name((uid_t)uid, login, sizeof login);
	snprintf(c->origin, sizeof c->origin, "control pid=%ld login=%s", (long)peer.pid, login);
	c->who = (struct audit_who){.uid = peer.uid, .login = uid, .name = c->name, .origin = c->origin};
	if (peer.uid == 0 || peer.uid == geteuid() || is_in_group(c->fd, peer.gid, control.group))
		return true;
	log_warning(NULL, "control-refused", "uid=%u name=%s pid=%ld", (unsigned)peer.uid, c->name,
		    (long)peer.pid);
	refusal_note(&(struct refusal){.action = "control.refused", .person = c->name, .uid = c->who.uid, .login = uid, .source = "local",
		.origin = c->origin, .why = "not in the group of the socket"});
	client_send(c, "{\"error\":\"not allowed: you are not in the socket's group\"}", 57);
	return false;
}

static void
client_serve(struct client *c)
{
	ssize_t n;

	c->in = mem_alloc(CONTROL_LINE_MAX); /* pages that are never touched cost nothing */
	while (!c->broken && (n = client_read_line(c)) >= 0) {
		int rc = request_run(&c->request, c->in, (size_t)n);

		client_consume(c, (size_t)n + 1);
		client_flush(c);
		if (rc != 0 || atomic_load(&control.server.stopping))
			break;
	}
	client_flush(c);
	crypt_wipe(c->in, c->in_len);
}

static void
client_free(struct client *c)
{
	access_db_free(c->request.dbs);
	free(c->in);
	buf_fini(&c->out);
	pthread_mutex_lock(&control.lock);
	list_remove(&c->all);
	/* Under the lock, so that control_stop never touches a descriptor that is somebody else's by now. */
	close(c->fd);
	control.n--;
	pthread_cond_signal(&control.gone);
	pthread_mutex_unlock(&control.lock);
	free(c);
}

static void *
client_run(void *arg)
{
	struct client *c = arg;

	if (client_check_peer(c)) {
		c->request.server = &control.server;
		c->request.who = &c->who;
		c->request.dbs = access_db_new(control.conninfo, "chanceryd control");
		c->request.send = client_send;
		c->request.gone = client_gone;
		c->request.send_arg = c;
		client_serve(c);
	} else {
		client_flush(c);
	}
	client_free(c);
	return NULL;
}

/* Takes the descriptor. */
static void
client_start(int fd)
{
	struct client *c = NEW(struct client);
	pthread_attr_t attr;
	pthread_t thread;

	c->fd = fd;
	pthread_mutex_lock(&control.lock);
	list_append(&control.clients, &c->all);
	control.n++;
	pthread_mutex_unlock(&control.lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, client_run, c) != 0) {
		log_error(NULL, "control-thread", "why=%s", "cannot start a thread");
		client_free(c);
	}
	pthread_attr_destroy(&attr);
}

static bool
is_full(void)
{
	struct config *config = config_get();
	unsigned n;

	pthread_mutex_lock(&control.lock);
	n = control.n;
	pthread_mutex_unlock(&control.lock);
	if (config != NULL && n >= config->limits.control_clients) {
		config_unref(config);
		return true;
	}
	config_unref(config);
	return false;
}

static void
accept_one(void)
{
	static const char full[] =
		"{\"error\":\"too many control connections (limits.control_clients)\"}\n";
	int fd = accept4(control.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of descriptors: do not spin. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			usleep(100000);
		return;
	}
	if (!is_full()) {
		client_start(fd);
		return;
	}
	log_warning(NULL, "control-full", "limit=%s", "limits.control_clients");
	if (send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug(NULL, "control-full-unheard", "errno=%d", errno);
	close(fd);
}

static void *
control_run(void *arg)
{
	struct pollfd p[2] = {{.fd = control.fd, .events = POLLIN},
			      {.fd = control.wake, .events = POLLIN}};

	(void)arg;
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents != 0)
			return NULL;
		if (p[0].revents != 0)
			accept_one();
	}
}

/* A socket file that nobody answers was left by a server that did not stop in order. */
static int
remove_stale(const struct sockaddr_un *sa, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (lstat(sa->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "listen.control: %s is there and not a socket",
			       sa->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = connect(fd, (const struct sockaddr *)sa, sizeof *sa);
	if (rc != 0 && errno == ECONNREFUSED) {
		close(fd);
		unlink(sa->sun_path);
		return 0;
	}
	close(fd);
	return err_set(e, EADDRINUSE, "listen.control: %s is in use by another server",
		       sa->sun_path);
}

/* The socket takes connections only once its mode is right. */
static int
listen_at(const char *path, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof sa.sun_path)
		return err_set(
			e, ENAMETOOLONG,
			"listen.control: %s is longer than the %zu bytes a socket's name may have",
			path, sizeof sa.sun_path - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (remove_stale(&sa, e) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, errno, "listen.control: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || chmod(path, 0660) != 0 ||
	    stat(path, &st) != 0 || listen(fd, 16) != 0) {
		err_set(e, errno, "listen.control: %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	control.group = st.st_gid;
	return fd;
}

struct request_server *
control_server(void)
{
	return &control.server;
}

int
control_start(const struct control_settings *s, struct err *e)
{
	control.fd = listen_at(s->path, e);
	if (control.fd < 0)
		return -1;
	request_setup();
	list_init(&control.clients);
	control.path = mem_strdup(s->path);
	control.conninfo = mem_strdup(s->conninfo);
	control.server.reload = s->reload;
	control.server.started_with = config_get();
	control.server.started_us = clock_wall_us();
	atomic_store(&control.server.stopping, false);
	control.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control.running = true;
	if (control.wake < 0 || pthread_create(&control.thread, NULL, control_run, NULL) != 0) {
		control.running = false;
		unlink(control.path);
		close(control.fd);
		return err_set(e, EAGAIN, "listen.control: cannot start a thread");
	}
	return 0;
}

void
control_stop(void)
{
	uint64_t one = 1;

	if (!control.running)
		return;
	control.running = false;
	atomic_store(&control.server.stopping, true);
	unlink(control.path);
	if (write(control.wake, &one, sizeof one) != sizeof one)
		log_error(NULL, "control-stop", "errno=%d", errno);
	pthread_join(control.thread, NULL);
	close(control.fd);
	close(control.wake);
	pthread_mutex_lock(&control.lock);
	LIST_EACH(at, &control.clients)
		shutdown(LIST_ENTRY(at, struct client, all)->fd, SHUT_RDWR);
	while (control.n > 0)
		pthread_cond_wait(&control.gone, &control.lock);
	pthread_mutex_unlock(&control.lock);
	config_unref((struct config *)(uintptr_t)control.server.started_with);
	crypt_wipe(control.conninfo, strlen(control.conninfo));
	free(control.conninfo);
	free(control.path);
}
