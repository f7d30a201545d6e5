// SPDX-License-Identifier: MIT
// Children, driven by a worker of our own (driver.mjs).
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import test from 'node:test';

import {Driver, frame} from './driver.mjs';

const TASKS = `
import {NoRetry, Retry, serve, task} from 'stint';
import {spawnSync} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';

task('sum', (run, ...numbers) => numbers.reduce((a, b) => a + b, 0));
task('echo', async (run, value) => value);
task('facts', (run, first, second) => ({
    id: run.id, runId: run.runId, fence: run.fence, attempt: run.attempt,
    deadline: run.deadline, function: run.function, groupName: run.groupName,
    vars: run.vars, parents: run.parents, name: run.task.task_name,
    isCancelled: run.isCancelled, first, second}));
task('bug', () => { null.x; });
task('thrower', (run, value) => { throw value; });
task('cause', () => {
    throw new Error('outside', {cause: new RangeError('inside')}); });
task('retry', (run, after) => { throw new Retry({after}); });
task('now', () => { throw new Retry(); });
task('never', () => { throw new NoRetry('a bad file'); });
task('cycle', () => { const a = []; a[0] = a; return a; });
task('huge', () => 2n ** 64n);
task('function', () => () => 1);
task('nan', () => [NaN]);
task('large', () => 'x'.repeat(300000));
task('talk', (run) => { run.progress(50, 'half'); run.log('a line\\n');
                        console.log('on stdout'); console.error('on stderr');
                        return 1; });
task('busy', (run) => { for (let i = 0; i <= 100; i++) run.progress(i); });
task('odd', (run) => { run.log('a\\ud800b\\0c'); });
task('loud', () => { for (let i = 0; i < 20000; i++)
    console.log(String(i).padStart(99, '-')); return 'done'; });
task('patient', (run) => new Promise((resolve, reject) => {
    run.progress(0, 'waiting');
    run.signal.addEventListener('abort', () =>
        setTimeout(reject, 10, run.signal.reason)); }));
task('asks', async (run) => { run.progress(0);
    while (!run.isCancelled) await sleep(5);
    return run.signal.reason.reason; });
task('deaf', async (run) => { run.progress(0); await sleep(100000); });
task('later', async () => { setTimeout(() => { throw new Error('late'); }, 5);
    await sleep(100000); });
task('rejects', async () => { Promise.reject(new TypeError('lost'));
    await sleep(100000); });
task('dies', () => process.kill(process.pid, 'SIGKILL'));
task('quits', () => { process.exit(3); });
task('descriptors', () => spawnSync('ls', ['-l', '/proc/self/fd'],
    {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}).stdout);
task('environment', () => process.env.STINT_CHILD_FD ?? null);
serve();
`;

async function started(options) {
    const d = new Driver(TASKS, options);
    const hello = await d.next();
    assert.equal(hello?.type, 'hello', d.stderr);
    return d;
}

test('hello comes first and says what it can do', async () => {
    const d = new Driver(TASKS);
    const hello = await d.next();
    assert.equal(hello.type, 'hello');
    assert.equal(hello.protocol, 1);
    assert.equal(hello.name, `node ${process.versions.node}`);
    assert.deepEqual(hello.functions.slice(0, 3), ['sum', 'echo', 'facts']);
    assert.equal(await d.end(), 0);
    assert.equal(d.stderr, '');
});

test('runs one after the other, with positional arguments', async () => {
    const d = await started();
    assert.deepEqual(await d.result('sum', [1, 2, 3]),
                     {type: 'done', run: 'sum@1', result: 6});
    assert.deepEqual(await d.result('sum', [40, 2]),
                     {type: 'done', run: 'sum@2', result: 42});
    for (const value of [0, false, '', null, [], {}, 0.5, 'ünï', [{a: [1]}]])
        assert.deepEqual((await d.result('echo', [value])).result, value);
    assert.ok(!('result' in await d.result('echo', [])), 'undefined: none');
    assert.equal(await d.end(), 0);
});

test('a run knows itself', async () => {
    const d = await started();
    const {result} = await d.result('facts', ['a', {b: 1}], {
        vars: {size: 3}, attempt: 2, fence: 1795472718425184,
        group_name: 'images', task_name: 'a label',
        parents: {p: {status: 'COMPLETED', result: 5}}});
    assert.deepEqual(result, {
        id: 'facts', runId: 'facts@1', fence: 1795472718425184, attempt: 2,
        deadline: 1795472718425, function: 'facts', groupName: 'images',
        vars: {size: 3}, parents: {p: {status: 'COMPLETED', result: 5}},
        name: 'a label', isCancelled: false, first: 'a', second: {b: 1}});
    await d.end();
});

