// SPDX-License-Identifier: BSD-2-Clause
/*
 * SockJS sessions to site.js, of each transport, all at once. Says, as JSON, which instances each transport met, and what
 * went wrong. A session is lost when one of its requests comes to another instance.
 *
 *	NODE_PATH=/usr/share/nodejs node sockjs.js URL SOURCE SESSIONS [cookies]
 *
 * SOURCE: the address that connections are made from. With `cookies` each session keeps those that it gets, as a browser
 * does; without, none.
 */
'use strict';

const crypto = require('crypto');
const http = require('http');
const https = require('https');
const net = require('net');
const { AsyncLocalStorage } = require('async_hooks');

const TRANSPORTS = ['websocket', 'xhr-streaming', 'xhr-polling'];
const MESSAGES = 12; // of up to 40 kB: more than one answer of a streaming transport holds
const TIMEOUT_MS = 180000; // emulated machines are slow
const [url, source, sessions, cookies] = process.argv.slice(2);

/* The library cannot be told an address, nor does it keep cookies outside of browsers. */
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connectFrom(...words) {
	const options = Array.isArray(words[0]) ? words[0][0] : words[0];

	options.localAddress = source;
	return connect.apply(this, words);
};

const jars = new AsyncLocalStorage();

if (cookies) {
	const request = https.request;

	https.request = (options, ...more) => {
		const jar = jars.getStore();
		const asking = request({ ...options, headers: { ...options.headers, ...jar.headers } }, ...more);

		return asking.on('response', (answer) => {
			const [cookie] = answer.headers['set-cookie'] ?? [];

			if (cookie) jar.headers = { Cookie: cookie.split(';')[0] };
		});
	};
}
const SockJS = require('sockjs-client');

function talk(transport) {
	return new Promise((resolve, reject) => {
		const socket = new SockJS(url, null, { transports: [transport] });
		const timer = setTimeout(() => reject(new Error(`${transport}: took too long`)), TIMEOUT_MS);
		const sent = Array.from({ length: MESSAGES }, (_, at) => crypto.randomBytes(1 + at * 1800).toString('hex'));
		let instance;
		let next = 0;

		socket.onmessage = ({ data }) => {
			if (!instance) {
				instance = data;
				return socket.send(sent[0]);
			}
			if (data !== sent[next]) return reject(new Error(`${transport}: message ${next} came back as another one`));
			if (++next === MESSAGES) return socket.close();
			return socket.send(sent[next]);
		};
		socket.onclose = ({ code, reason }) => {
			clearTimeout(timer);
			if (next === MESSAGES) resolve(instance);
			else reject(new Error(`${transport}: closed with ${code} ${reason} after ${next} messages`));
		};
	});
}

async function main() {
	const told = { met: {}, wrong: [] };
	const all = TRANSPORTS.flatMap((transport) =>
		Array.from({ length: Number(sessions) }, async () => {
			try {
				const instance = await jars.run({ headers: {} }, () => talk(transport));

				(told.met[transport] ??= []).push(instance);
			} catch (error) {
				told.wrong.push(error.message);
			}
		}),
	);

	await Promise.all(all);
	console.log(JSON.stringify(told));
	http.globalAgent.destroy();
	process.exit(0);
}

main();
