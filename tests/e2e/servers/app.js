// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a browser does that has logged in to site.js: a WebSocket, an upload, SockJS by each transport. Tells the instance
 * what became of it.
 */
'use strict';

const MEGABYTES = Number(new URLSearchParams(location.search).get('megabytes') ?? 100);
const BLOCK = 1e6;
const TRANSPORTS = ['websocket', 'xhr-streaming', 'xhr-polling'];

function hex(bytes) {
	return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/* Messages come back as they were sent. */
function websocket() {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(`wss://${location.host}/websocket`);
		const sent = ['hello', 'x'.repeat(100000), 'bye'];
		let next = 0;

		socket.onopen = () => sent.forEach((text) => socket.send(text));
		socket.onerror = () => reject(new Error('the WebSocket failed'));
		socket.onmessage = ({ data }) => {
			if (data !== sent[next++]) reject(new Error('another message came back'));
			if (next === sent.length) socket.close(1000);
		};
		socket.onclose = ({ code, wasClean }) => resolve({ messages: next, code, wasClean });
	});
}

async function upload() {
	const blocks = Array.from({ length: MEGABYTES }, () => new Uint8Array(BLOCK));

	for (const block of blocks) {
		for (let at = 0; at < BLOCK; at += 50000) crypto.getRandomValues(block.subarray(at, at + 50000));
	}
	const body = new Blob(blocks);
	const digest = hex(await crypto.subtle.digest('SHA-256', await body.arrayBuffer()));
	const answer = await fetch('/upload', { method: 'POST', body });
	const said = await answer.json();

	return { status: answer.status, bytes: said.bytes, isTheSame: said.sha256 === digest };
}

async function download() {
	const answer = await fetch(`/bytes/${MEGABYTES * BLOCK}`);

	return (await answer.arrayBuffer()).byteLength;
}

function sockjs(transport) {
	return new Promise((resolve, reject) => {
		const socket = new SockJS('/sockjs', null, { transports: [transport] });
		let instance;
		let messages = 0;

		socket.onmessage = ({ data }) => {
			if (!instance) instance = data;
			else if (data !== 'y'.repeat(messages++ * 3000)) reject(new Error(`${transport}: another message came back`));
			if (messages < 8) socket.send('y'.repeat(messages * 3000));
			else socket.close();
		};
		socket.onclose = ({ code, reason }) => (messages === 8 ? resolve(instance) : reject(new Error(`${code} ${reason}`)));
	});
}

async function outcome(promise) {
	try {
		return await promise;
	} catch (error) {
		return String(error);
	}
}

async function main() {
	const told = {
		protocol: performance.getEntriesByType('navigation')[0].nextHopProtocol,
		cookie: document.cookie, // the session's is not for scripts
		isSecure: window.isSecureContext,
		websocket: await outcome(websocket()),
		upload: await outcome(upload()),
		download: await outcome(download()),
	};

	if (window.SockJS) told.sockjs = await Promise.all(TRANSPORTS.map((transport) => outcome(sockjs(transport))));
	await fetch('/result', { method: 'POST', body: JSON.stringify(told) });
}

main();
