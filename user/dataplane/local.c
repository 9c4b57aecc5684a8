// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "dataplane/dataplane.h"

bool dataplane_is_elsewhere(const struct rcxlb_endpoint *endpoint)
{
	struct rcxlb_endpoint without_port = *endpoint;
	struct sockaddr_storage address;
	socklen_t size;
	bool elsewhere;
	int fd;

	without_port.port = 0;
	size = address_of(&without_port, &address);
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	elsewhere = bind(fd, (struct sockaddr *)&address, size) && errno == EADDRNOTAVAIL;
	close(fd);
	return elsewhere;
}
