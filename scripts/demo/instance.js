#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
/*
 * An instance of a single-threaded server, as Rocket.Chat is one: HTTP and WebSockets on one event loop. The backend of
 * scripts/quickstart, of the end-to-end tests and of the benchmarks, so it does as little as it can.
 *
 *	PORT=3001 node scripts/demo/instance.js
 *
 * PORT       where it listens; 0: any free port
 * BIND_IP    on which address; default 127.0.0.1
 * INSTANCE   its name in the answers; default the port
 *
 * GET /            who answered, and whom it saw: JSON
 * GET /readyz      200
 * GET /busy?ms=N   blocks the event loop for N ms first
 * /websocket       a WebSocket that echoes
 *
 * SIGTERM ends it: it stops listening at once, and ends when its connections have, or after GRACE_MS.
 */
'use strict';

const http = require('http');

module.paths.push('/usr/share/nodejs'); // where Debian's package node-ws puts it
const { WebSocketServer } = require('ws');

const MAX_BUSY_MS = 10000;
const PING_MS = 15000; // as often as Rocket.Chat's DDP
const GRACE_MS = 2000;

const bindIp = process.env.BIND_IP || '127.0.0.1';
let name = process.env.INSTANCE;
let connections = 0;

function answer(res, status, type, body) {
	res.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
	res.end(body);
}

function answerWho(res, { remoteAddress, remotePort }) {
	const who = { instance: name, pid: process.pid, remoteAddress, remotePort, connections };

	answer(res, 200, 'application/json', `${JSON.stringify(who)}\n`);
}

function answerBusy(res, query) {
	const ms = Number(new URLSearchParams(query).get('ms') ?? NaN);

	if (!(ms >= 0 && ms <= MAX_BUSY_MS)) {
		answer(res, 400, 'text/plain', `ms must be a number from 0 to ${MAX_BUSY_MS}\n`);
		return;
	}
	const end = performance.now() + ms;
	while (performance.now() < end);
	answer(res, 200, 'text/plain', `was busy for ${ms} ms\n`);
}

function serve(req, res) {
	const [path, query] = req.url.split('?', 2);

	switch (path) {
	case '/':
		return answerWho(res, req.socket);
	case '/readyz':
		return answer(res, 200, 'text/plain', 'ready\n');
	case '/busy':
		return answerBusy(res, query);
	default:
		return answer(res, 404, 'text/plain', 'not found\n');
	}
}

const server = http.createServer({ noDelay: true }, serve);
// Who holds an idle connection to see whether rcxlb cuts it must not see it cut by the instance.
server.keepAliveTimeout = 120000;

server.on('connection', (socket) => {
	connections++;
	socket.on('close', () => connections--);
});

const websockets = new WebSocketServer({ server, path: '/websocket' });

websockets.on('headers', (headers) => headers.push(`X-Instance: ${name}`));
websockets.on('connection', (websocket) => {
	websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
	websocket.on('error', () => websocket.terminate());
});
setInterval(() => websockets.clients.forEach((websocket) => websocket.ping()), PING_MS).unref();

function stop() {
	server.close();
	server.closeIdleConnections();
	websockets.clients.forEach((websocket) => websocket.close(1001, 'going away'));
	setTimeout(() => process.exit(0), GRACE_MS).unref();
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);

// `ws` repeats the server's errors, so this sees both; there are none but those of listen().
websockets.on('error', (error) => {
	console.error(`instance: ${error.message}`);
	process.exit(1);
});

if (!/^[0-9]+$/.test(process.env.PORT ?? '') || process.env.PORT > 65535) {
	console.error('instance: PORT must be a number from 0 to 65535');
	process.exit(2);
}
server.listen({ port: Number(process.env.PORT), host: bindIp }, () => {
	const { address, family, port } = server.address();

	name = name || String(port);
	console.log(`listening on ${family === 'IPv6' ? `[${address}]` : address}:${port}`);
});
