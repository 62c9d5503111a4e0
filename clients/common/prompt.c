/*
 * prompt: reads passwords from the terminal or a file.
 */
#include "common/prompt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypt.h"

int
prompt_first_line(FILE *f, char *out, size_t size, struct err *e)
{
	size_t n = 0;
	int ch;

	while ((ch = getc(f)) != EOF && ch != '\n') {
		if (ch == '\0' || n + 1 == size) {
			crypt_wipe(out, size);
			return err_set(e, 0,
				       ch == '\0' ? "the password holds a NUL byte" :
						    "the password is too long");
		}
		out[n++] = (char)ch;
	}
	if (ferror(f)) {
		crypt_wipe(out, size);
		return err_set(e, errno, "cannot read the password: %s", strerror(errno));
	}
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n > 0 ? 0 : err_set(e, 0, "no password was given");
}

static void
do_nothing(int sig)
{
	(void)sig;
}

/* An interrupt ends the reading, not the program: it must not leave the terminal silent. */
static int
ask(FILE *tty, const char *question, char *out, size_t size, struct err *e)
{
	const struct sigaction wake = {.sa_handler = do_nothing}; /* no SA_RESTART */
	struct sigaction on_int, on_term;
	struct termios before, silent;
	int rc;

	if (tcgetattr(fileno(tty), &before) != 0)
		return err_set(e, errno, "the terminal: %s", strerror(errno));
	fprintf(tty, "%s: ", question);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	sigaction(SIGINT, &wake, &on_int);
	sigaction(SIGTERM, &wake, &on_term);
	tcsetattr(fileno(tty), TCSAFLUSH, &silent);
	rc = prompt_first_line(tty, out, size, e);
	tcsetattr(fileno(tty), TCSAFLUSH, &before);
	sigaction(SIGINT, &on_int, NULL);
	sigaction(SIGTERM, &on_term, NULL);
	fputc('\n', tty);
	return rc;
}

int
prompt_password(const char *question, int again, char *out, size_t size, struct err *e)
{
	FILE *tty = fopen("/dev/tty", "r+e");
	char second[1024];
	int rc;

	if (tty == NULL)
		return err_set(e, errno,
			       "no terminal to ask for the password; use --password-stdin");
	setvbuf(tty, NULL, _IONBF, 0);
	rc = ask(tty, question, out, size, e);
	if (rc == 0 && again) {
		rc = ask(tty, "The same again", second, sizeof second, e);
		if (rc == 0 && strcmp(out, second) != 0)
			rc = err_set(e, 0, "the two passwords differ");
		crypt_wipe(second, sizeof second);
	}
	fclose(tty);
	if (rc != 0)
		crypt_wipe(out, size);
	return rc;
}
