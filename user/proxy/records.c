// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/records.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum alert_level { ALERT_WARNING = 1, ALERT_FATAL = 2 };
enum alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_DECODE_ERROR = 50,
	ALERT_PROTOCOL_VERSION = 70,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_USER_CANCELED = 90,
	ALERT_NO_RENEGOTIATION = 100,
};

#define HANDSHAKE_KEY_UPDATE 24
#define KEY_UPDATE_SIZE	     5
/* A client that sends nothing but warnings, or empty records, is not listened to for ever. */
#define WARNINGS_MAX 5
#define EMPTY_MAX    32
/*
 * Records that the kernel could not push into TCP wait outside of it, two at most as we send. When TCP's queue has this
 * much room, the next record pushes them all, and they are in order.
 */
#define ROOM_FOR_WAITING (64 * 1024)

union control {
	char bytes[CMSG_SPACE(1)];
	struct cmsghdr header;
};

static int send_record(int fd, unsigned char type, const unsigned char *bytes, size_t size)
{
	struct iovec iov = { (void *)bytes, size };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t n;

	header->cmsg_level = SOL_TLS;
	header->cmsg_type = TLS_SET_RECORD_TYPE;
	header->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(header) = type;
	message.msg_controllen = header->cmsg_len;
	do
		n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EIO;
}

static int send_alert(int fd, enum alert_level level, enum alert description)
{
	unsigned char bytes[] = { level, description };

	return send_record(fd, RECORD_ALERT, bytes, sizeof(bytes));
}

/* The alert is a courtesy: when it cannot be sent, the connection ends all the same. */
static int refuse(int fd, enum alert description, int err)
{
	send_alert(fd, ALERT_FATAL, description);
	return err;
}

static int count_warning(struct records *records, int fd)
{
	if (++records->warnings > WARNINGS_MAX)
		return refuse(fd, ALERT_UNEXPECTED_MESSAGE, -EPROTO);
	return 0;
}

/* 1: go on reading; 0: end of file; negative: as records_recv(). */
static int take_alert(struct records *records, int fd, const unsigned char *bytes, ssize_t size)
{
	if (size != 2)
		return refuse(fd, ALERT_DECODE_ERROR, -EPROTO);
	if (bytes[1] == ALERT_CLOSE_NOTIFY) {
		records->closed = true;
		return 0;
	}
	/* In TLS 1.3 the level says nothing: all others are fatal (RFC 8446 section 6). */
	if (bytes[1] != ALERT_USER_CANCELED && (records->tls13 || bytes[0] != ALERT_WARNING))
		return -ECONNRESET;
	return count_warning(records, fd) ?: 1;
}

static int set_keys(int fd, int direction, enum traffic_cipher cipher, struct traffic_secret *secret)
{
	struct traffic_secret next;
	struct traffic_crypto_info info;
	int err = -EINVAL;

	if (traffic_next(secret, &next) && traffic_crypto_info(cipher, &next, &info))
		err = setsockopt(fd, SOL_TLS, direction, &info.info, info.size) ? -errno : 0;
	if (!err)
		*secret = next;
	OPENSSL_cleanse(&info, sizeof(info));
	OPENSSL_cleanse(&next, sizeof(next));
	return err;
}

/* Since Linux 6.14 the kernel takes new keys; before it says EBUSY, and can read nothing more. */
static int take_key_update(struct records *records, int fd, const unsigned char *bytes, ssize_t size)
{
	static const unsigned char head[] = { HANDSHAKE_KEY_UPDATE, 0, 0, 1 };

	/* It must be the last of its record (RFC 8446 section 5.1); what else a client may send here is nothing. */
	if (size < (ssize_t)sizeof(head) || memcmp(bytes, head, sizeof(head)) != 0)
		return refuse(fd, ALERT_UNEXPECTED_MESSAGE, -EPROTO);
	if (size != KEY_UPDATE_SIZE || bytes[4] > 1)
		return refuse(fd, ALERT_DECODE_ERROR, -EPROTO);
	if (set_keys(fd, TLS_RX, records->cipher, &records->secrets.client))
		return refuse(fd, ALERT_INTERNAL_ERROR, -EKEYREJECTED);
	if (bytes[4])
		records->owes_update = true;
	return count_warning(records, fd) ?: 1;
}

