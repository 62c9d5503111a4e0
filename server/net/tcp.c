/*
 * tcp: asks the kernel. Called by conn.
 */
#include "net/tcp.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int
tcp_progress(int fd, uint64_t *given, uint64_t *acknowledged)
{
	struct tcp_info t = { 0 };
	socklen_t n = sizeof(t);
	int waiting;

	/* Linux has counted them since 4.1. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) || n < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(t.tcpi_bytes_acked))
		return -1;
	if (ioctl(fd, SIOCOUTQ, &waiting))
		return -1;
	*acknowledged = t.tcpi_bytes_acked;
	*given = t.tcpi_bytes_acked + (uint64_t)waiting;
	return 0;
}
