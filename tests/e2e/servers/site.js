#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
/*
 * An instance with all that a site like Rocket.Chat asks of what is before it: pages, a login with a cookie, uploads,
 * WebSockets, SockJS. A session is known to the instance alone where it began.
 *
 *	NODE_PATH=/usr/share/nodejs PORT=3001 INSTANCE=one node site.js
 *
 * GET /               some words
 * GET /bytes/N        N bytes
 * POST /upload        how many bytes came, and their SHA-256
 * GET /enter          a page that logs in by a form: POST /login, then GET /app
 * GET /app            who is logged in gets app.js, and that tells here what became of it: POST /result, GET /result
 * /websocket          echoes; a text that begins with '!' is a command, see command()
 * /sockjs             with SOCKJS set: says its name, then echoes
 */
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const { WebSocketServer } = require('ws');

const name = process.env.INSTANCE;
const filler = Buffer.alloc(1 << 16, '.');
const sessions = new Set();
const closes = {}; // WebSockets that have ended, by code
let result = null;

/* --- Pages --- */

// What any site of today sends; scanners ask for them.
const HEADERS = {
	'X-Frame-Options': 'SAMEORIGIN',
	'X-Content-Type-Options': 'nosniff',
	'Content-Security-Policy': "default-src 'self' 'unsafe-inline' wss:",
};

function answer(res, status, type, body, more = {}) {
	res.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...more });
	res.end(body);
}

function answerBytes(res, bytes) {
	let left = bytes;

	function write() {
		while (left > 0) {
			const piece = filler.subarray(0, Math.min(left, filler.length));

			left -= piece.length;
			if (!res.write(piece)) return res.once('drain', write);
		}
		return res.end();
	}
	res.writeHead(200, { ...HEADERS, 'Content-Type': 'application/octet-stream', 'Content-Length': bytes });
	write();
}

function takeUpload(req, res) {
	const digest = crypto.createHash('sha256');
	let bytes = 0;

	req.on('data', (piece) => {
		bytes += piece.length;
		digest.update(piece);
	});
	req.on('end', () => answer(res, 200, 'application/json', JSON.stringify({ bytes, sha256: digest.digest('hex') })));
}

const ENTER = `<!DOCTYPE html><title>login</title>
<form id="form" method="post" action="/login"><input name="user" value="alice"></form>
<script>const form = document.getElementById('form'); form.action += location.search; form.submit();</script>`;
const APP = '<!DOCTYPE html><title>app</title><script src="/sockjs.js"></script><script src="/app.js"></script>';

function isLoggedIn(req) {
	return sessions.has((/\bsession=([0-9a-f]+)/.exec(req.headers.cookie) ?? [])[1]);
}

function logIn(req, res) {
	const session = crypto.randomBytes(16).toString('hex');

	req.resume();
	req.on('end', () => {
		sessions.add(session);
		answer(res, 303, 'text/plain', 'welcome\n', {
			'Location': req.url.replace('/login', '/app'),
			'Set-Cookie': `session=${session}; Path=/; Secure; HttpOnly; SameSite=Lax`,
		});
	});
}

function takeResult(req, res) {
	const pieces = [];

	req.on('data', (piece) => pieces.push(piece));
	req.on('end', () => {
		result = Buffer.concat(pieces).toString();
		answer(res, 200, 'text/plain', 'thank you\n');
	});
}

function serve(req, res) {
	const url = req.url.split('?')[0];
	const script = () => fs.readFileSync(path.join(__dirname, 'app.js'));
	const sockjs = () => fs.readFileSync(require.resolve('sockjs-client/dist/sockjs.min.js'));

	switch (`${req.method} ${url}`) {
	case 'POST /upload':
		return takeUpload(req, res);
	case 'GET /enter':
		return answer(res, 200, 'text/html', ENTER);
	case 'POST /login':
		return logIn(req, res);
	case 'GET /app':
		return isLoggedIn(req) ? answer(res, 200, 'text/html', APP) : answer(res, 403, 'text/plain', 'log in\n');
	case 'GET /app.js':
		return answer(res, 200, 'text/javascript', script());
	case 'GET /sockjs.js':
		return answer(res, 200, 'text/javascript', sockjs());
	case 'POST /result':
		return takeResult(req, res);
	case 'GET /result':
		return answer(res, result ? 200 : 404, 'application/json', result ?? '');
	default:
	}
	if (url.startsWith('/bytes/')) return answerBytes(res, Number(url.slice(7)));
	return answer(res, 200, 'text/plain', 'hello\n');
}

const server = http.createServer({ noDelay: true }, (req, res) => {
	if (!req.url.startsWith('/sockjs/')) serve(req, res);
});
server.requestTimeout = 0; // large uploads over slow machines

/* --- WebSockets --- */

const websockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });

/* What a client wants to see this end do. */
function command(websocket, words) {
	switch (words[0]) {
	case '!close': // CODE REASON
		return websocket.close(Number(words[1]), words[2]);
	case '!end': // without a close frame
		return websocket.terminate();
	case '!ping':
		websocket.once('pong', (data) => websocket.send(`ponged ${data}`));
		return websocket.ping(words[1]);
	default: // '!told': one that is closing is still open, as how it closed is not counted yet
		return websocket.send(JSON.stringify({ open: websockets.clients.size, closes }));
	}
}

websockets.on('connection', (websocket) => {
	websocket.on('message', (data, isBinary) => {
		if (!isBinary && data[0] === 0x21) command(websocket, data.toString().split(' '));
		else websocket.send(data, { binary: isBinary });
	});
	websocket.on('error', () => websocket.terminate());
	websocket.on('close', (code) => (closes[code] = (closes[code] ?? 0) + 1));
});
server.on('upgrade', (req, socket, head) => {
	if (req.url.startsWith('/sockjs/')) return;
	websockets.handleUpgrade(req, socket, head, (websocket) => websockets.emit('connection', websocket, req));
});

if (process.env.SOCKJS) {
	const sockjs = require('sockjs').createServer({ prefix: '/sockjs', log: () => undefined });

	sockjs.on('connection', (session) => {
		if (!session) return;
		session.write(`${name} ${session.protocol}`);
		session.on('data', (data) => session.write(data));
	});
	sockjs.installHandlers(server);
}

server.listen({ port: Number(process.env.PORT), host: '127.0.0.1' }, () => console.log('listening'));
