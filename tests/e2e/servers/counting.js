// SPDX-License-Identifier: BSD-2-Clause
/*
 * An HTTP server that writes the target of each request whose body it has read to the file LOG, and answers 200.
 *
 *	node counting.js PORT LOG
 *
 * It prints "listening". SIGTERM ends it as an operator's restart does: at once, whatever is under way.
 */
'use strict';

const fs = require('fs');
const http = require('http');

const [port, log] = process.argv.slice(2);

http
	.createServer((req, res) => {
		req.resume();
		req.on('end', () => {
			fs.appendFileSync(log, `${req.method} ${req.url}\n`);
			res.end(`${req.method} ${req.url}`);
		});
	})
	.listen(Number(port), '127.0.0.1', () => console.log('listening'));
