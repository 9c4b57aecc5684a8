// SPDX-License-Identifier: BSD-2-Clause
/*
 * WebSockets to an echo, all at once; ends with 0 when every message came back as it was sent.
 *
 *	node echoing.js URL SOCKETS
 */
'use strict';

const crypto = require('crypto');

module.paths.push('/usr/share/nodejs'); // where Debian's package node-ws puts it
const { WebSocket } = require('ws');

const SIZES = [0, 1, 125, 126, 65535, 65536, 300000];
const [url, sockets] = process.argv.slice(2);

function talk() {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(url, { rejectUnauthorized: false, perMessageDeflate: false });
		const sent = SIZES.map((size) => crypto.randomBytes(size));
		let next = 0;

		socket.on('error', reject);
		socket.on('open', () => sent.forEach((data) => socket.send(data)));
		socket.on('message', (data) => {
			if (!sent[next].equals(data)) reject(new Error(`message ${next} came back as another one`));
			if (++next === sent.length) socket.close(1000);
		});
		socket.on('close', (code) => (code === 1000 ? resolve() : reject(new Error(`closed with ${code}`))));
	});
}

Promise.all(Array.from({ length: Number(sockets) }, talk)).catch((error) => {
	console.error(error.message);
	process.exit(1);
});
