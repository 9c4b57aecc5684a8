#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a server in the way of Meteor (Rocket.Chat) makes of a request behind a proxy: it says whom and what it sees,
 * sends who came without TLS to https when FORCE_SSL is set, and echoes WebSockets.
 *
 *	PORT=3001 INSTANCE=one [HOST=127.0.0.1] node meteor.js
 */
'use strict';

const http = require('http');

module.paths.push('/usr/share/nodejs');
const { WebSocketServer } = require('ws');

/* As meteor's package force-ssl-common. */
function isSsl(req) {
	const proto = req.headers['x-forwarded-proto'];

	return Boolean(proto && proto.split(/\s*,\s*/).includes('https'));
}

function answer(req, res, body) {
	if (process.env.FORCE_SSL && !isSsl(req)) {
		res.writeHead(302, { Location: `https://${req.headers.host}${req.url}` });
		res.end();
		return;
	}
	const { remoteAddress, remotePort } = req.socket;
	const seen = {
		instance: process.env.INSTANCE,
		method: req.method,
		url: req.url,
		headers: req.rawHeaders,
		remoteAddress,
		remotePort,
		body: body.length,
	};

	res.writeHead(200, { 'Content-Type': 'application/json' });
	res.end(JSON.stringify(seen));
}

const server = http.createServer((req, res) => {
	const pieces = [];

	req.on('data', (piece) => pieces.push(piece));
	req.on('end', () => answer(req, res, Buffer.concat(pieces)));
});
const websockets = new WebSocketServer({ server });

websockets.on('connection', (websocket, req) => {
	websocket.send(`${process.env.INSTANCE} ${req.headers['x-forwarded-for']} ${req.headers['x-forwarded-proto']}`);
	websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
});
server.listen({ port: Number(process.env.PORT), host: process.env.HOST || '127.0.0.1' }, () => console.log('listening'));
