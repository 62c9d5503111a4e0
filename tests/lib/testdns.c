/*
 * testdns: a real name server for tests.
 */
#include "lib/testdns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES 200

struct testdns {
	char dir[64], server[32], anchors[96];
	unsigned short port;
	pid_t pid;
};

static void __attribute__((noreturn))
give_up(const char *what)
{
	fprintf(stderr, "testdns: %s\n", what);
	exit(1);
}

bool
testdns_available(void)
{
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return !system("command -v nsd dnssec-keygen dnssec-signzone >/dev/null");
}

static FILE *
open_file(const struct testdns *d, const char *name, const char *how)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	if (!(f = fopen(path, how)))
		give_up(path);
	return f;
}

static void
run(const struct testdns *d, const char *zone, const char *format)
{
	char command[512];
	size_t n = (size_t)snprintf(command, sizeof(command), "cd %s && ", d->dir);

	for (const char *p = format; *p && n + 80 < sizeof(command); p++)
		if (*p == '@')
			n += (size_t)snprintf(command + n, sizeof(command) - n, "%s", zone);
		else
			command[n++] = *p;
	command[n] = '\0';
	if (system(command))
		give_up(command);
}

static char *
read_all(const struct testdns *d, const char *name)
{
	FILE *f = open_file(d, name, "re");
	size_t len = 0, room = 1 << 20;
	char *text = malloc(room);

	if (!text)
		give_up("no memory");
	len = fread(text, 1, room - 1, f);
	text[len] = '\0';
	fclose(f);
	return text;
}

static void
spoil(const struct testdns *d, const struct testdns_zone *z, const char *from, const char *to)
{
	char name[128], *text, *at, *found;
	FILE *f;

	snprintf(name, sizeof(name), "%s.zone.signed", z->name);
	text = read_all(d, name);
	f = open_file(d, name, "we");
	for (at = text; (found = strstr(at, from)); at = found + strlen(from)) {
		fwrite(at, 1, (size_t)(found - at), f);
		fputs(to, f);
	}
	if (at == text)
		give_up("nothing to spoil");
	fputs(at, f);
	fclose(f);
	free(text);
}

static void
write_zone(const struct testdns *d, const struct testdns_zone *z)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s.zone", z->name);
	f = open_file(d, name, "we");
	fprintf(f, "$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n%s", z->name, z->records);
	fclose(f);
	if (!z->is_signed)
		return;
	run(d, z->name, "dnssec-keygen -q -a ECDSAP256SHA256 -f KSK @ >/dev/null 2>&1");
	/* One key for all; from an hour ago. */
	run(d, z->name, "dnssec-signzone -z -S -o @ -f @.zone.signed @.zone >/dev/null 2>&1 && cat dsset-@. >> anchors");
	for (size_t i = 0; z->spoil && z->spoil[i][0]; i++)
		spoil(d, z, z->spoil[i][0], z->spoil[i][1]);
}

static void
pick_port(struct testdns *d)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
		give_up("no port");
	close(fd);
	d->port = ntohs(at.sin_port);
	snprintf(d->server, sizeof(d->server), "127.0.0.1@%u", d->port);
}

static void
write_config(const struct testdns *d, const struct testdns_zone *zones, size_t n)
{
	FILE *f = open_file(d, "nsd.conf", "we");

	fprintf(f, "server:\n ip-address: %s\n username: \"\"\n chroot: \"\"\n zonesdir: \"%s\"\n database: \"\"\n", d->server, d->dir);
	fprintf(f, " pidfile: \"%s/pid\"\n xfrdfile: \"%s/xfrd\"\n zonelistfile: \"%s/list\"\n logfile: \"%s/log\"\n", d->dir, d->dir,
		d->dir, d->dir);
	fprintf(f, " server-count: 1\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "zone:\n name: \"%s\"\n zonefile: \"%s.zone%s\"\n", zones[i].name, zones[i].name,
			zones[i].is_signed ? ".signed" : "");
	fclose(f);
}

/* A question of the root's SOA: whatever the answer is. */
static bool
answers(const struct testdns *d)
{
	static const unsigned char question[] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(d->port)};
	struct timeval soon = {.tv_usec = 50000};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned char back[512];
	bool got;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	got = !connect(fd, (struct sockaddr *)&at, sizeof(at)) && send(fd, question, sizeof(question), 0) > 0 &&
		recv(fd, back, sizeof(back), 0) > 0;
	close(fd);
	if (!got)
		usleep(10000);
	return got;
}

struct testdns *
testdns_start(const struct testdns_zone *zones, size_t n)
{
	struct testdns *d = calloc(1, sizeof(*d));
	char config[128];

	if (!d)
		give_up("no memory");
	strcpy(d->dir, "/tmp/testdns-XXXXXX");
	if (!mkdtemp(d->dir))
		give_up("no folder");
	snprintf(d->anchors, sizeof(d->anchors), "%s/anchors", d->dir);
	for (size_t i = 0; i < n; i++)
		write_zone(d, &zones[i]);
	pick_port(d);
	write_config(d, zones, n);
	snprintf(config, sizeof(config), "%s/nsd.conf", d->dir);
	if (!(d->pid = fork())) {
		/* It must not outlive a test that dies, nor hold its output. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 1) < 0 || dup2(1, 2) < 0)
			_exit(127);
		execlp("nsd", "nsd", "-d", "-c", config, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < TRIES; i++)
		if (answers(d))
			return d;
	give_up("nsd does not answer");
}

void
testdns_stop(struct testdns *d)
{
	char command[128];

	kill(d->pid, SIGTERM);
	waitpid(d->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf %s", d->dir);
	if (system(command))
		fprintf(stderr, "testdns: %s stays\n", d->dir);
	free(d);
}

const char *
testdns_server(const struct testdns *d)
{
	return d->server;
}

const char *
testdns_anchors(const struct testdns *d)
{
	return d->anchors;
}

const char *
testdns_dir(const struct testdns *d)
{
	return d->dir;
}
