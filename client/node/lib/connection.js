// SPDX-License-Identifier: MIT
// The connection that the caller has, or one of our own: node-redis and
// ioredis behind one call. Both send what is given them in one turn in one
// write, so calls that are made together travel together.
import {createRequire} from 'node:module';
import path from 'node:path';

import {StintError} from './errors.js';

const REPLY_ERRORS = ['ErrorReply', 'SimpleError', 'BlobError', 'ReplyError'];

// What Redis itself answered, as the error of the library it came by.
export function isReplyError(err) {
    return REPLY_ERRORS.includes(err?.constructor?.name) ||
        REPLY_ERRORS.includes(err?.name);
}

export function isClosedError(err) {
    return err?.constructor?.name === 'ClientClosedError' ||
        err?.message === 'Connection is closed.';
}

// A module of the program that uses us, or one that we can see ourselves.
function moduleOf(name) {
    const program = process.argv[1] ?? path.join(process.cwd(), 'program');
    for (const from of [program, import.meta.url]) {
        try {
            return createRequire(from)(name);
        } catch (err) {
            if (err.code !== 'MODULE_NOT_FOUND')
                throw err;
        }
    }
    return null;
}

function urlCheck(url) {
    if (!/^(rediss?|unix):\/\//.test(url))
        throw new StintError('INVALID', `${url.split(':', 1)[0]}: only ` +
            'redis://, rediss:// and unix:// are opened here; pass a ' +
            'connected client of redis or ioredis for anything else');
}

async function openRedis(redis, url) {
    const conn = redis.createClient(url.startsWith('unix://')
        ? {socket: {path: url.slice(7)}} : {url});
    conn.on('error', () => {}); // calls tell
    conn.connect().catch(() => {});
    return conn;
}

function openIoredis(ioredis, url) {
    const Redis = ioredis.default ?? ioredis;
    const conn = new Redis(url.startsWith('unix://') ? url.slice(7) : url,
                           {autoResendUnfulfilledCommands: false,
                            maxRetriesPerRequest: null});
    conn.on('error', () => {});
    return conn;
}

function open(url) {
    urlCheck(url);
    const redis = moduleOf('redis');
    if (redis !== null)
        return openRedis(redis, url);
    const ioredis = moduleOf('ioredis');
    if (ioredis !== null)
        return openIoredis(ioredis, url);
    throw new StintError('INVALID', 'neither redis nor ioredis is installed: ' +
        'npm install redis');
}

// How often each connection was lost, as far as we heard.
const losses = new WeakMap();

function lossesCount(conn) {
    if (losses.has(conn))
        return;
    losses.set(conn, 0);
    for (const event of ['reconnecting', 'close'])
        conn.on?.(event, () => losses.set(conn, losses.get(conn) + 1));
}

export class Connection {
    #conn = null;
    #own; // a promise of the one that we opened

    // A connected client of redis or ioredis, or a URL.
    constructor(given) {
        if (typeof given === 'string') {
            this.#own = Promise.resolve(open(given)).then((conn) =>
                this.#take(conn));
            this.#own.catch(() => {});
        } else {
            this.#take(given);
        }
    }

    #take(conn) {
        if (typeof conn?.call !== 'function' &&
            typeof conn?.sendCommand !== 'function')
            throw new TypeError('Client: a connected client of redis or ' +
                                'ioredis is wanted, or a URL');
        this.#conn = conn;
        lossesCount(conn);
    }

    // When it grows, the library may have sent calls again by itself.
    get losses() {
        return losses.get(this.#conn) ?? 0;
    }

    get isCluster() {
        return this.#conn?.isCluster === true ||
            typeof this.#conn?.getSlotMaster === 'function' ||
            typeof this.#conn?.slotNodeClient === 'function' ||
            this.#conn?.constructor?.name === 'RedisCluster';
    }

    get isReady() {
        return this.#conn?.isReady ?? this.#conn?.status === 'ready';
    }

    // A command about a key, which in a cluster says where it goes.
    async command(key, argv) {
        if (this.#conn === null)
            await this.#own;
        const conn = this.#conn;
        if (typeof conn.call === 'function') // ioredis
            return conn.isCluster && argv[0] !== 'FCALL'
                ? this.#toAll(argv) : conn.call(...argv);
        return this.isCluster ? conn.sendCommand(key, false, argv)
                              : conn.sendCommand(argv);
    }

    // ioredis cannot be told where a command without a key goes.
    async #toAll(argv) {
        const replies = await Promise.all(this.#conn.nodes('master').map(
            (node) => node.call(...argv)));
        return replies[0];
    }

    // Closes what was opened here, and leaves the caller's as it was.
    async close() {
        await this.#own?.catch(() => {});
        const conn = this.#conn;
        if (this.#own === undefined || conn === null)
            return;
        if (typeof conn.call === 'function')
            conn.disconnect();
        else
            await (conn.destroy?.() ?? conn.disconnect()).catch?.(() => {});
    }
}
