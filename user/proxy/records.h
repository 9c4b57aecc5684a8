/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An established TLS connection whose records the kernel makes and opens: what is left to do in user space are the
 * records that are not data: alerts (RFC 8446 section 6, RFC 5246 section 7.2), KeyUpdate (RFC 8446 section 4.6.3) and
 * attempts to renegotiate (RFC 5746: refused). The socket is non-blocking; the caller owns it.
 */
#ifndef PROXY_RECORDS_H
#define PROXY_RECORDS_H

#include <stdbool.h>
#include <sys/types.h>

#include "proxy/keylog.h"

/* A record holds at most this much (RFC 8446 section 5.1): buffers given to records_recv() are not smaller. */
#define RECORD_MAX 16384

struct records {
	bool tls13;
	bool closed;	  /* close_notify came: an end of file without it is a cut, by the client or by somebody else */
	bool owes_update; /* the client wants a KeyUpdate before our next data */
	unsigned char warnings; /* warning alerts, KeyUpdates and refused renegotiations since the last data */
	unsigned char empty;	/* records since then */
	enum traffic_cipher cipher;
	struct traffic_secrets secrets; /* of TLS 1.3 */
};

/*
 * Data: their number. 0: the client sends no more. -EAGAIN: nothing yet. -ECONNRESET: a fatal alert or a RST came.
 * -EPROTO: the client broke the protocol, -EKEYREJECTED: its KeyUpdate is beyond this kernel: both have sent an alert,
 * the connection is to be closed.
 */
ssize_t records_recv(struct records *records, int fd, void *to, size_t size);

/* As send(): bytes taken (perhaps fewer), -EAGAIN or another -errno. */
ssize_t records_send(struct records *records, int fd, const void *from, size_t size);

/*
 * Sends close_notify and then FIN. A socket that still holds records back because its buffer was full answers -EBUSY
 * (the FIN would overtake them): to be called again when it has sent more. There is no event for it.
 */
int records_finish(int fd);

/* Whether a FIN can be sent on a socket with kernel TLS sending without overtaking records that wait outside of TCP. */
bool records_flushed(int fd);

void records_cleanse(struct records *records);

#endif
