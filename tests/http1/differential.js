#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
// What the HTTP/1 core sends to an instance, and how Node's own parser reads it: every message that goes on complete must
// be seen by Node exactly once, with the same method, target, fields and body, and nothing else.
//
//	node differential.js DRIVER CORPUS-FOLDER
//
// The driver's table and the fuzzer's corpus are taken. Answers go the other way: Node's client reads what a client gets.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');

const [driver, corpus] = process.argv.slice(2);
if (!corpus) {
	console.error('usage: differential.js DRIVER CORPUS-FOLDER');
	process.exit(2);
}

function ask(...args) {
	return JSON.parse(execFileSync(driver, args, { maxBuffer: 1 << 30 }).toString('latin1'));
}

// A head as the core wrote it: one form, so that splitting at line ends is all there is to it.
function parsedHead(head) {
	const lines = head.split('\r\n').slice(0, -2);
	const [first, second] = lines[0].split(' ');
	const fields = lines.slice(1).map((line) => {
		const colon = line.indexOf(': ');
		return [line.slice(0, colon), line.slice(colon + 2)];
	});
	return { first, second, fields };
}

function pairs(raw) {
	const fields = [];
	for (let i = 0; i < raw.length; i += 2)
		fields.push([raw[i], raw[i + 1]]);
	return fields;
}

function latin1(chunks) {
	return Buffer.concat(chunks).toString('latin1');
}

// A server whose every connection belongs to one row; `seen` is what its parser made of it.
function listen() {
	const server = http.createServer();
	let seen = [];

	server.httpAllowHalfOpen = true;
	server.on('request', (request, response) => {
		const entry = { first: request.method, second: request.url, fields: pairs(request.rawHeaders), complete: false };
		const chunks = [];

		seen.push(entry);
		request.on('data', (chunk) => chunks.push(chunk));
		request.on('end', () => {
			entry.body = latin1(chunks);
			entry.complete = request.complete;
			entry.trailers = request.rawTrailers.length;
			response.end();
		});
		request.on('error', () => {});
	});
	server.on('upgrade', (request, socket, head) => {
		seen.push({ first: request.method, second: request.url, fields: pairs(request.rawHeaders), body: '', trailers: 0,
			complete: true, surplus: head.length });
		socket.end();
	});
	server.on('clientError', (error, socket) => socket.destroy());
	return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({
		server,
		port: server.address().port,
		take: () => {
			const taken = seen;
			seen = [];
			return taken;
		},
	})));
}

// Sends bytes, and waits until the other side has closed.
function send(port, bytes) {
	return new Promise((resolve) => {
		const socket = net.connect(port, '127.0.0.1');

		socket.on('error', () => {});
		socket.on('close', resolve);
		socket.on('data', () => {});
		socket.end(Buffer.from(bytes, 'latin1'));
	});
}

const failures = [];
function fail(row, sentence, detail) {
	failures.push(`${row.what} (${row.section}): ${sentence}\n  ${JSON.stringify(detail)}`);
}

// Node has a list of methods, and refuses others before anybody sees them.
function nodeKnows(method) {
	return http.METHODS.includes(method);
}

function expectedOf(row) {
	const expected = [];

	for (const message of row.messages) {
		const head = parsedHead(message.head);
		if (!nodeKnows(head.first))
			break;
		if (message.complete)
			expected.push({ ...head, body: message.body });
	}
	return expected;
}

function compareRequests(row, seen) {
	const expected = expectedOf(row), complete = seen.filter((request) => request.complete);
	const pick = ({ first, second, fields, body }) => ({ first, second, fields, body });

	if (JSON.stringify(expected.map(pick)) !== JSON.stringify(complete.map(pick)))
		fail(row, 'Node sees something else', { expected, seen: complete });
	if (seen.some((request) => request.surplus || request.trailers))
		fail(row, 'Node sees bytes behind a request', seen);
	if (seen.length > row.messages.length)
		fail(row, 'Node sees more requests than were sent', seen);
	return complete.length;
}

// A server that gives each connection the bytes of one answer, to a client of Node's.
function answerTo(row) {
	return new Promise((resolve) => {
		const seen = { interim: [], complete: false };
		const server = net.createServer((socket) => {
			socket.on('error', () => {});
			socket.once('data', () => socket.end(Buffer.from(row.wire, 'latin1')));
		});

		server.listen(0, '127.0.0.1', () => {
			const headers = row.to_upgrade ? { Connection: 'upgrade', Upgrade: 'websocket' } : {};
			const request = http.request({ port: server.address().port, host: '127.0.0.1', agent: false, headers,
				method: row.to_head ? 'HEAD' : 'GET' });
			const done = () => server.close(() => resolve(seen));

			request.on('information', (info) => seen.interim.push({ status: info.statusCode, fields: pairs(info.rawHeaders) }));
			request.on('upgrade', (response, socket) => {
				Object.assign(seen, { status: response.statusCode, fields: pairs(response.rawHeaders), body: '', complete: true });
				socket.destroy();
				done();
			});
			request.on('response', (response) => {
				const chunks = [];
				Object.assign(seen, { status: response.statusCode, fields: pairs(response.rawHeaders) });
				response.on('data', (chunk) => chunks.push(chunk));
				response.on('error', () => {});
				response.on('close', () => {
					seen.body = latin1(chunks);
					seen.complete = response.complete;
					done();
				});
			});
			request.on('error', (error) => {
				seen.error = error.code;
				if (seen.status === undefined)
					done();
			});
			request.end();
		});
	});
}

function compareAnswer(row, seen) {
	const heads = row.messages.map((message) => ({ ...parsedHead(message.head), ...message }));
	const final = heads.find((head) => Number(head.second) >= 200 || head.second === '101');
	const interim = heads.slice(0, final ? heads.indexOf(final) : heads.length)
		.map((head) => ({ status: Number(head.second), fields: head.fields }));

	// 100 has an event of its own without fields; the others are told as they are.
	const told = interim.filter((head) => head.status !== 100);
	if (JSON.stringify(told) !== JSON.stringify(seen.interim.filter((head) => head.status !== 100)))
		fail(row, "Node's client sees other 1xx", { told, seen });
	if (!final)
		return seen.status === undefined ? 0 : fail(row, "Node's client sees an answer", seen);
	if (seen.status !== Number(final.second) || JSON.stringify(seen.fields) !== JSON.stringify(final.fields))
		return fail(row, "Node's client sees another head", { final, seen });
	const whole = final.complete || final.second === '101';
	const untilClose = !final.fields.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
	if (whole && (!seen.complete || seen.body !== final.body))
		fail(row, "Node's client sees another body", { final, seen });
	if (!whole && seen.complete && !untilClose)
		fail(row, "Node's client takes a part for the whole", { final, seen });
	return 1;
}

async function main() {
	const files = fs.readdirSync(corpus).sort().map((name) => path.join(corpus, name));
	const rows = ask('cases').concat(files.length ? ask('corpus', ...files) : []);
	const instance = await listen();
	let requests = 0, answers = 0;

	for (const row of rows) {
		if (row.answer) {
			if (!row.wire)
				continue;
			compareAnswer(row, await answerTo(row));
			answers++;
		} else {
			await send(instance.port, row.wire);
			requests += compareRequests(row, instance.take());
		}
	}
	instance.server.close();
	for (const failure of failures)
		console.log(failure);
	console.log(`${rows.length} rows, of them ${answers} answers; Node ${process.version} saw ${requests} requests; ` +
		`${failures.length} differences`);
	process.exit(failures.length || !requests || !answers ? 1 : 0);
}

main();
