// SPDX-License-Identifier: BSD-2-Clause
/*
 * WebSockets to site.js, all at once: messages of all sizes, whole and in fragments, compressed and not; pings from both
 * ends; every way to end. Ends with 0 when each of them was as it should be at both ends.
 *
 *	NODE_PATH=/usr/share/nodejs node websockets.js URL SOCKETS
 */
'use strict';

const crypto = require('crypto');
const { once } = require('events');

const { WebSocket } = require('ws');

const SIZES = [0, 1, 125, 126, 1000, 65535, 65536, 300000, 1 << 20];
const [url, sockets] = process.argv.slice(2);

function check(good, what) {
	if (!good) throw new Error(what);
}

async function open(number) {
	const perMessageDeflate = number % 2 ? { threshold: 0 } : false;
	const socket = new WebSocket(url, { rejectUnauthorized: false, perMessageDeflate });

	await once(socket, 'open');
	check(socket.extensions.includes('permessage-deflate') === Boolean(perMessageDeflate), 'permessage-deflate');
	return socket;
}

async function receive(socket) {
	const [data, isBinary] = await once(socket, 'message');

	return isBinary ? data : data.toString();
}

/* Random bytes, or words that compress. */
function content(number, size) {
	return number % 4 < 2 ? crypto.randomBytes(size) : Buffer.alloc(size, `something ${number} `);
}

/* All of them under way at once. */
async function exchange(socket, number) {
	const sent = SIZES.map((size) => content(number, size));
	const got = [];
	const done = new Promise((resolve) => {
		socket.on('message', function take(data, isBinary) {
			got.push(isBinary ? data : data.toString());
			if (got.length < sent.length + 1) return;
			socket.off('message', take);
			resolve();
		});
	});

	sent.forEach((data) => socket.send(data));
	socket.send('text ✓');
	await done;
	sent.forEach((data, at) => check(data.equals(got[at]), `message ${at} came back as another one`));
	check(got.at(-1) === 'text ✓', 'a text came back as another one');
}

async function fragments(socket, number) {
	const pieces = [content(number, 10), content(number, 0), content(number, 70000), content(number, 1)];
	const answer = receive(socket);

	pieces.forEach((piece, at) => {
		socket.send(piece, { fin: at === pieces.length - 1, binary: true });
		if (at === 1) socket.ping('between'); // a control frame may stand between fragments (RFC 6455 5.4)
	});
	check(Buffer.concat(pieces).equals(await answer), 'fragments came back as another message');
}

async function pings(socket, number) {
	const pong = once(socket, 'pong');

	socket.ping(`from ${number}`);
	check(String(await pong) === `from ${number}`, 'a pong is another one');
	const told = receive(socket);
	socket.send(`!ping to-${number}`);
	check((await told) === `ponged to-${number}`, 'the pong that the instance got is another one');
}

/* Each way to end: what is done, and the code and reason that this end sees. What the other one sees: WANTED. */
const ENDS = [
	[(socket) => socket.close(1000, 'done'), 1000, 'done'],
	[(socket) => socket.close(4321, 'for a reason'), 4321, 'for a reason'],
	[(socket) => socket.send('!close 1001 restart'), 1001, 'restart'],
	[(socket) => socket.send('!close 4999'), 4999, ''],
	[(socket) => socket.terminate(), 1006, ''],
	[(socket) => socket.send('!end'), 1006, ''],
];

async function end(socket, number) {
	const [act, wantedCode, wantedReason] = ENDS[number % ENDS.length];
	const closed = once(socket, 'close');

	socket.on('error', () => undefined);
	act(socket);
	const [code, reason] = await closed;
	check(code === wantedCode && String(reason) === wantedReason, `closed with ${code} '${reason}', not ${wantedCode}`);
}

async function told(socket) {
	const answer = receive(socket);

	socket.send('!told');
	return JSON.parse(await answer);
}

/* The instance has seen every end, as what it was. */
async function checkEnds(observer, before) {
	const wanted = {};
	let seen;

	for (let number = 0; number < sockets; number++) {
		const code = ENDS[number % ENDS.length][1];

		wanted[code] = (wanted[code] ?? 0) + 1;
	}
	for (;;) {
		seen = await told(observer);
		if (seen.open === 1) break;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	for (const [code, count] of Object.entries(wanted)) {
		const difference = (seen.closes[code] ?? 0) - (before.closes[code] ?? 0);

		check(difference === count, `the instance saw ${difference} times ${code}, not ${count}`);
	}
}

async function main() {
	const observer = await open(0);
	const before = await told(observer);
	const all = await Promise.all(Array.from({ length: Number(sockets) }, (_, number) => open(number)));

	for (const act of [exchange, fragments, pings, end]) {
		await Promise.all(all.map(act));
	}
	await checkEnds(observer, before);
	observer.close();
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
