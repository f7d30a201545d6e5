// SPDX-License-Identifier: MIT
// Promises about disks and replicas (client/lib/durability.c): refused where
// Redis is not set up for them, and waited for after the tasks are queued.
import {Refused, StintError} from './errors.js';
import {CALL_DEADLINE_MS} from './limits.js';

export function durabilityMost(tasks) {
    return {level: Math.max(1, ...tasks.map((t) => t.durability.level)),
            replicas: Math.max(0, ...tasks.map((t) => t.durability.replicas))};
}

function refuse(text) {
    return new Refused('INVALID', {durability: text});
}

async function settingGet(caller, name) {
    let reply;
    try {
        reply = await caller.command(caller.base(null), ['CONFIG', 'GET',
                                                         name]);
    } catch (err) {
        if (err.code === 'UNKNOWN')
            throw err;
        throw refuse(`Redis does not let us see its setting ${name} (CONFIG ` +
                     `GET): ${err.message}`);
    }
    const value = Array.isArray(reply) ? reply[1]
        : reply instanceof Map ? reply.get(name) : reply?.[name];
    if (value === undefined)
        throw refuse(`Redis does not let us see its setting ${name} (CONFIG ` +
                     'GET)');
    return value;
}

export async function durabilityCheck(caller, {level, replicas}) {
    if (level === 1 && replicas === 0)
        return;
    if (caller.connection.isCluster)
        throw refuse('of a cluster it is not known here; the command line ' +
                     'can do it');
    if (level < 2)
        return;
    const appendonly = await settingGet(caller, 'appendonly');
    if (appendonly !== 'yes')
        throw refuse('Redis has no append-only file ' +
                     `(appendonly ${appendonly})`);
    const fsync = await settingGet(caller, 'appendfsync');
    if (fsync !== 'always')
        throw refuse('Redis does not sync each write (appendfsync is ' +
                     `${fsync}, not always)`);
    if (level === 3 &&
        !(await settingGet(caller, 'min-replicas-to-write') >= 1))
        throw refuse('Redis takes writes without replicas ' +
                     '(min-replicas-to-write is 0)');
}

// WAIT speaks of the writes of its own connection, which may be a new one since
// the tasks were queued. So a write goes right before it: replicas that have
// that have all before.
export async function durabilityWait(caller, {replicas}, group) {
    if (replicas === 0)
        return;
    const key = `${caller.base(group)}:written`;
    const ms = Math.floor(Math.min(CALL_DEADLINE_MS, caller.timeoutMs) * 0.8);
    let n;
    try {
        [, n] = await Promise.all([
            caller.command(key, ['SET', key, '1', 'PX', '1000']),
            caller.command(key, ['WAIT', String(replicas), String(ms)])]);
    } catch (err) {
        throw new StintError('UNKNOWN', 'queued, but whether replicas have ' +
            `it is not known: ${err.message}`, {cause: err});
    }
    if (n < replicas)
        throw new StintError('UNKNOWN', `queued, but only ${n} of ${
            replicas} replicas have confirmed it`);
}
