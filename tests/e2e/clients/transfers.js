// SPDX-License-Identifier: BSD-2-Clause
/*
 * Transfers both ways at once over connections of their own, of which both ends know every byte and compare it.
 *
 *	node transfers.js instance PORT
 *	node transfers.js client HOST:PORT VERSION CIPHER TRANSFERS BYTES
 *
 * The client tells the instance how much goes each way, from 0 to BYTES, and where in the common text it begins; the last
 * byte that comes back is the instance's verdict. Says, as JSON, what was moved.
 */
'use strict';

const crypto = require('crypto');
const net = require('net');
const tls = require('tls');

const AT_ONCE = 4;
const HEAD = 24; // three numbers of 8 bytes: bytes up, bytes down, where they begin
const PIECE = 1 << 16;
// Its length is prime, so that bytes that are lost, doubled or out of order are not among their like.
const TEXT = crypto.createCipheriv('aes-128-ctr', Buffer.alloc(16, 'key'), Buffer.alloc(16)).update(Buffer.alloc(1048583));

/* What stands at `at` of a transfer that begins at `begin`: as much as there is in one piece, `most` at most. */
function textAt(begin, at, most) {
	const from = (begin + at) % TEXT.length;

	return TEXT.subarray(from, Math.min(from + most, TEXT.length));
}

async function send(socket, begin, bytes) {
	for (let at = 0; at < bytes; ) {
		const piece = textAt(begin, at, Math.min(PIECE, bytes - at));

		at += piece.length;
		if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
	}
}

/* Compares what comes. */
class Reader {
	constructor(begin, bytes) {
		Object.assign(this, { begin, bytes, at: 0, wrong: -1 });
	}

	/* Returns what is behind the transfer. */
	take(data) {
		let used = 0;

		while (used < data.length && this.at < this.bytes) {
			const wanted = textAt(this.begin, this.at, Math.min(data.length - used, this.bytes - this.at));

			if (this.wrong < 0 && !wanted.equals(data.subarray(used, used + wanted.length))) this.wrong = this.at;
			used += wanted.length;
			this.at += wanted.length;
		}
		return data.subarray(used);
	}

	get isComplete() {
		return this.at === this.bytes;
	}
}

/* --- The instance --- */

function serve(socket) {
	let head = Buffer.alloc(0);
	let surplus = 0;
	let reader;
	let sent;
	let isDone = false;

	function begin() {
		const [up, down, at] = [0, 8, 16].map((place) => Number(head.readBigUInt64BE(place)));

		reader = new Reader(at, up);
		sent = send(socket, at + 1, down);
	}

	socket.on('error', () => socket.destroy());
	socket.on('data', (data) => {
		let more = data;

		if (!reader) {
			head = Buffer.concat([head, data]);
			if (head.length < HEAD) return;
			begin();
			more = head.subarray(HEAD);
		}
		surplus += reader.take(more).length;
		if (!reader.isComplete || isDone) return;
		isDone = true;
		sent.then(() => socket.end(reader.wrong >= 0 || surplus ? 'x' : 'k'));
	});
}

/* --- The client --- */

function draw() {
	return crypto.randomInt(2 ** 40) / 2 ** 40;
}

/* The extremes first, then as many small as large ones. */
function sizes(number, most) {
	const extremes = [[0, most], [most, 0], [most, most], [0, 0], [1, 1]];

	return extremes[number] ?? [0, 0].map(() => Math.floor((most + 1) ** draw()));
}

function transfer(connect, [up, down]) {
	return new Promise((resolve, reject) => {
		const begin = crypto.randomInt(TEXT.length);
		const reader = new Reader(begin + 1, down);
		const head = Buffer.alloc(HEAD);
		const socket = connect();
		let verdict = '';

		[up, down, begin].forEach((value, at) => head.writeBigUInt64BE(BigInt(value), at * 8));
		socket.on('secureConnect', () => {
			socket.write(head);
			send(socket, begin, up);
		});
		socket.on('data', (data) => (verdict += reader.take(data)));
		socket.on('error', (error) => reject(new Error(`${up} up, ${down} down: ${error.message} after ${reader.at}`)));
		socket.on('end', () => {
			const said = `${up} up, ${down} down: `;

			socket.end();
			if (reader.wrong >= 0) reject(new Error(`${said}wrong at byte ${reader.wrong}`));
			else if (!reader.isComplete) reject(new Error(`${said}ended after ${reader.at}`));
			else if (verdict !== 'k') reject(new Error(`${said}the instance says '${verdict}'`));
			else resolve(`${socket.getProtocol()} ${socket.getCipher().standardName}`);
		});
	});
}

async function runClient(address, version, cipher, transfers, most) {
	const [host, port] = address.split(':');
	const context = tls.createSecureContext({
		minVersion: `TLSv${version}`,
		maxVersion: `TLSv${version}`,
		ciphers: cipher,
	});
	const connect = () => tls.connect({ host, port, secureContext: context, rejectUnauthorized: false });
	const told = { transfers: 0, bytes: 0, agreed: {}, wrong: [] };
	const begun = performance.now();
	let next = 0;

	async function go() {
		while (next < transfers) {
			const wanted = sizes(next++, most);

			try {
				const agreed = await transfer(connect, wanted);

				told.agreed[agreed] = (told.agreed[agreed] ?? 0) + 1;
				told.transfers++;
				told.bytes += wanted[0] + wanted[1];
			} catch (error) {
				told.wrong.push(`after ${Math.round(performance.now() - begun)} ms: ${error.message}`);
			}
		}
	}
	await Promise.all(Array.from({ length: AT_ONCE }, go));
	told.seconds = (performance.now() - begun) / 1000;
	console.log(JSON.stringify(told));
}

const [role, where, version, cipher, transfers, most] = process.argv.slice(2);

if (role === 'instance') {
	net.createServer({ noDelay: true }, serve).listen(Number(where), '127.0.0.1', () => console.log('listening'));
} else {
	runClient(where, version, cipher, Number(transfers), Number(most)).catch((error) => {
		console.error(error);
		process.exit(1);
	});
}
