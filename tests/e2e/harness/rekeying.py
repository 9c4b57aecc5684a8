# SPDX-License-Identifier: BSD-2-Clause
"""A TLS 1.3 client that takes new keys as often as it likes, which Python's own does not offer."""
import ctypes

_ROOM = 1 << 16
_KEY_UPDATE_NOT_REQUESTED = 0


def _library(name, pointers, integers):
    made = ctypes.CDLL(name)
    for function in (*pointers, *integers):
        getattr(made, function).restype = ctypes.c_void_p if function in pointers else ctypes.c_int
    return made


_ssl = _library("libssl.so.3", ["TLS_client_method", "SSL_CTX_new", "SSL_new"], ["SSL_do_handshake", "SSL_key_update"])
_crypto = _library("libcrypto.so.3", ["BIO_new", "BIO_s_mem"], ["BIO_read", "BIO_write"])


class RekeyingClient:
    """On a connected socket, its handshake made."""

    def __init__(self, sock):
        self.sock = sock
        self._context = ctypes.c_void_p(_ssl.SSL_CTX_new(ctypes.c_void_p(_ssl.TLS_client_method())))
        self._tls = ctypes.c_void_p(_ssl.SSL_new(self._context))
        self._in, self._out = (
            ctypes.c_void_p(_crypto.BIO_new(ctypes.c_void_p(_crypto.BIO_s_mem()))) for _ in range(2)
        )
        _ssl.SSL_set_bio(self._tls, self._in, self._out)
        _ssl.SSL_set_connect_state(self._tls)
        while _ssl.SSL_do_handshake(self._tls) != 1:
            self.sock.sendall(self._written())
            data = self.sock.recv(_ROOM)
            assert data, "the handshake was cut off"
            _crypto.BIO_write(self._in, data, len(data))
        self.sock.sendall(self._written())

    def _written(self):
        """What it has to say so far."""
        room, pieces = ctypes.create_string_buffer(_ROOM), []
        while (size := _crypto.BIO_read(self._out, room, _ROOM)) > 0:
            pieces.append(room.raw[:size])
        return b"".join(pieces)

    def key_updates(self, count):
        """The records of so many, to be sent in this order."""
        for _ in range(count):
            assert _ssl.SSL_key_update(self._tls, _KEY_UPDATE_NOT_REQUESTED) == 1
            assert _ssl.SSL_do_handshake(self._tls) == 1
        return self._written()

    def data(self, data):
        """The records of these bytes."""
        assert _ssl.SSL_write(self._tls, data, len(data)) == len(data)
        return self._written()

    def close(self):
        _ssl.SSL_free(self._tls)
        _ssl.SSL_CTX_free(self._context)
        self.sock.close()
