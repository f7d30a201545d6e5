// SPDX-License-Identifier: MIT
// Calls of the published functions (docs/keys.md, Calling the functions). Every
// rule may be called again, so a call whose answer got lost is repeated, with
// growing pauses, until the time is up. A library that is missing or older than
// ours is loaded.
import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

import {isClosedError, isReplyError} from './connection.js';
import {StintError} from './errors.js';
import {CALL_DEADLINE_MS} from './limits.js';

const PROTOCOL = '1';
const RETRIED = ['UNKNOWN', 'UNREACHABLE', 'NOSCRIPT', 'LOADING', 'BUSY',
                 'READONLY'];
const OWN_WORDS = ['INVALID', 'EXISTS', 'NOTFOUND', 'STATE', 'STALE', 'LEASE',
                   'PROTOCOL', 'TOOBIG'];
const WORDS = [...OWN_WORDS, 'LOADING', 'READONLY', 'OOM', 'MISCONF', 'BUSY',
               'NOAUTH', 'NOSCRIPT', 'PARTS'];

export function mayRetry(err) {
    return err instanceof StintError && RETRIED.includes(err.code);
}

// Before try number `tries` + 1. False: no time is left until `until`.
export async function pause(tries, until) {
    const left = until - performance.now();
    if (left <= 0)
        return false;
    await sleep(Math.min(1000, 50 * 2 ** (tries - 1), left));
    return true;
}

function errorFromReply(text, cause) {
    const word = text.split(' ', 1)[0];
    if (text.startsWith('ERR Function not found'))
        return new StintError('NOSCRIPT', text, {cause});
    if (word === 'MOVED' || word === 'ASK')
        return new StintError('INVALID', 'this Redis is a node of a cluster: ' +
            'pass a client of the whole cluster', {cause});
    if (['WRONGPASS', 'NOPERM'].includes(word))
        return new StintError('NOAUTH', text, {cause});
    const code = word === 'MASTERDOWN' ? 'READONLY'
        : WORDS.includes(word) ? word : 'ERR';
    return new StintError(code, OWN_WORDS.includes(code)
        ? text.slice(word.length + 1) : text, {cause});
}

// ---- The library ------------------------------------------------------------

// The functions as they are loaded into Redis: they come with an installation,
// beside this package. null: this one has none.
let library;
function libraryText() {
    if (library !== undefined)
        return library;
    try {
        library = readFileSync(process.env.STINT_LIBRARY ??
            new URL('../library.lua', import.meta.url), 'utf8');
    } catch (err) {
        if (err.code !== 'ENOENT')
            throw err;
        library = null;
    }
    return library;
}

// The number of a library: "1 SHA1", as it says of itself.
function versionOf(text) {
    return Number.parseInt(text, 10) || 0;
}

// Is what Redis has our version, or newer? Another build of the same stays as
// it is: workers may need it so. Without a library of our own, what is there
// has to do.
function isOurs(there) {
    const own = /^local LIBRARY = '(.*?)'/m.exec(libraryText() ?? '');
    return own === null || versionOf(there) >= versionOf(own[1]);
}

// ---- Calls ------------------------------------------------------------------

export class Caller {
    #connection;
    #namespace;
    #loaded = null; // a promise

    constructor(connection, namespace, timeoutMs) {
        this.#connection = connection;
        this.#namespace = namespace;
        this.timeoutMs = timeoutMs;
    }

    get connection() {
        return this.#connection;
    }

    // The key a call is about; group null: the fleet.
    base(group) {
        return group === null ? `{${this.#namespace}}`
                              : `{${this.#namespace}:${group}}`;
    }

    // Any command, with its deadline; what goes wrong is a StintError.
    async command(key, argv) {
        let timer;
        const late = new Promise((resolve, reject) => {
            timer = setTimeout(() => reject(this.#connection.isReady
                ? new StintError('UNKNOWN', 'the reply did not come: outcome ' +
                                 'unknown')
                : new StintError('UNREACHABLE', 'Redis cannot be reached')),
                Math.min(CALL_DEADLINE_MS, this.timeoutMs));
        });
        try {
            return await Promise.race([this.#connection.command(key, argv),
                                       late]);
        } catch (err) {
            if (err instanceof StintError || err instanceof TypeError)
                throw err;
            if (isReplyError(err))
                throw errorFromReply(err.message, err);
            throw new StintError(isClosedError(err) ? 'CLOSED' : 'UNKNOWN',
                `${err.message || err.name}: outcome unknown`, {cause: err});
        } finally {
            clearTimeout(timer);
        }
    }

    // A call, once: its reply, an array that begins with Redis's time.
    async once(verb, group, args) {
        this.#loaded ??= this.#load(null).catch((err) => {
            this.#loaded = null;
            throw err;
        });
        await this.#loaded;
        try {
            return await this.#fcall(verb, group, args);
        } catch (err) {
            if (err instanceof StintError && err.code === 'NOSCRIPT')
                await this.#load(group);
            throw err;
        }
    }

    // A call with its retries. `seen.isRepeated` is set when it may have been
    // carried out more than once.
    async call(verb, group, args, seen = {}) {
        const until = performance.now() + this.timeoutMs;
        const losses = this.#connection.losses;
        for (let tries = 1; ; tries++) {
            try {
                return await this.once(verb, group, args);
            } catch (err) {
                if (!mayRetry(err) || !await pause(tries, until))
                    throw err;
                seen.isRepeated = true;
            } finally {
                seen.isRepeated ||= this.#connection.losses !== losses;
            }
        }
    }

    async #fcall(verb, group, args) {
        const key = this.base(group);
        const reply = await this.command(key, [
            'FCALL', `stint_${verb}`, '1', key, PROTOCOL, '0', ...args]);
        if (!Array.isArray(reply) || reply.length === 0)
            throw new StintError('PROTOCOL', 'a reply that makes no sense');
        return reply;
    }

    // Sees that the node with that group has the functions.
    async #load(group) {
        try {
            const reply = await this.#fcall('fleet_list', group, ['0']);
            if (isOurs(reply[2]))
                return;
        } catch (err) {
            if (err.code !== 'NOSCRIPT')
                throw err;
        }
        const text = libraryText();
        if (text === null)
            throw new StintError('ERR', 'Redis does not have Stint\'s ' +
                'functions, and this package has come without library.lua: ' +
                'let `stint stats` load them, or install Stint');
        try {
            await this.command(this.base(group),
                               ['FUNCTION', 'LOAD', 'REPLACE', text]);
        } catch (err) {
            if (err instanceof StintError)
                err.message = 'cannot load Stint\'s functions into Redis: ' +
                    err.message;
            throw err;
        }
    }
}

// Redis's clock at the time of a reply.
export function replyMs(reply) {
    return Math.floor(Number(reply[0]) / 1000);
}