static int take_handshake(struct records *records, int fd, const unsigned char *bytes, ssize_t size)
{
	if (records->tls13)
		return take_key_update(records, fd, bytes, size);
	/* Whatever it is, it could only be about renegotiation. An alert that cannot be sent now is one less. */
	send_alert(fd, ALERT_WARNING, ALERT_NO_RENEGOTIATION);
	return count_warning(records, fd) ?: 1;
}

static int refuse_record(int fd, int err)
{
	switch (err) {
	case EBADMSG:
		return refuse(fd, ALERT_BAD_RECORD_MAC, -EPROTO);
	case EMSGSIZE:
		return refuse(fd, ALERT_RECORD_OVERFLOW, -EPROTO);
	case EINVAL:
		return refuse(fd, ALERT_PROTOCOL_VERSION, -EPROTO);
	default:
		return -err;
	}
}

/* One recvmsg(). *type is the record's, or 0 at the end of the stream. */
static ssize_t receive(int fd, void *to, size_t size, unsigned char *type)
{
	struct iovec iov = { to, size };
	union control control;
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	*type = 0;
	if (header && header->cmsg_level == SOL_TLS && header->cmsg_type == TLS_GET_RECORD_TYPE)
		*type = *CMSG_DATA(header);
	return n;
}

ssize_t records_recv(struct records *records, int fd, void *to, size_t size)
{
	for (;;) {
		unsigned char type = 0;
		ssize_t n = receive(fd, to, size, &type);
		int done;

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return n;
		if (n < 0)
			return refuse_record(fd, (int)-n);
		if (!type)
			return n;
		if (type == RECORD_DATA) {
			if (n) {
				records->warnings = records->empty = 0;
				return n;
			}
			if (++records->empty > EMPTY_MAX)
				return refuse(fd, ALERT_UNEXPECTED_MESSAGE, -EPROTO);
			continue;
		}
		if (type == RECORD_ALERT)
			done = take_alert(records, fd, to, n);
		else if (type == RECORD_HANDSHAKE)
			done = take_handshake(records, fd, to, n);
		else
			done = refuse(fd, ALERT_UNEXPECTED_MESSAGE, -EPROTO);
		if (done <= 0)
			return done;
	}
}

/* RFC 8446 section 4.6.3: before the next data, and no earlier than that. */
static int send_update(struct records *records, int fd)
{
	static const unsigned char update[KEY_UPDATE_SIZE] = { HANDSHAKE_KEY_UPDATE, 0, 0, 1, 0 };
	int err = send_record(fd, RECORD_HANDSHAKE, update, sizeof(update));

	if (err)
		return err;
	records->owes_update = false;
	return set_keys(fd, TLS_TX, records->cipher, &records->secrets.server);
}

ssize_t records_send(struct records *records, int fd, const void *from, size_t size)
{
	ssize_t n;

	if (records->owes_update) {
		int err = send_update(records, fd);

		if (err)
			return err;
	}
	do
		n = send(fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

bool records_flushed(int fd)
{
	unsigned int memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	int queued = 0;

	if (ioctl(fd, SIOCOUTQ, &queued) == 0 && queued == 0)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size))
		return false;
	return memory[SK_MEMINFO_WMEM_QUEUED] + ROOM_FOR_WAITING <= memory[SK_MEMINFO_SNDBUF];
}

int records_finish(int fd)
{
	int err;

	if (!records_flushed(fd))
		return -EBUSY;
	err = send_alert(fd, ALERT_WARNING, ALERT_CLOSE_NOTIFY);
	if (err)
		return err == -EAGAIN ? -EBUSY : err;
	return shutdown(fd, SHUT_WR) ? -errno : 0;
}

void records_cleanse(struct records *records)
{
	OPENSSL_cleanse(records, sizeof(*records));
}
