#include "lib/pg.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/version.h"

#define CHILDREN_MAX 256
#define START_SECONDS 60

struct pg {
	char dir[64], data[80];
	bool mounted;
	pid_t pid;         /* postmaster; 0 when it does not run */
	struct passwd *as; /* NULL: ourselves */
	char *conninfo[4];
	PGconn *super;
	struct pg *next;
};

static struct pg *all;

static void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("pg: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(99);
}

static void
nap(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

/* Debian keeps the server's programs out of the path. */
static const char *
program(const char *name)
{
	static char path[160];
	static const char *const folder[] = {"/usr/lib/postgresql/17/bin",
					     "/usr/lib/postgresql/16/bin",
					     "/usr/lib/postgresql/15/bin",
					     "/usr/local/pgsql/bin",
					     "/usr/local/bin",
					     "/usr/bin"};

	for (size_t i = 0; i < sizeof(folder) / sizeof(folder[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	die("%s not found: install PostgreSQL", name);
	return NULL;
}

/* In the child: another user's rights, and death with the parent (the order matters: a change of
 * identity clears it). */
static void
become(const struct pg *pg, int death)
{
	if (pg->as && (initgroups(pg->as->pw_name, pg->as->pw_gid) || setgid(pg->as->pw_gid) ||
		       setuid(pg->as->pw_uid)))
		_exit(98);
	prctl(PR_SET_PDEATHSIG, death);
	if (chdir(pg->dir) != 0)
		_exit(98);
}

static pid_t
spawn(struct pg *pg, const char *log, const char *const *argv)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		become(pg, SIGQUIT);
		if (!freopen(log, "a", stdout) || dup2(1, 2) < 0)
			_exit(98);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		execv(argv[0], (char *const *)argv);
		_exit(97);
	}
	return pid;
}

static void
make_cluster(struct pg *pg)
{
	const char *const argv[] = {program("initdb"),
				    "-D",
				    pg->data,
				    "-U",
				    "postgres",
				    "-A",
				    "trust",
				    "-E",
				    "UTF8",
				    "--locale=C.UTF-8",
				    "--no-sync",
				    "-N",
				    NULL};
	char log[96];
	int status;

	snprintf(log, sizeof(log), "%s/initdb.log", pg->dir);
	if (waitpid(spawn(pg, log, argv), &status, 0) < 0 || status != 0)
		die("initdb failed: see %s", log);
}

static void
write_settings(const struct pg *pg, const char *settings)
{
	char path[120];
	FILE *f;

	snprintf(path, sizeof(path), "%s/postgresql.conf", pg->data);
	f = fopen(path, "a");
	if (!f)
		die("%s: %s", path, strerror(errno));
	fprintf(f,
		"\nlisten_addresses = ''\nunix_socket_directories = '%s'\nlog_min_messages = warning\n"
		"max_connections = 60\nshared_buffers = 64MB\nlog_line_prefix = '%%m [%%p] '\n%s\n",
		pg->dir, settings ? settings : "");
	fclose(f);
}

const char *
pg_conninfo(struct pg *pg, const char *role)
{
	static const char *const name[] = {"postgres", "chancery_owner", "chancery_server", NULL};
	int i = 0;

	while (name[i] && strcmp(name[i], role) != 0)
		i++;
	if (!pg->conninfo[i] || i == 3) {
		free(pg->conninfo[i]);
		if (asprintf(&pg->conninfo[i], "host=%s user=%s dbname=chancery", pg->dir, role) <
		    0)
			die("out of memory");
	}
	return pg->conninfo[i];
}

static PGconn *
super(struct pg *pg)
{
	if (!pg->super)
		pg->super = PQconnectdb(pg_conninfo(pg, "postgres"));
	return pg->super;
}

static void
drop_super(struct pg *pg)
{
	if (pg->super)
		PQfinish(pg->super);
	pg->super = NULL;
}

static bool
answers(const struct pg *pg)
{
	char conninfo[160];
	PGconn *c;
	bool ok;

	snprintf(conninfo, sizeof(conninfo), "host=%s user=postgres dbname=postgres", pg->dir);
	c = PQconnectdb(conninfo);
	ok = PQstatus(c) == CONNECTION_OK;
	PQfinish(c);
	return ok;
}

void
pg_start(struct pg *pg, bool wait)
{
	const char *const argv[] = {program("postgres"), "-D", pg->data, NULL};
	char log[96];

	snprintf(log, sizeof(log), "%s/postgres.log", pg->dir);
	pg->pid = spawn(pg, log, argv);
	for (int i = 0; wait && !answers(pg); i++) {
		/* Just after a kill the old shared memory may still be in use: try again. */
		if (waitpid(pg->pid, NULL, WNOHANG) == pg->pid)
			pg->pid = spawn(pg, log, argv);
		if (i > START_SECONDS * 20)
			die("PostgreSQL does not start: see %s", log);
		nap(50);
	}
}

void
pg_revive(struct pg *pg)
{
	drop_super(pg);
	for (int i = 0; !answers(pg); i++) {
		if (waitpid(pg->pid, NULL, WNOHANG) == pg->pid)
			pg_start(pg, false);
		if (i > START_SECONDS * 20)
			die("PostgreSQL does not come back");
		nap(50);
	}
}

static void
make_database(const struct pg *pg)
{
	char conninfo[160];
	PGconn *c;
	PGresult *r;

	snprintf(conninfo, sizeof(conninfo), "host=%s user=postgres dbname=postgres", pg->dir);
	c = PQconnectdb(conninfo);
	r = PQexec(c, "CREATE DATABASE chancery");
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die("%s", PQresultErrorMessage(r));
	PQclear(r);
	PQfinish(c);
}

static void
stop_all(void)
{
	while (all)
		pg_free(all);
}

static struct pg *
make(unsigned mbytes, const char *settings, bool migrate)
{
	struct pg *pg = calloc(1, sizeof(*pg));
	unsigned applied;
	struct err e;

	if (!pg)
		die("out of memory");
	snprintf(pg->dir, sizeof(pg->dir), "/tmp/chancery-pg-XXXXXX");
	if (!mkdtemp(pg->dir))
		die("%s: %s", pg->dir, strerror(errno));
	snprintf(pg->data, sizeof(pg->data), "%s/data", pg->dir);
	if (mkdir(pg->data, 0700) != 0)
		die("%s: %s", pg->data, strerror(errno));
	if (mbytes) {
		char options[40];

		snprintf(options, sizeof(options), "size=%um,mode=0700", mbytes);
		if (mount("tmpfs", pg->data, "tmpfs", 0, options) != 0) {
			rmdir(pg->data);
			rmdir(pg->dir);
			free(pg);
			return NULL;
		}
		pg->mounted = true;
	}
	if (geteuid() == 0) {
		pg->as = getpwnam("postgres");
		if (!pg->as || chown(pg->dir, pg->as->pw_uid, pg->as->pw_gid) != 0 ||
		    chown(pg->data, pg->as->pw_uid, pg->as->pw_gid) != 0)
			die("cannot give %s to the user postgres", pg->dir);
	}
	if (!all)
		atexit(stop_all);
	pg->next = all;
	all = pg;
	make_cluster(pg);
	write_settings(pg, settings);
	pg_start(pg, true);
	make_database(pg);
	pg_exec(pg, schema_roles.text);
	if (migrate && version_migrate(pg_conninfo(pg, "chancery_owner"), &applied, &e) != 0)
		die("%s", e.text);
	return pg;
}

struct pg *
pg_new(const char *settings, bool migrate)
{
	return make(0, settings, migrate);
}

struct pg *
pg_new_small(unsigned mbytes, const char *settings)
{
	return make(mbytes, settings, true);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
pg_free(struct pg *pg)
{
	struct pg **p = &all;

	while (*p && *p != pg)
		p = &(*p)->next;
	if (*p)
		*p = pg->next;
	if (pg->pid)
		pg_kill(pg);
	if (pg->mounted)
		umount2(pg->data, MNT_DETACH);
	nftw(pg->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (int i = 0; i < 4; i++)
		free(pg->conninfo[i]);
	free(pg);
}

const char *
pg_dir(const struct pg *pg)
{
	return pg->dir;
}

const char *
pg_data(const struct pg *pg)
{
	return pg->data;
}

int
pg_pid(const struct pg *pg)
{
	return pg->pid;
}

static pid_t
parent_of(pid_t pid)
{
	char path[40], line[512];
	const char *p;
	FILE *f;
	int ppid = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	/* The name in parentheses may hold anything. */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) &&
	    sscanf(p + 1, " %*c %d", &ppid) != 1)
		ppid = 0;
	fclose(f);
	return ppid;
}

/* Each backend is a session of its own, so a process group does not reach them. */
static size_t
children(const struct pg *pg, pid_t *out)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d)) && n < CHILDREN_MAX) {
		pid_t pid = atoi(de->d_name);

		if (pid > 0 && parent_of(pid) == pg->pid)
			out[n++] = pid;
	}
	if (d)
		closedir(d);
	return n;
}

