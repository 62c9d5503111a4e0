/*
 * chancery-scan over its socket, as chanceryd has it: answers, faults of its processes, new and broken signatures, its end, its sandbox.
 */
#include "unit/scan/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/scan_wire.h"

#define PATIENCE_MS 20000
#define WAIT_MS 60000 /* for an event; a slow machine with sanitizers needs some of it */

static struct program {
	pid_t pid;
	int sock;
	uint64_t id;
	struct scan_state state; /* the last */
	bool ended;
	unsigned answers;
	struct scan_answer answer; /* the last */
} scan;

/* The program */

static void
start_with(const char *memory)
{
	int pair[2];

	memset(&scan, 0, sizeof(scan));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	scan.pid = fork();
	if (!scan.pid) {
		dup2(pair[1], 3);
		close_range(4, ~0U, 0);
		execl(TEST_BIN "/chancery-scan", "chancery-scan", "--socket", "3", "--signatures", fixture_signatures, "--tmp", fixture_tmp,
			"--workers", "2", "--archive-bytes", "104857600", "--file-bytes", "52428800", "--memory", memory, NULL);
		_exit(127);
	}
	close(pair[1]);
	scan.sock = pair[0];
}

/* The next packet; false after the time or at the end. */
static bool
hear(int ms)
{
	union {
		struct scan_answer answer;
		struct scan_state state;
	} packet;
	struct pollfd p = { .fd = scan.sock, .events = POLLIN };
	long n;
	int fd;

	if (poll(&p, 1, ms) <= 0)
		return false;
	n = scan_wire_receive(scan.sock, &packet, sizeof(packet), &fd);
	assert_int_equal(fd, -1);
	if (n <= 0) {
		scan.ended = true;
		return false;
	}
	if (scan_wire_state_is_right(&packet, (size_t)n)) {
		scan.state = packet.state;
	} else {
		assert_true(scan_wire_answer_is_right(&packet, (size_t)n));
		scan.answer = packet.answer;
		scan.answers++;
	}
	return true;
}

#define UNTIL(condition) \
	do { \
		int64_t until_ = clock_mono_ms() + WAIT_MS; \
		while (!(condition)) { \
			if (clock_mono_ms() > until_) \
				fail_msg("not in %d s: %s", WAIT_MS / 1000, #condition); \
			hear(20); \
		} \
	} while (0)

static void
start(void)
{
	start_with("4294967296");
	UNTIL(scan.state.generation);
}

static uint64_t
ask(const void *data, size_t n, uint32_t patience_ms)
{
	struct scan_request q = { .kind = SCAN_REQUEST, .version = SCAN_WIRE_VERSION, .id = ++scan.id, .size = n, .patience_ms = patience_ms };
	int fd = fixture_file(data, n);

	assert_int_equal(scan_wire_send(scan.sock, &q, sizeof(q), fd), 0);
	close(fd);
	return scan.id;
}

static const struct scan_answer *
verdict_of(const void *data, size_t n, uint32_t patience_ms)
{
	unsigned before = scan.answers;
	uint64_t id = ask(data, n, patience_ms);

	UNTIL(scan.answers > before || scan.ended);
	assert_int_equal(scan.answers, before + 1);
	assert_int_equal(scan.answer.id, id);
	return &scan.answer;
}

static void
expect(const char *text, enum scan_verdict verdict)
{
	const struct scan_answer *a = verdict_of(text, strlen(text), PATIENCE_MS);

	if (a->verdict != verdict)
		fail_msg("verdict %u: %s", a->verdict, a->text);
}

static bool
folder_is_empty(const char *path)
{
	DIR *dp = opendir(path);
	bool empty = true;
	struct dirent *d;

	while ((d = readdir(dp)))
		empty = empty && d->d_name[0] == '.';
	closedir(dp);
	return empty;
}

/* Is there a folder of this nursery, or of a worker of it? */
static bool
has_folders_of(unsigned number)
{
	DIR *dp = opendir(fixture_tmp);
	char own[32], workers[32];
	bool has = false;
	struct dirent *d;

	snprintf(own, sizeof(own), "nursery-%u", number);
	snprintf(workers, sizeof(workers), "worker-%u-", number);
	while ((d = readdir(dp)))
		has = has || strcmp(d->d_name, own) == 0 || strncmp(d->d_name, workers, strlen(workers)) == 0;
	closedir(dp);
	return has;
}

/* Children of a process, by /proc; returns how many, two of them in `pids`. */
static unsigned
children(pid_t parent, pid_t pids[2])
{
	DIR *dp = opendir("/proc");
	unsigned n = 0;
	struct dirent *d;

	while ((d = readdir(dp))) {
		char path[300], state;
		int pid, ppid = -1;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", d->d_name);
		f = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%d (%*[^)]) %c %d", &pid, &state, &ppid) == 3 && ppid == parent && state != 'Z') {
			pids[n < 2 ? n : 1] = pid;
			n++;
		}
		fclose(f);
	}
	closedir(dp);
	return n;
}

