// SPDX-License-Identifier: MIT
// Tasks in JavaScript through Redis and a worker of the built program.
import assert from 'node:assert/strict';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import {fileURLToPath} from 'node:url';

import {Client} from '../index.js';
import {Server, libraries} from './server.mjs';

const TASKS = `
import {NoRetry, Retry, serve, task} from 'stint';
import {setTimeout as sleep} from 'node:timers/promises';

task('echo', (run, ...args) => ({args, vars: run.vars, attempt: run.attempt}));
task('loud', (run) => { for (let i = 0; i < 300; i++) console.log('line ' + i);
    console.error('the end'); });
task('bug', () => { null.x; });
task('flaky', (run) => { if (run.attempt < 3) throw new Retry();
    return run.attempt; });
task('hopeless', () => { throw new NoRetry('why'); });
task('crash', () => process.kill(process.pid, 'SIGSEGV'));
task('late', async () => { setTimeout(() => { throw new Error('late'); }, 5);
    await sleep(100000); });
task('polite', async (run) => { run.progress(10, 'begun');
    await sleep(100000, null, {signal: run.signal}).catch(() => {});
    run.log('cleaned up after ' + run.signal.reason.reason + '\\n'); });
task('deaf', () => { for (;;); });
serve();
`;

const server = await new Server().start();
test.after(() => server.stop());
const {found} = await libraries(server);
const connect = Object.values(found)[0];

test('tasks through a worker', {
    skip: connect ? false : 'neither redis nor ioredis is here'}, async () => {
    const tasks = path.join(server.folder, 'tasks.mjs');
    writeFileSync(tasks, TASKS);
    mkdirSync(path.join(server.folder, 'node_modules'), {recursive: true});
    symlinkSync(fileURLToPath(new URL('..', import.meta.url)),
                path.join(server.folder, 'node_modules', 'stint'));
    const names = [...TASKS.matchAll(/^task\('(\w+)'/gm)].map((m) => m[1]);
    const config = path.join(server.folder, 'worker.json');
    writeFileSync(config, JSON.stringify({
        concurrency: 3, tasks: Object.fromEntries(names.map((name) =>
            [name, {child: [process.execPath, tasks], processes: 3}]))}));
    const worker = server.worker('--config', config, '--name', 'w', '--grace',
                                 '0.5');
    const [conn, disconnect] = await connect();
    const client = new Client(conn);
    const end = async (fn, args, options) => {
        const id = await client.queueTask(fn, args, options);
        await client.wait(id, {timeout: 30}).catch((err) => {
            err.message += `; ${worker.log}`;
            throw err;
        });
        return client.taskStatus(id, {output: true, runs: true});
    };

    let t = await end('echo', ['é', 1.5, 2n ** 62n, null], {vars: {a: [1]}});
    assert.equal(t.status, 'COMPLETED', t.reason);
    assert.deepEqual(t.result, {args: ['é', 1.5, 2n ** 62n, null],
                                vars: {a: [1]}, attempt: 1});
    t = await end('loud');
    assert.equal(t.result, null);
    assert.equal(t.output.replace('the end\n', ''), Array.from(
        {length: 300}, (_, i) => `line ${i}\n`).join(''));
    assert.ok(t.output.includes('the end\n'), 'both streams');
    t = await end('bug');
    assert.equal(t.status, 'FAILED');
    assert.match(t.error, /^TypeError: Cannot read properties of null/);
    assert.match(t.output, /^TypeError: .*\n +at .*tasks\.mjs:/);
    t = await end('flaky', [], {retry_failed: 5, retry_delay: 60});
    assert.equal(t.status, 'COMPLETED');
    assert.equal(t.result, 3, 'at once, not after a minute');
    t = await end('hopeless', [], {retry_failed: 5, retry_delay: 60});
    assert.equal(t.status, 'FAILED');
    assert.equal(t.error, 'why');
    assert.equal(t.runs.length, 1);
    t = await end('deaf', [], {timeout: 0.5});
    assert.equal(t.status, 'TIMEOUT');

    const polite = await client.queueTask('polite');
    while ((await client.taskStatus(polite)).status !== 'RUNNING')
        await new Promise((resolve) => setTimeout(resolve, 20));
    let seen;
    do {
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen = (await client.taskStatus(polite)).progress;
    } while (!seen);
    assert.deepEqual(seen, {percent: 10, text: 'begun'});
    assert.deepEqual((await server.stintJson('task-status', polite)).progress,
                     seen);
    const others = await client.queueTasks([
        ...['crash', 'late'].map((fn) => ({function: fn})),
        ...Array.from({length: 200}, (_, i) =>
            ({function: 'echo', args: [i]}))]);
    const statuses = await client.wait(others, {timeout: 30});
    assert.deepEqual(statuses.slice(0, 2), ['FAILED', 'FAILED']);
    assert.deepEqual(new Set(statuses.slice(2)), new Set(['COMPLETED']));
    t = await client.taskStatus(others[0], {runs: true});
    assert.equal(t.runs[0].evidence.signal, 11);
    t = await client.taskStatus(others[1], {output: true});
    assert.equal(t.error, 'Error: late');
    assert.equal(await client.stopTask(polite), false);
    await client.wait(polite, {timeout: 10});
    t = await client.taskStatus(polite, {output: true});
    assert.equal(t.status, 'STOPPED');
    assert.match(t.output, /cleaned up after stopped\n/);

    await disconnect();
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGTERM');
    assert.equal(await gone, 0);
    await server.stint('fsck');
});
