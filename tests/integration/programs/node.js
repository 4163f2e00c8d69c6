// SPDX-License-Identifier: MIT
// Buffers, files, a child, a worker thread, timers, a socket, and an exit code.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync, spawnSync } = require('child_process');
const fs = require('fs');
const net = require('net');

if (!isMainThread) {
    const words = new Map();
    for (let i = 0; i < 500; i++)
        words.set('word ' + i % workerData, i);
    parentPort.postMessage(words.size);
} else {
    console.log([...Array(300).keys()].map(i => i * 7919 % 307).sort((a, b) => a - b).slice(100, 105));
    const buffer = Buffer.alloc(200000, 'page fault ');
    fs.writeFileSync('out.bin', buffer);
    console.log(fs.readFileSync('out.bin').indexOf('fault', 150000));
    console.log(execFileSync('sort', ['-r'], { input: 'a\nc\nb\n' }).toString());
    console.log(spawnSync('sh', ['-c', 'exit 3']).status);
    const worker = new Worker(__filename, { workerData: 37 });
    worker.on('message', size => console.log('worker', size));
    worker.on('exit', () => {
        const server = net.createServer(socket => socket.pipe(socket));
        server.listen('socket', () => {
            const client = net.connect('socket', () => client.end('there and back'));
            client.on('data', data => console.log(data.toString()));
            client.on('close', () => server.close(() => setTimeout(() => { process.exitCode = 5; }, 10)));
        });
    });
}