static pid_t
nursery(void)
{
	pid_t pids[2];

	UNTIL(children(scan.pid, pids) == 1);
	return pids[0];
}

/* Both, and the master knows of them. */
static void
workers(pid_t pids[2])
{
	pid_t mother = nursery();

	UNTIL(children(mother, pids) == 2);
}

static void
signal_workers(int sig)
{
	pid_t pids[2];

	workers(pids);
	kill(pids[0], sig);
	kill(pids[1], sig);
}

/* Closes; the program and all below it end in order, and leave nothing. */
static void
stop(void)
{
	pid_t mother = nursery(), any[2];
	int status = 0;

	close(scan.sock);
	assert_int_equal(waitpid(scan.pid, &status, 0), scan.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(children(mother, any), 0);
	assert_int_equal(kill(mother, 0), -1);
	assert_true(folder_is_empty(fixture_tmp));
}

static int
setup(void **state)
{
	(void)state;
	fixture_make();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_remove();
	return 0;
}

/* Answers */

static void
answers(void **state)
{
	const struct scan_answer *a;

	(void)state;
	start();
	assert_int_equal(scan.state.generation, 1);
	assert_int_equal(scan.state.signatures, 2);
	assert_true(scan.state.newest_s > 1600000000 && scan.state.newest_s <= clock_wall_us() / 1000000 + 1);
	assert_string_equal(scan.state.trouble, "");
	assert_true(scan.state.engine[0]);
	a = verdict_of(fixture_eicar(), strlen(fixture_eicar()), PATIENCE_MS);
	assert_int_equal(a->verdict, SCAN_INFECTED);
	assert_non_null(strstr(a->text, "Eicar-Test-Signature"));
	assert_string_equal(a->type, "text/plain");
	assert_int_equal(a->signatures, 1);
	expect("But, soft! what light through yonder window breaks?", SCAN_CLEAN);
	expect("", SCAN_CLEAN);
	UNTIL(scan.state.workers == 2);
	stop();
}

/* Each of many gets its own answer, once. */
static void
many(void **state)
{
	enum { N = 200 };
	bool infected[N + 1] = { false }, seen[N + 1] = { false };
	unsigned taken = 0;

	(void)state;
	start();
	for (int i = 1; i <= N; i++) {
		const char *text = i % 7 ? "harmless" : fixture_eicar();
		uint64_t id = ask(text, strlen(text), PATIENCE_MS);

		infected[id] = i % 7 == 0;
		/* What has been answered meanwhile is read: neither end may stop the other. */
		while (scan.answers > taken || hear(0)) {
			if (scan.answers > taken) {
				assert_false(seen[scan.answer.id]);
				seen[scan.answer.id] = true;
				assert_int_equal(scan.answer.verdict, infected[scan.answer.id] ? SCAN_INFECTED : SCAN_CLEAN);
				taken++;
			}
		}
	}
	while (taken < N) {
		UNTIL(scan.answers > taken);
		assert_false(seen[scan.answer.id]);
		seen[scan.answer.id] = true;
		assert_int_equal(scan.answer.verdict, infected[scan.answer.id] ? SCAN_INFECTED : SCAN_CLEAN);
		taken++;
	}
	stop();
}

/* Faults */

static void
worker_killed(void **state)
{
	size_t n = 40 << 20;
	char *large = calloc(1, n);
	unsigned before;
	pid_t pids[2];
	uint64_t id;

	(void)state;
	start();
	for (size_t i = 0; i < n; i += 8)
		memcpy(large + i, &(uint64_t){ i * 0x9e3779b97f4a7c15 }, 8);
	workers(pids);
	before = scan.answers;
	id = ask(large, n, PATIENCE_MS);
	/* Whichever has it: both end. */
	signal_workers(SIGKILL);
	UNTIL(scan.answers > before);
	assert_int_equal(scan.answer.id, id);
	/* It may have been quicker. */
	assert_true(scan.answer.verdict == SCAN_ERROR || scan.answer.verdict == SCAN_CLEAN);
	free(large);
	UNTIL(scan.state.lost >= 2);
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

/* All of them stopped: what they have is given up when its time is over, and others look at what comes next. */
static void
workers_stopped(void **state)
{
	const struct scan_answer *a;

	(void)state;
	start();
	signal_workers(SIGSTOP);
	/* Each costs the file that it was given. */
	for (int i = 0; i < 2; i++) {
		a = verdict_of("stopped", 7, 300);
		assert_int_equal(a->verdict, SCAN_ERROR);
		assert_string_equal(a->text, "out of time");
	}
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

/* Workers that may not use all processors that we may. */
static unsigned
confined(const pid_t pids[2])
{
	cpu_set_t all, its;
	unsigned n = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int i = 0; i < 2; i++)
		if (sched_getaffinity(pids[i], sizeof(its), &its) == 0 && CPU_COUNT(&its) < CPU_COUNT(&all))
			n++;
	return n;
}

static void
long_leaves_room(void **state)
{
	const size_t n = 48 << 20;
	char *large = malloc(n);
	unsigned before;
	pid_t pids[2];
	cpu_set_t all;

	(void)state;
	if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < 2) {
		print_message("one processor\n");
		skip();
	}
	for (size_t i = 0; i < n; i++)
		large[i] = (char)(i * 2654435761U >> 13);
	start();
	workers(pids);
	expect("short", SCAN_CLEAN);
	assert_int_equal(confined(pids), 0);
	before = scan.answers;
	ask(large, n, WAIT_MS);
	free(large);
	UNTIL(confined(pids) == 1);
	UNTIL(scan.answers > before);
	assert_int_equal(scan.answer.verdict, SCAN_CLEAN);
	assert_int_equal(confined(pids), 0);
	stop();
}

static void
nursery_killed(void **state)
{
	pid_t pids[2];

	(void)state;
	start();
	workers(pids);
	kill(nursery(), SIGKILL);
	UNTIL(scan.state.generation == 2);
	expect(fixture_eicar(), SCAN_INFECTED);
	/* What the dead left behind is swept away. */
	UNTIL(!has_folders_of(1));
	UNTIL(has_folders_of(2));
	stop();
}

static void
master_killed(void **state)
{
	pid_t mother, any[2];

	(void)state;
	start();
	workers(any);
	mother = nursery();
	kill(scan.pid, SIGKILL);
	assert_int_equal(waitpid(scan.pid, NULL, 0), scan.pid);
	UNTIL(children(mother, any) == 0);
	UNTIL(kill(mother, 0) == -1);
	close(scan.sock);
	/* And the next is not disturbed by what is left. */
	start();
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

/* In the name of an idle worker: takes its socket (with the rights of a debugger) and speaks. False: we may not. */
static bool
speak_as(pid_t pid, const void *packet, size_t n)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool spoke = false;

	for (int i = 3; i < 64 && !spoke; i++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0), type = 0;
		socklen_t size = sizeof(type);

		if (fd < 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
			spoke = scan_wire_send(fd, packet, n, -1) == 0;
		close(fd);
	}
	close(pidfd);
	return spoke;
}

/* A worker that says what it was not asked is ended, and believed in nothing. */
static void
worker_lies(void **state)
{
	struct scan_answer lie = { .kind = SCAN_ANSWER, .version = SCAN_WIRE_VERSION, .id = 1, .verdict = SCAN_CLEAN, .signatures = 1 };
	unsigned before;
	pid_t pids[2];

	(void)state;
	start();
	workers(pids);
	before = scan.answers;
	if (!speak_as(pids[0], &lie, sizeof(lie))) {
		stop();
		print_message("no right to take a descriptor of another process\n");
		skip();
	}
	UNTIL(scan.state.lost == 1);
	assert_true(speak_as(pids[1], "garbage", 7));
	UNTIL(scan.state.lost == 2);
	assert_int_equal(scan.answers, before);
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

/* A file that is not as long as it was said to be; what is no regular file. */
static void
wrong_files(void **state)
{
	struct scan_request q = { .kind = SCAN_REQUEST, .version = SCAN_WIRE_VERSION, .patience_ms = PATIENCE_MS };
	int pipes[2];

	(void)state;
	start();
	for (int i = 0; i < 2; i++) {
		unsigned before = scan.answers;
		int fd = fixture_file("four", 4);

		assert_int_equal(pipe(pipes), 0);
		q.id = ++scan.id;
		q.size = 5;
		assert_int_equal(scan_wire_send(scan.sock, &q, sizeof(q), i ? pipes[0] : fd), 0);
		UNTIL(scan.answers > before);
		assert_int_equal(scan.answer.verdict, SCAN_ERROR);
		close(fd);
		close(pipes[0]);
		close(pipes[1]);
	}
	stop();
}

/* Another build of chanceryd: nothing to talk about. */
static void
nonsense_asked(void **state)
{
	int status;

	(void)state;
	start();
	assert_int_equal(scan_wire_send(scan.sock, "nonsense", 8, -1), 0);
	UNTIL(scan.ended);
	assert_int_equal(waitpid(scan.pid, &status, 0), scan.pid);
	close(scan.sock);
	assert_true(folder_is_empty(fixture_tmp));
}

/* Signatures */

static void
no_signatures(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/eicar.ndb", fixture_signatures);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/test.hdb", fixture_signatures);
	assert_int_equal(unlink(path), 0);
	start_with("4294967296");
	UNTIL(strstr(scan.state.trouble, "no signatures"));
	assert_int_equal(scan.state.generation, 0);
	expect("harmless", SCAN_ERROR);
	/* Their coming is noticed. */
	fixture_sign("eicar.ndb", "Eicar-Test-Signature", fixture_eicar());
	UNTIL(scan.state.generation);
	assert_string_equal(scan.state.trouble, "");
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

static void
new_signatures(void **state)
{
	static const char poison[] = "Here's to my love! O true apothecary, thy drugs are quick.";
	uint64_t set;

	(void)state;
	start();
	expect(poison, SCAN_CLEAN);
	fixture_sign("poison.ndb", "Mantua.Poison", poison);
	/* Meanwhile files are looked at. */
	while (scan.state.generation == 1)
		expect(fixture_eicar(), SCAN_INFECTED);
	assert_int_equal(scan.state.generation, 2);
	assert_int_equal(scan.state.signatures, 3);
	expect(poison, SCAN_INFECTED);
	assert_int_equal(scan.answer.signatures, 2);
	/* An exchanged file with as many signatures is another set. */
	set = scan.state.set;
	assert_true(set && set <= INT64_MAX);
	fixture_sign("poison.ndb", "Mantua.Poison", "Thus with a kiss I die.");
	UNTIL(scan.state.generation == 3);
	assert_int_equal(scan.state.signatures, 3);
	assert_true(scan.state.set && scan.state.set != set);
	expect(poison, SCAN_CLEAN);
	/* The old ones are gone. */
	(void)nursery();
	stop();
}

static void
broken_signatures(void **state)
{
	char path[128];

	(void)state;
	start();
	snprintf(path, sizeof(path), "%s/broken.ndb", fixture_signatures);
	fixture_write(path, "this:is:no:signature\n", 21);
	UNTIL(scan.state.trouble[0]);
	assert_int_equal(scan.state.generation, 1);
	expect(fixture_eicar(), SCAN_INFECTED);
	expect("harmless", SCAN_CLEAN);
	assert_int_equal(unlink(path), 0);
	UNTIL(!scan.state.trouble[0]);
	assert_int_equal(scan.state.generation, 2);
	expect(fixture_eicar(), SCAN_INFECTED);
	stop();
}

/* The sandbox */

static void
sandbox(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2], status = 0;
	char option[160], out[4096] = "";
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	(void)state;
	/* In the place of the database. */
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/database", fixture_dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 5), 0);
	snprintf(option, sizeof(option), "--self-test=%s", a.sun_path);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		dup2(pipes[1], 1);
		close_range(3, ~0U, 0);
		execl(TEST_BIN "/chancery-scan", "chancery-scan", option, "--signatures", fixture_signatures, "--tmp", fixture_tmp, NULL);
		_exit(127);
	}
	close(pipes[1]);
	while (n < sizeof(out) - 1 && (got = read(pipes[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s", out);
	assert_non_null(strstr(out, "connect to the internet: closed by seccomp"));
	assert_non_null(strstr(out, "connect to the database: closed by seccomp"));
	assert_non_null(strstr(out, "read /etc/passwd: closed"));
	assert_non_null(strstr(out, "execute a program: closed by seccomp"));
	assert_non_null(strstr(out, "fork: closed by seccomp"));
	assert_null(strstr(out, "OPEN"));
	assert_null(strstr(out, "broken"));
	close(listener);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(answers), TEST(many), TEST(worker_killed), TEST(workers_stopped), TEST(long_leaves_room), TEST(nursery_killed),
		TEST(master_killed), TEST(worker_lies), TEST(wrong_files), TEST(nonsense_asked), TEST(no_signatures), TEST(new_signatures),
		TEST(broken_signatures), TEST(sandbox) };

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
