// SPDX-License-Identifier: MIT
// A client of a Redis Cluster, with each library that is here.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import test from 'node:test';
import {fileURLToPath} from 'node:url';

import {Client, Refused, StintError} from '../index.js';
import {STINT, libraries} from './server.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'stint-node.'));
const program = fileURLToPath(new URL('../../../deploy/cluster',
                                      import.meta.url));
const run = (file, ...args) => execFileSync(file, args, {encoding: 'utf8'});
const url = run(program, 'start', path.join(folder, 'cluster')).trim();
const nodes = url.replace('redis+cluster://', '').split(',')
    .map((node) => node.split(':'));
const {clusters, missing} = await libraries({folder, nodes}, true);
test.after(() => {
    run(program, 'stop', path.join(folder, 'cluster'));
    rmSync(folder, {recursive: true, force: true});
});

for (const name of missing)
    test(`with ${name}`, {skip: `${name} is not here`}, () => {});

for (const [name, connect] of Object.entries(clusters))
test(`with ${name}`, async () => {
    for (const [host, port] of nodes) {
        run('redis-cli', '-h', host, '-p', port, 'FLUSHALL');
        run('redis-cli', '-h', host, '-p', port, 'FUNCTION', 'FLUSH');
    }
    const [conn, disconnect] = await connect();
    const client = new Client(conn);
    const groups = ['main', 'a', 'b', 'c', 'd', 'e', 'f'];
    const ids = await client.queueTasks(Array.from({length: 700}, (_, i) =>
        ({function: 'f', id: `t-${i}`, group_name: groups[i % 7]})));
    assert.equal(ids.length, 700);
    assert.equal((await client.list({limit: 0})).length, 700);
    assert.deepEqual((await client.stats()).map((row) => row.queued),
                     groups.map(() => 100));
    const own = await client.taskStatus('t-3', {output: true, runs: true});
    assert.deepEqual(own, JSON.parse(run(STINT, 'task-status', 't-3', '--url',
                                         url, '--json', '--output', '--runs')));
    await client.queueTask('f', [], {id: 'child', depends_on: ['t-0', 'a/t-1'],
                                     group_name: 'b'});
    assert.equal((await client.taskStatus('child')).reason,
                 'waits for 2 tasks');
    await assert.rejects(client.queueTask('f', [], {durability: 2}), (err) =>
        err instanceof Refused && /of a cluster/.test(err.message));
    await client.close();
    await disconnect();
});

test('a client of one node says what it needs', async (t) => {
    const connect = Object.values(clusters)[0]?.oneNode;
    if (connect === undefined)
        return t.skip('no library is here');
    const [conn, disconnect] = await connect();
    const client = new Client(conn);
    const asked = ['main', 'a', 'b', 'c', 'd', 'e', 'f'].map((group) =>
        client.stats({group_name: group}));
    const answers = await Promise.allSettled(asked);
    const refused = answers.filter((a) => a.status === 'rejected');
    assert.ok(refused.length > 0);
    for (const {reason} of refused) {
        assert.ok(reason instanceof StintError);
        assert.match(reason.message, /a node of a cluster: pass a client of/);
    }
    await disconnect();
});
