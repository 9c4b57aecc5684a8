#!/usr/bin/env node
// SPDX-License-Identifier: BSD-2-Clause
/*
 * Keeps one WebSocket open, and never opens it again: whether it lives is what it is for.
 *
 *	node scripts/demo/websocket.js ws://ADDR:PORT/websocket
 *
 * It says "open on INSTANCE" first. Each line that it reads is sent as a message, and each message that comes back is
 * printed. When the other side ends the WebSocket it says "cut" and exits with 1.
 */
'use strict';

const readline = require('readline');

module.paths.push('/usr/share/nodejs'); // where Debian's package node-ws puts it
const WebSocket = require('ws');

const url = process.argv[2];
if (!url) {
	console.error('usage: websocket.js ws://ADDR:PORT/websocket');
	process.exit(2);
}

const websocket = new WebSocket(url);

websocket.on('upgrade', (response) => console.log(`open on ${response.headers['x-instance']}`));
websocket.on('open', () => {
	const lines = readline.createInterface({ input: process.stdin });

	lines.on('line', (line) => websocket.send(line));
});
websocket.on('message', (data) => console.log(data.toString()));
websocket.on('error', (error) => console.log(`error: ${error.message}`));
websocket.on('close', (code) => {
	console.log(`cut (code ${code})`);
	process.exit(1);
});
