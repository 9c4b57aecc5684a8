// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Node's cluster module as a peer: the primary accepts, and passes each connection on to a worker, which runs the
// same server as a single instance does.  usage: node cluster.js SCRIPT WORKERS
const cluster = require('cluster');
const path = require('path');

const [, , script, workers] = process.argv;

if (cluster.isPrimary) {
	cluster.on('exit', () => process.exit(1));
	for (let i = 0; i < Number(workers); i++)
		cluster.fork();
} else {
	require(path.resolve(script));
}