test('integers beyond 2^53 keep their digits', async () => {
    const d = await started();
    const json = JSON.stringify({type: 'run', run: 'r', task: {
        id: 'r', function: 'echo', args: ['@']}}).replace('"@"',
        '[9223372036854775807,-9007199254740993,9007199254740991,"1234567890' +
        '1234567890"]');
    const head = Buffer.alloc(4);
    head.writeUInt32BE(json.length);
    let raw = '';
    d.socket.on('data', (chunk) => { raw += chunk.toString('latin1'); });
    d.socket.write(Buffer.concat([head, Buffer.from(json)]));
    assert.equal((await d.next()).type, 'done');
    assert.ok(raw.includes('[9223372036854775807,-9007199254740993,' +
                           '9007199254740991,"12345678901234567890"]'), raw);
    await d.end();
});

test('an error has its text and the frames of the handler alone', async () => {
    const d = await started();
    const f = await d.result('bug');
    assert.equal(f.type, 'failed');
    assert.match(f.error, /^TypeError: Cannot read properties of null/);
    assert.match(f.traceback, /^TypeError: Cannot read/);
    assert.match(f.traceback, /tasks\.mjs:\d+:\d+/);
    assert.doesNotMatch(f.traceback, /child\.js|node:internal/);
    assert.ok(!('retry' in f));
    const caused = await d.result('cause');
    assert.equal(caused.error, 'Error: outside');
    assert.match(caused.traceback, /RangeError: inside/);
    assert.equal((await d.result('thrower', ['just text'])).error,
                 'just text');
    assert.equal((await d.result('thrower', [{code: 5}])).error,
                 'thrown: { code: 5 }');
    assert.equal((await d.result('thrower', ['é'.repeat(600)])).error,
                 'é'.repeat(500), 'cut at 1,000 bytes');
    assert.match((await d.result('unheard')).error, /no task unheard/);
    assert.equal((await d.result('sum', [1])).result, 1, 'the child lives on');
    await d.end();
});

test('advice on the next try', async () => {
    const d = await started();
    assert.deepEqual(await d.result('retry', [5]), {
        type: 'failed', run: 'retry@1', error: 'to be tried again in 5 s',
        retry: 5});
    assert.deepEqual(await d.result('now'), {
        type: 'failed', run: 'now@2', error: 'to be tried again',
        retry: 'now'});
    assert.deepEqual(await d.result('never'), {
        type: 'failed', run: 'never@3', error: 'a bad file', retry: 'never'});
    assert.match((await d.result('retry', [-1])).error,
                 /^RangeError: Retry: after must be/);
    await d.end();
});

test('results that are no JSON fail', async () => {
    const d = await started();
    const wanted = {
        cycle: /nested deeper than 64/, huge: /more than 64 bits/,
        nan: /not JSON: it holds NaN/, function: /not JSON: it is a function/,
        large: /300002 bytes, more than 262144/};
    for (const [name, text] of Object.entries(wanted)) {
        const f = await d.result(name);
        assert.equal(f.type, 'failed', name);
        assert.match(f.error, text);
    }
    await d.end();
});

test('progress and output', async () => {
    const d = await started();
    const run = d.run('talk');
    assert.deepEqual(await d.next(),
                     {type: 'progress', percent: 50, text: 'half', run});
    assert.deepEqual(await d.next(),
                     {type: 'output', text: 'a line\n', run});
    assert.deepEqual(await d.next(), {type: 'done', result: 1, run});
    const busy = d.run('busy');
    assert.deepEqual(await d.next(), {type: 'progress', percent: 0, run: busy});
    assert.deepEqual(await d.next(),
                     {type: 'progress', percent: 100, run: busy},
                     'of many the last');
    assert.deepEqual(await d.next(), {type: 'done', run: busy});
    d.run('odd');
    assert.equal((await d.next()).text, 'a\ufffdb\ufffdc');
    await d.end();
    assert.equal(d.stdout, 'on stdout\n');
    assert.equal(d.stderr, 'on stderr\n');
});

for (const through of [null, 'sleep 0.6; cat'])
test(`all output is written before done: ${through ?? 'a socket'}`,
     async () => {
    const d = await started({through});
    d.process.stdout.pause();
    const run = d.run('loud');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(d.frames, [], 'nobody has read its 2 MB yet');
    d.process.stdout.resume();
    assert.deepEqual(await d.next(), {type: 'done', result: 'done', run});
    await d.end();
    assert.equal(d.stdout.length, 20000 * 100);
    assert.ok(d.stdout.endsWith('--19999\n'));
});

test('a cancelled run hears why', async () => {
    const d = await started();
    const run = d.run('patient');
    assert.equal((await d.next()).text, 'waiting');
    d.send({type: 'cancel', run: 'another@1', reason: 'stopped'});
    d.send({type: 'cancel', run, reason: 'timeout'});
    const f = await d.next();
    assert.equal(f.type, 'failed');
    assert.equal(f.error, 'Cancelled: the run is cancelled: timeout');
    const asks = d.run('asks');
    assert.equal((await d.next()).type, 'progress');
    d.send({type: 'cancel', run: asks, reason: 'shutdown'});
    assert.deepEqual(await d.next(),
                     {type: 'done', result: 'shutdown', run: asks});
    d.send({type: 'cancel', run: asks, reason: 'stopped'}); // crossed
    assert.equal((await d.result('sum', [1])).result, 1);
    await d.end();
});