static void
signal_all(struct pg *pg, int sig)
{
	pid_t child[CHILDREN_MAX];
	size_t n;

	/* The postmaster first, so that it makes no more. */
	if (sig != SIGCONT)
		kill(pg->pid, SIGSTOP);
	n = children(pg, child);
	for (size_t i = 0; i < n; i++)
		kill(child[i], sig);
	kill(pg->pid, sig);
}

void
pg_freeze(struct pg *pg)
{
	signal_all(pg, SIGSTOP);
}

void
pg_thaw(struct pg *pg)
{
	signal_all(pg, SIGCONT);
}

void
pg_kill(struct pg *pg)
{
	drop_super(pg);
	signal_all(pg, SIGKILL);
	waitpid(pg->pid, NULL, 0);
	pg->pid = 0;
}

void
pg_restart(struct pg *pg)
{
	drop_super(pg);
	if (pg->pid) {
		kill(pg->pid, SIGQUIT);
		waitpid(pg->pid, NULL, 0);
	}
	pg_start(pg, true);
}

void
pg_exec(struct pg *pg, const char *sql)
{
	PGresult *r = PQexec(super(pg), sql);
	ExecStatusType st = PQresultStatus(r);

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK)
		die("%s: %s", PQresultErrorMessage(r), sql);
	PQclear(r);
}

const char *
pg_value(struct pg *pg, const char *sql)
{
	static char value[8192];
	PGresult *r = PQexec(super(pg), sql);

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die("%s: %s", PQresultErrorMessage(r), sql);
	snprintf(value, sizeof(value), "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return value;
}

long
pg_number(struct pg *pg, const char *sql)
{
	return strtol(pg_value(pg, sql), NULL, 10);
}

const char *
pg_try(struct pg *pg, const char *role, const char *sql)
{
	static char state[6];
	PGconn *c = PQconnectdb(pg_conninfo(pg, role));
	PGresult *r = PQexec(c, sql);
	ExecStatusType st = PQresultStatus(r);
	const char *s = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (PQstatus(c) != CONNECTION_OK)
		die("as %s: %s", role, PQerrorMessage(c));
	snprintf(state, sizeof(state), "%s",
		 st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK ? "" :
		 s                                               ? s :
								   "?");
	PQclear(r);
	PQfinish(c);
	return state;
}
