// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whose an address is, by the routing table: bind() says yes to every address where net.ipv4.ip_nonlocal_bind is set.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "dataplane/dataplane.h"

#define IPV4_AT 12 /* of an IPv4 address in the 16 bytes of an endpoint */

struct question {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr to;
	__u8 address[16];
};

static struct question question_of(const struct rcxlb_endpoint *endpoint)
{
	bool ipv4 = endpoint_is_ipv4(endpoint);
	__u8 size = ipv4 ? 4 : 16;
	struct question question = {
		.header = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = ipv4 ? AF_INET : AF_INET6, .rtm_dst_len = size * 8 },
		.to = { .rta_type = RTA_DST, .rta_len = RTA_LENGTH(size) },
	};

	question.header.nlmsg_len = NLMSG_LENGTH(sizeof(question.route)) + RTA_LENGTH(size);
	memcpy(question.address, endpoint->address + (ipv4 ? IPV4_AT : 0), size);
	return question;
}

/* Of an answer. Where the kernel knows no way the address is not here either. */
static int type_in(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *refusal = NLMSG_DATA(answer);
	const struct rtmsg *route = NLMSG_DATA(answer);

	if (answer->nlmsg_type == RTM_NEWROUTE)
		return route->rtm_type;
	if (answer->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	switch (-refusal->error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EACCES: /* prohibited */
	case EINVAL: /* a black hole */
		return RTN_UNREACHABLE;
	default:
		return refusal->error;
	}
}

/* The type of the route there, or -errno. */
static int route_type(const struct rcxlb_endpoint *endpoint)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), type = -EIO;
	struct question question = question_of(endpoint);
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	ssize_t size;

	if (fd < 0)
		return -errno;
	if (send(fd, &question, question.header.nlmsg_len, 0) == (ssize_t)question.header.nlmsg_len) {
		size = recv(fd, &answer, sizeof(answer), 0);
		if (size > 0 && NLMSG_OK(&answer.header, (size_t)size))
			type = type_in(&answer.header);
	}
	close(fd);
	return type;
}

/* Even where the loopback interface is down. */
static bool is_loopback(const struct rcxlb_endpoint *endpoint)
{
	struct rcxlb_endpoint six = endpoint_any(false, endpoint->port);

	six.address[15] = 1;
	return endpoint_is_ipv4(endpoint) ? endpoint->address[IPV4_AT] == 127 : endpoint_equal(endpoint, &six);
}

bool dataplane_is_elsewhere(const struct rcxlb_endpoint *endpoint)
{
	int type = is_loopback(endpoint) ? RTN_LOCAL : route_type(endpoint);

	return type >= 0 && type != RTN_LOCAL; /* who cannot be told is here: as it was before anybody asked */
}

int dataplane_relocate(struct error *error)
{
	struct model *model = malloc(sizeof(*model));
	struct dataplane *dataplane = NULL;
	int err =
	    model ? dataplane_open(DATAPLANE_CHANGE_NOW, &dataplane, error) : failed(error, -ENOMEM, "out of memory");

	if (!err)
		err = dataplane_read(dataplane, model, error);
	if (!err)
		err = dataplane_publish(dataplane, model, error);
	dataplane_close(dataplane);
	free(model);
	return err;
}