test('a handler that is deaf goes on until it is killed', async () => {
    const d = await started();
    const run = d.run('deaf');
    await d.next();
    d.send({type: 'cancel', run, reason: 'timeout'});
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(d.frames, []);
    d.process.kill('SIGKILL');
    assert.equal(await d.exit, 'SIGKILL');
});

test('what nobody catches fails the run once and ends the child', async () => {
    for (const [name, error] of [['later', 'Error: late'],
                                 ['rejects', 'TypeError: lost']]) {
        const d = await started();
        const f = await d.result(name);
        assert.equal(f.type, 'failed');
        assert.equal(f.error, error);
        assert.match(f.traceback, /tasks\.mjs/);
        assert.equal(await d.next(), null, 'no second frame');
        assert.equal(await d.exit, 1);
        assert.match(d.stderr, new RegExp(`stint: uncaught: ${error}`));
    }
});

test('a child that dies says nothing', async () => {
    let d = await started();
    assert.equal(await d.result('dies'), null);
    assert.equal(await d.exit, 'SIGKILL');
    d = await started();
    assert.equal(await d.result('quits'), null);
    assert.equal(await d.exit, 3);
});

test('pings are answered, unknown frames are not', async () => {
    const d = await started();
    d.send({type: 'news', of: 'tomorrow'});
    d.send({type: 'ping', n: 41, more: true});
    assert.deepEqual(await d.next(), {type: 'pong', n: 41});
    await d.end();
});

test('frames may come in pieces', async () => {
    const d = await started();
    const bytes = frame({type: 'ping', n: 1});
    for (const byte of bytes) {
        d.socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.deepEqual(await d.next(), {type: 'pong', n: 1});
    d.socket.write(Buffer.concat([frame({type: 'ping', n: 2}),
                                  frame({type: 'ping', n: 3}).subarray(0, 9)]));
    assert.deepEqual(await d.next(), {type: 'pong', n: 2});
    d.socket.write(frame({type: 'ping', n: 3}).subarray(9));
    assert.deepEqual(await d.next(), {type: 'pong', n: 3});
    await d.end();
});

test('the end of the socket is the end', async () => {
    let d = await started();
    d.socket.end();
    assert.equal(await d.exit, 0);
    d = await started();
    d.run('deaf');
    await d.next();
    d.socket.end();
    assert.equal(await d.exit, 0, 'in a run, too');
});

test('nonsense ends the child, with a word on stderr', async () => {
    const length = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n);
                            return b; };
    const text = (s) => Buffer.concat([length(s.length), Buffer.from(s)]);
    const cases = [
        [length(0), /a frame of 0 bytes/],
        [length(4 * 1024 * 1024 + 1), /a frame of 4194305 bytes/],
        [Buffer.from('GET / HTTP/1.1\r\n'), /a frame of 1195725856 bytes/],
        [text('{"type":'), /no JSON/],
        [text('[]'), /no object/],
        [text('null'), /no object/],
        [text('{"kind":"ping"}'), /without a type/],
        [Buffer.from([0, 0, 0, 2, 0xc3, 0x28]), /no JSON/],
        [text('{"type":"run","run":"r"}'), /a run without its task/],
    ];
    await Promise.all(cases.map(async ([bytes, wanted]) => {
        const d = await started();
        d.socket.write(bytes);
        assert.equal(await d.exit, 1, String(wanted));
        assert.match(d.stderr, /^stint: from the worker: /);
        assert.match(d.stderr, wanted);
    }));
    const d = await started();
    d.socket.end(frame({type: 'ping', n: 1}).subarray(0, 7));
    assert.equal(await d.exit, 1);
    assert.match(d.stderr, /ended within a frame/);
});

test('programs of a handler do not get the socket', async () => {
    const d = await started();
    assert.doesNotMatch((await d.result('descriptors')).result,
                        / (?!1 )\d+ -> socket:/); // 1 is its own
    assert.equal((await d.result('environment')).result, null);
    await d.end();
});

test('without a worker it says so', () => {
    const index = new URL('../index.js', import.meta.url);
    const run = (source, env = {}) => spawnSync(process.execPath,
        ['--input-type=module', '-e', source.replace('stint', index)],
        {encoding: 'utf8', env: {...process.env, ...env}});
    let r = run(`import {serve, task} from 'stint'; task('a', () => 1); ` +
                'serve()');
    assert.notEqual(r.status, 0);
    assert.match(r.stderr, /serve: there is no worker/);
    r = run(`import {serve} from 'stint'; serve()`, {STINT_CHILD_FD: '3'});
    assert.match(r.stderr, /no task to serve/);
    r = run(`import {task} from 'stint'; task('a b', () => 1)`);
    assert.match(r.stderr, /TypeError: task: a name of/);
    r = run(`import {task} from 'stint'; task('a', () => 1); ` +
            `task('a', () => 2)`);
    assert.match(r.stderr, /there is one already/);
});
