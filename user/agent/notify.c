// SPDX-License-Identifier: BSD-2-Clause
#include "agent/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || !strchr("/@", path[0]))
		return -1;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* an abstract name */
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void notify_send(int to, const char *state)
{
	if (to >= 0)
		send(to, state, strlen(state),
		     MSG_NOSIGNAL | MSG_DONTWAIT); /* a manager that does not read must not hold us up */
}

uint64_t notify_watchdog_us(void)
{
	const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!period || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(period, NULL, 10);
}
