/*
 * scan_wire: packets between chanceryd and chancery-scan, and inside chancery-scan. See scan_wire.h.
 */
#include "base/scan_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.h"

/* Room for more than may come, so that the surplus is seen and closed instead of being cut off by the kernel. */
#define FDS_MAX 4

int
scan_wire_send(int sock, const void *packet, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t sent;

	if (fd != -1) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		sent = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n ? 0 : -1;
}

/* All descriptors of the packet; returns how many. */
static size_t
descriptors(struct msghdr *m, int fds[FDS_MAX])
{
	size_t n = 0, here;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && n < FDS_MAX; i++)
			memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

long
scan_wire_receive(int sock, void *packet, size_t max, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = packet, .iov_len = max };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	int fds[FDS_MAX];
	size_t nfds;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	nfds = descriptors(&m, fds);
	if (nfds > 1 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		errno = EBADMSG;
		return -1;
	}
	if (nfds)
		*fd = fds[0];
	return n;
}

/* Terminated within `size`, UTF-8, without control characters. */
static bool
text_is_right(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	if (n == size || !text_is_utf8(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

bool
scan_wire_answer_is_right(const void *packet, size_t n)
{
	struct scan_answer a;

	if (n != sizeof(a))
		return false;
	memcpy(&a, packet, sizeof(a));
	if (a.kind != SCAN_ANSWER || a.version != SCAN_WIRE_VERSION || a.verdict < SCAN_CLEAN || a.verdict > SCAN_ERROR)
		return false;
	if (a.why > SCAN_WHY_DAMAGED || (a.why != SCAN_WHY_NONE) != (a.verdict == SCAN_UNSCANNABLE))
		return false;
	/* What was found, or why, has a name; nothing is clean by signatures that do not exist. */
	if ((a.verdict != SCAN_CLEAN && !a.text[0]) || (a.verdict != SCAN_ERROR && !a.signatures))
		return false;
	return text_is_right(a.text, sizeof(a.text)) && text_is_right(a.type, sizeof(a.type));
}

bool
scan_wire_state_is_right(const void *packet, size_t n)
{
	struct scan_state s;

	if (n != sizeof(s))
		return false;
	memcpy(&s, packet, sizeof(s));
	return s.kind == SCAN_STATE && s.version == SCAN_WIRE_VERSION && s.newest_s >= 0 && s.newest_s <= SCAN_TIME_MAX && text_is_right(s.engine, sizeof(s.engine)) &&
		text_is_right(s.trouble, sizeof(s.trouble));
}
