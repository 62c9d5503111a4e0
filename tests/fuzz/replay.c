/*
 * replay: runs a fuzz target over the files of its corpus, for builds without libFuzzer.
 *
 * Arguments are files, or folders whose files are taken in the order of their names. The empty
 * input always comes first. A folder that does not exist is an error: a corpus went missing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
replay_bytes(const uint8_t *data, size_t n)
{
	/* Exactly as large as the input, so that a sanitizer sees a read behind it. */
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t n;

	if (!f || fstat(fileno(f), &st)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		if (f)
			fclose(f);
		return -1;
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		abort();
	n = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	replay_bytes(data, n);
	free(data);
	return 0;
}

static int
not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Returns how many files were replayed, or -1. */
static int
replay_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, not_hidden, alphasort);
	int done = 0;
	char *file;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (asprintf(&file, "%s/%s", path, names[i]->d_name) < 0)
			abort();
		done += replay_file(file) == 0;
		free(file);
		free(names[i]);
	}
	free(names);
	return done == n ? n : -1;
}

int
main(int argc, char **argv)
{
	struct stat st;
	int total = 0, bad = 0, n;

	replay_bytes(NULL, 0);
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && !S_ISDIR(st.st_mode))
			n = replay_file(argv[i]) == 0 ? 1 : -1;
		else
			n = replay_folder(argv[i]);
		bad |= n < 0;
		total += n > 0 ? n : 0;
	}
	printf("%d inputs replayed\n", total + 1);
	return bad;
}
