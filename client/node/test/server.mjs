// SPDX-License-Identifier: MIT
// What the tests with a Redis share: a redis-server of their own on a unix
// socket, the built program, and the libraries for Redis that are here.
import {execFile, spawn} from 'node:child_process';
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {promisify} from 'node:util';

export const STINT = process.env.STINT;

export class Server {
    folder = mkdtempSync(path.join(tmpdir(), 'stint-node.'));
    socket = path.join(this.folder, 'redis.sock');
    url = `unix://${this.socket}`;
    #process = null;
    #spawned = [];

    async start(...settings) {
        this.#process = spawn('redis-server', [
            '--port', '0', '--unixsocket', this.socket, '--save', '',
            '--dir', this.folder, '--appendonly', 'yes', ...settings],
            {stdio: 'ignore'});
        for (let i = 0; i < 500 && !existsSync(this.socket); i++)
            await sleep(10);
        for (let i = 0; i < 500; i++) {
            if ((await this.cli('PING').catch(() => '')).trim() === 'PONG')
                return this;
            await sleep(10);
        }
        throw new Error('redis-server does not start');
    }

    async cli(...args) {
        const {stdout} = await promisify(execFile)(
            'redis-cli', ['-s', this.socket, ...args]);
        return stdout;
    }

    // The program: its stdout; throws with .code and .stderr.
    async stint(...args) {
        const {stdout} = await promisify(execFile)(STINT, args, {
            env: {...process.env, STINT_URL: this.url},
            maxBuffer: 1 << 28});
        return stdout;
    }

    async stintJson(...args) {
        return JSON.parse(await this.stint(...args, '--json'));
    }

    // What it says on stderr is in its .log.
    worker(...args) {
        const worker = spawn(STINT, ['worker', '--heartbeat', '0.5', ...args], {
            env: {...process.env, STINT_URL: this.url},
            stdio: ['ignore', 'ignore', 'pipe']});
        worker.log = '';
        worker.stderr.on('data', (text) => { worker.log += text; });
        this.#spawned.push(worker);
        return worker;
    }

    // Ends the redis-server at once, as a fault would.
    async kill() {
        const gone = new Promise((resolve) =>
            this.#process.once('exit', resolve));
        this.#process.kill('SIGKILL');
        await gone;
        rmSync(this.socket, {force: true});
    }

    async stop() {
        for (const child of this.#spawned.filter((c) => c.exitCode === null)) {
            const gone = new Promise((resolve) => child.once('exit', resolve));
            child.kill('SIGKILL');
            await gone;
        }
        await this.kill();
        rmSync(this.folder, {recursive: true, force: true});
    }
}

// Between a client and Redis: lets a call through, and breaks the connection
// instead of bringing its answer.
export class Proxy {
    drop = null;  // a call with this word in it is the next to lose its answer
    dropped = 0;
    #server;
    #open = new Set();

    constructor(redis) {
        this.socket = path.join(redis.folder, `proxy-${process.hrtime()[1]}`);
        this.#server = net.createServer((client) => {
            const upstream = net.connect(redis.socket);
            let isDoomed = false;
            for (const one of [client, upstream]) {
                this.#open.add(one);
                one.on('error', () => {});
                one.on('close', () => {
                    client.destroy();
                    upstream.destroy();
                    this.#open.delete(one);
                });
            }
            client.on('data', (bytes) => {
                if (this.drop !== null && bytes.includes(this.drop)) {
                    this.drop = null;
                    isDoomed = true;
                }
                upstream.write(bytes);
            });
            upstream.on('data', (bytes) => {
                if (isDoomed) {
                    this.dropped++;
                    client.destroy();
                } else {
                    client.write(bytes);
                }
            });
        });
    }

    async start() {
        await new Promise((resolve) =>
            this.#server.listen(this.socket, resolve));
        return this;
    }

    stop() {
        for (const one of this.#open)
            one.destroy();
        return new Promise((resolve) => this.#server.close(resolve));
    }
}

// A module that is here; NODE_PATH says where Debian has its own. null: none.
function moduleOf(name) {
    try {
        return createRequire(import.meta.url)(name);
    } catch {
        return null;
    }
}

// Installs ioredis into a folder, if npm can. null: it cannot.
async function ioredisOf(folder) {
    try {
        await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund',
            '--prefer-offline', '--fetch-retries', '0', '--prefix', folder,
            'ioredis'], {timeout: 15000});
        return createRequire(`${folder}/x.js`)('ioredis');
    } catch {
        return null;
    }
}

// Of the libraries that are here {name: connect(socket)}, where a connection
// comes with what ends it; the same for clusters; and the names of those that
// are not here. `server`: {folder, socket} or {folder, nodes: [[host, port]]}.
// isToInstall: ioredis, by npm, into that folder.
export async function libraries(server, isToInstall = false) {
    const found = {}, clusters = {}, missing = [];
    const redis = moduleOf('redis');
    const module = moduleOf('ioredis') ??
        (isToInstall ? await ioredisOf(server.folder) : null);
    const ioredis = module?.default ?? module;
    const opened = async (conn, isToConnect) => {
        conn.on('error', () => {});
        if (isToConnect)
            await conn.connect();
        return [conn, () => conn.disconnect()];
    };
    if (redis === null) {
        missing.push('redis');
    } else {
        found.redis = (socket = server.socket) =>
            opened(redis.createClient({socket: {path: socket}}), true);
        clusters.redis = () => opened(redis.createCluster({
            rootNodes: server.nodes.map(([host, port]) =>
                ({url: `redis://${host}:${port}`}))}), true);
        clusters.redis.oneNode = () => opened(redis.createClient({
            url: `redis://${server.nodes[0].join(':')}`}), true);
    }
    if (ioredis === null) {
        missing.push('ioredis');
    } else {
        found.ioredis = (socket = server.socket) =>
            opened(new ioredis(socket), false);
        clusters.ioredis = () => opened(new ioredis.Cluster(server.nodes.map(
            ([host, port]) => ({host, port: Number(port)}))), false);
        clusters.ioredis.oneNode = () => opened(new ioredis(
            Number(server.nodes[0][1]), server.nodes[0][0]), false);
    }
    return {found, clusters, missing};
}
