// SPDX-License-Identifier: MIT
// A client against a real redis-server, with each library that is here: what it
// queues, the program shows the same, and the other way round.
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import {Client, Refused, StintError} from '../index.js';
import {Proxy, Server, libraries} from './server.mjs';

const server = await new Server().start();
const {found, missing} = await libraries(server, true);
test.after(() => server.stop());

for (const name of missing)
    test(`with ${name}`, {skip: `${name} is not here`}, () => {});

// The same fields and values but for what the clock moves.
function same(own, other, what) {
    assert.deepEqual(Object.keys(own), Object.keys(other), what);
    const still = ({reason, ...rest}) => ({...rest,
        reason: reason.replace(/\d+\.\d/, 'x.x')});
    assert.deepEqual(still(own), still(other), what);
}

for (const [name, connect] of Object.entries(found))
test(`with ${name}`, async (t) => {
    await server.cli('FLUSHALL');
    const [conn, disconnect] = await connect();
    const client = new Client(conn);
    t.after(async () => {
        await client.close();
        await disconnect();
    });

    await t.test('the functions are loaded when they are missing', async () => {
        await server.cli('FUNCTION', 'FLUSH');
        const id = await client.queueTask('f');
        assert.match(id, /^[0-9a-z]{26}$/);
        assert.match(await server.cli('FUNCTION', 'LIST'), /stint_queue_task/);
        await server.cli('FUNCTION', 'FLUSH'); // while it is connected
        assert.equal((await client.taskStatus(id)).status, 'QUEUED');
        const library = (version) => '#!lua name=stint\n' +
            'redis.register_function{function_name=\'stint_fleet_list\', ' +
            `callback=function() return {'1', '', '${version} x', '0'} end, ` +
            'flags={\'no-writes\'}}';
        await server.cli('FUNCTION', 'LOAD', 'REPLACE', library(0));
        assert.equal((await new Client(conn).taskStatus(id)).status, 'QUEUED',
                     'an older library is replaced');
        await client.deleteTask(id);
        for (const version of [1, 2]) {
            await server.cli('FUNCTION', 'LOAD', 'REPLACE', library(version));
            assert.deepEqual(await new Client(conn).stats(), []);
            assert.doesNotMatch(await server.cli('FUNCTION', 'LIST'),
                                /stint_queue_task/, 'ours or newer: it stays');
        }
        await server.cli('FUNCTION', 'FLUSH');
    });

    await t.test('what is queued here, the program shows', async () => {
        const options = {
            id: 'all', vars: {size: '2x', ratio: 0.1, big: 2n ** 62n},
            task_name: 'a näme', start_time: '+1h', stop_time: '+2h',
            timeout: 2.5, repeats: 3, period: 7, retry_failed: 2,
            retry_backoff: 1.5, priority: -5, immediate: true, disabled: true,
            result_ttl: 60, max_crashes: 1, sync_output: 1};
        const id = await client.queueTask('resize', ['a "b" \n', 1, null],
                                          options);
        assert.equal(id, 'all');
        const own = await client.taskStatus(id, {output: true, runs: true});
        assert.equal(own.vars.big, 2n ** 62n);
        own.vars.big = Number(own.vars.big);
        same(own, await server.stintJson('task-status', id, '--output',
                                         '--runs'));
        assert.equal(own.reason, 'disabled');
        assert.deepEqual(own.args, ['a "b" \n', 1, null]);
        assert.equal(await server.cli('HGET', '{stint:main}:task', 'all'),
            'resize {"args":["a \\"b\\" \\n",1,null],"vars":{"size":"2x",' +
            '"ratio":0.10000000000000001,"big":4611686018427387904},' +
            '"task_name":"a näme","timeout":2.5,"sync_output":1.0}\n');
        const record = await server.cli('HGET', '{stint:main}:state', 'all');
        assert.match(record, new RegExp('^QUEUED 0 - - \\d+ 0 0 begin=\\d+ ' +
            'expire=\\d+ repeats=3 period=7000 retry=2 backoff=1.5 level=-4.5 ' +
            'disabled=1 ttl=60000 crashes=1'));
        await client.deleteTask('all');
    });

    await t.test('what the program queues is shown here', async () => {
        await server.stint('queue-task', 'f', '--id', 'c1', '--args',
                           '[1, {"a": [true]}]', '--start-time', '+1h',
                           '--cronline', '*/10 8 * * *', '--timezone',
                           'Europe/Rome');
        same(await client.taskStatus('c1', {runs: true, output: true}),
             await server.stintJson('task-status', 'c1', '--runs', '--output'));
        const own = await client.queueTask('f', [], {
            cronline: '*/10 8 * * *', timezone: 'Europe/Rome', id: 'c2',
            start_time: (await client.taskStatus('c1')).start_time});
        assert.equal((await client.taskStatus(own)).next_run_time,
                     (await client.taskStatus('c1')).next_run_time);
        await client.deleteTask('c1');
        await client.deleteTask('c2', {group_name: 'main'});
    });

    await t.test('refusals', async () => {
        await assert.rejects(client.queueTask('a b', {}, {timeout: 0, wat: 1}),
            (err) => {
                assert.ok(err instanceof Refused && err instanceof StintError);
                assert.equal(err.code, 'INVALID');
                assert.deepEqual(err.errors, {
                    timeout: 'must be a number of seconds > 0, at most ten ' +
                        'years',
                    wat: 'unknown option',
                    function: 'must be 1 to 128 of A-Za-z0-9_.:/-',
                    args: 'must be a JSON array'});
                return true;
            });
        await assert.rejects(client.queueTask('f', [NaN]), (err) =>
            err.errors.args === 'is not JSON: it holds NaN');
        await client.queueTask('f', [], {id: 'twice'});
        await assert.rejects(client.queueTask('f', [], {id: 'twice'}), (err) =>
            err instanceof Refused && err.code === 'EXISTS' &&
            err.errors.id === 'is there already in this group');
        await assert.rejects(client.queueTasks([
            {function: 'f', id: 'x1'}, {function: 'f', id: 'twice'},
            {function: 'f', id: 'x2'}]), (err) =>
            err.code === 'EXISTS' && err.index === 1 && err.id === 'twice');
        await assert.rejects(client.taskStatus('x1'), {code: 'NOTFOUND'},
                             'all or none of a batch');
        await assert.rejects(client.queueTask('f', [], {
            timezone: 'Europe/Rom', cronline: '* * *'}), (err) =>
            Object.keys(err.errors).join() === 'timezone,cronline');
        await client.deleteTask('twice');
    });

    await t.test('many, of several groups', async () => {
        const tasks = Array.from({length: 3000}, (_, i) => ({
            function: 'f', args: [i], id: `m-${i}`,
            group_name: i % 3 === 0 ? 'other' : 'main'}));
        const seen = [];
        const ids = await client.queueTasks(tasks, {
            onProgress: (n, all) => seen.push([n, all])});
        assert.deepEqual(ids, tasks.map((task) => task.id));
        assert.deepEqual(seen.at(-1), [3000, 3000]);
        const stats = await client.stats();
        const queued = Object.fromEntries(stats.map((row) => [row.group,
                                                              row.queued]));
        assert.deepEqual(queued, {main: 2000, other: 1000});
        const lines = (await server.stint('stats', '--json')).trim().split('\n')
            .map((line) => JSON.parse(line));
        for (const [i, row] of stats.entries()) {
            row.oldest_due_ms = lines[i].oldest_due_ms = 0;
            assert.deepEqual(row, {...row, ...lines[i]});
            assert.deepEqual(Object.keys(row).sort(),
                             Object.keys(lines[i]).sort());
        }
        assert.equal((await client.list({limit: 0})).length, 3000);
        assert.equal((await client.list({group_name: 'other', limit: 7}))
            .length, 7);
        await server.stint('fsck');
        await server.cli('FLUSHALL');
    });

    await t.test('large tasks go in batches of their own', async () => {
        const text = 'x'.repeat(300000);
        const fresh = new Client(conn);
        const ids = await fresh.queueTasks(Array.from({length: 9}, () =>
            ({function: 'f', args: [text]})));
        assert.equal((await fresh.taskStatus(ids[8])).args[0].length, 300000);
        await assert.rejects(fresh.queueTask('f', ['x'.repeat(1 << 20)]),
            (err) => err.errors.args ===
                'too big: with vars more than 1048432 bytes');
        await server.cli('FLUSHALL');
    });

    await t.test('tasks change', async () => {
        const c = new Client(conn);
        const id = await c.queueTask('f', [], {group_name: 'g'});
        await c.disableTask(id);
        assert.equal((await c.taskStatus(id)).reason, 'disabled');
        await c.enableTask(id);
        assert.equal((await c.taskStatus(id)).reason, 'waiting for a worker');
        assert.equal(await c.stopTask(id), true);
        same(await c.taskStatus(id, {output: true}),
             await server.stintJson('task-status', id, '--output'));
        assert.deepEqual(await c.wait([id]), ['STOPPED']);
        await assert.rejects(c.stopTask(id), {code: 'STATE'});
        await c.requeueTask(id, {reset: true});
        await assert.rejects(c.wait(id, {timeout: 0.05}), {code: 'TIMEOUT'});
        await c.deleteTask(id);
        for (const look of [() => c.deleteTask(id), () => c.taskStatus(id),
                            () => c.wait(id),
                            () => c.stopTask(id, {group_name: 'a b'})])
            await assert.rejects(look, {code: 'NOTFOUND'});
    });

    await t.test('tasks that depend on others', async () => {
        const c = new Client(conn);
        await server.cli('FLUSHALL');
        await c.queueTask('f', [], {id: 'p'});
        await c.queueTasks([
            {function: 'f', id: 'child', depends_on: ['mid', 'p']},
            {function: 'f', id: 'mid', group_name: 'far',
             depends_on: ['main/p']}]);
        assert.equal((await c.taskStatus('child')).reason, 'waits for 2 tasks');
        assert.equal(await server.cli('SMEMBERS', '{stint:far}:parents:mid'),
                     'main/p\n');
        assert.match(await server.cli('ZRANGE', '{stint:main}:children:p', '0',
                                      '-1'), /far\/mid/, 'the link is there');
        await c.stopTask('p');
        assert.deepEqual(await c.wait(['p', 'child'], {timeout: 10}),
                         ['STOPPED', 'FAILED']);
        assert.match((await c.taskStatus('child')).reason,
                     /it depends on main\/p, which ended STOPPED/);
        await assert.rejects(c.queueTask('f', [], {depends_on: ['nosuch']}),
            (err) => err.code === 'NOTFOUND' &&
                err.errors.depends_on === 'there is no task nosuch');
        await assert.rejects(c.queueTasks([
            {function: 'f', id: 'a', depends_on: ['b']},
            {function: 'f', id: 'b', depends_on: ['a']}]),
            (err) => err.errors.depends_on === 'a cycle: a -> b -> a');
        await server.stint('fsck');
    });

    await t.test('runs and their results', async () => {
        const c = new Client(conn);
        await server.cli('FLUSHALL');
        const config = path.join(server.folder, 'worker.json');
        writeFileSync(config, JSON.stringify({tasks: {
            good: {exec: ['sh', '-c', 'echo "$0 é"; echo "[1, null]" ' +
                '>&"$STINT_RESULT_FD"', '{args.0}']},
            bad: {exec: ['sh', '-c', 'echo out; echo err >&2; exit 3']},
            slow: {exec: ['sleep', '100']}}}));
        const worker = server.worker('--config', config, '--name', 'w');
        const ids = await c.queueTasks([
            {function: 'good', args: ['x y'], id: 'good', repeats: 2,
             period: 0.2},
            {function: 'bad', id: 'bad', retry_failed: 1, retry_delay: 0.1},
            {function: 'slow', id: 'slow', timeout: 0.5},
            {function: 'good', args: ['y'], id: 'all', broadcast: true},
            {function: 'slow', id: 'run'}]);
        assert.deepEqual(await c.wait(ids.slice(0, 4), {timeout: 20}),
                         ['COMPLETED', 'FAILED', 'TIMEOUT', 'COMPLETED']);
        for (const id of ids)
            same(await c.taskStatus(id, {output: true, runs: true}),
                 await server.stintJson('task-status', id, '--output',
                                        '--runs'));
        const good = await c.taskStatus('good', {output: true, runs: true});
        assert.deepEqual(good.result, [1, null]);
        assert.equal(good.output, 'x y é\n');
        assert.equal(good.runs.length, 2);
        const bad = await c.taskStatus('bad', {runs: true});
        assert.equal(bad.times_failed, 2);
        assert.equal(bad.runs[0].evidence.exit_status, 3);
        assert.equal((await c.taskStatus('run')).status, 'RUNNING');
        const listed = (await server.stint('list', '--json')).trim().split('\n')
            .map((line) => JSON.parse(line));
        const own = await c.list();
        for (const [i, task] of own.entries())
            same(task, listed[i]);
        const [fleet] = await c.workers();
        const shown = JSON.parse(await server.stint('workers', '--json'));
        for (const key of ['heartbeat_age_ms', 'load', 'skew_ms', 'running',
                           'calls', 'calls_us', 'reaper_calls', 'rss_kb',
                           'outbox', 'runs'])
            fleet[key] = shown[key] = typeof fleet[key];
        assert.deepEqual(fleet, shown);
        assert.equal(await c.stopTask('run'), false, 'its worker is told');
        assert.deepEqual(await c.wait('run', {timeout: 10}), ['STOPPED']);
        const gone = new Promise((resolve) => worker.once('exit', resolve));
        worker.kill('SIGTERM');
        await gone;
    });

    await t.test('a group in parts', async () => {
        const c = new Client(conn);
        await server.cli('FLUSHALL');
        await c.queueTask('f', [], {id: 'first', group_name: 'wide'});
        await c.deleteTask('first');
        await server.cli('DEL', '{stint:wide}:ids');
        await server.stint('group', 'wide', '--parts', '4');
        const ids = await c.queueTasks(Array.from({length: 500}, (_, i) =>
            ({function: 'f', group_name: 'wide', id: `w-${i}`})));
        for (const part of ['wide', 'wide~1', 'wide~2', 'wide~3']) {
            const n = Number(await server.cli('HLEN', `{stint:${part}}:task`));
            assert.ok(n > 60, `${part} has ${n}`);
        }
        const other = new Client(conn); // has not heard of parts
        assert.equal((await other.taskStatus(ids[17])).group_name, 'wide');
        assert.equal((await other.stats({group_name: 'wide'}))[0].queued, 500);
        assert.equal((await other.list({limit: 0})).length, 500);
        same(await other.taskStatus('w-3', {group_name: 'wide'}),
             await server.stintJson('task-status', 'w-3'));
        await server.stint('fsck');
    });

    await t.test('durability', async () => {
        const c = new Client(conn);
        await assert.rejects(c.queueTask('f', [], {durability: 2}), (err) =>
            /appendfsync is everysec, not always/.test(err.errors.durability));
        await server.cli('CONFIG', 'SET', 'appendfsync', 'always');
        await c.queueTask('f', [], {durability: 2});
        await assert.rejects(c.queueTask('f', [], {durability: 3}), (err) =>
            /min-replicas-to-write is 0/.test(err.errors.durability));
        const brief = new Client(conn, {timeout: 2});
        await assert.rejects(brief.queueTask('f', [], {
            durability: 'replicas=1'}), (err) => err.code === 'UNKNOWN' &&
            err.message === 'queued, but only 0 of 1 replicas have ' +
                'confirmed it');
        await server.cli('CONFIG', 'SET', 'appendfsync', 'everysec');
    });

    await t.test('a namespace of its own', async () => {
        const c = new Client(conn, {namespace: 'mine'});
        await c.queueTask('f', [], {id: 'n'});
        assert.equal(await server.cli('HGET', '{mine:main}:task', 'n'),
                     'f {}\n');
        assert.throws(() => new Client(conn, {namespace: 'a b'}),
                      {code: 'INVALID'});
    });

    await t.test('answers that get lost', async () => {
        await server.cli('FLUSHALL');
        const proxy = await new Proxy(server).start();
        const [lossy, end] = await connect(proxy.socket);
        const c = new Client(lossy);
        await c.stats();
        proxy.drop = 'stint_queue_task';
        assert.equal(await c.queueTask('f', [], {id: 'once'}), 'once');
        proxy.drop = 'stint_queue_task';
        const ids = await c.queueTasks(Array.from({length: 600}, (_, i) =>
            ({function: 'f', id: `l-${i}`})));
        assert.equal(ids.length, 600);
        proxy.drop = 'stint_stop_task';
        assert.equal(await c.stopTask('once'), true);
        proxy.drop = 'stint_delete_task';
        await c.deleteTask('once');
        assert.equal(proxy.dropped, 4);
        await assert.rejects(c.queueTask('f', [], {id: 'l-7'}),
                             {code: 'EXISTS'}, 'but not of others');
        assert.equal((await c.stats({group_name: 'main'}))[0].queued, 600);
        await end();
        await proxy.stop();
    });

    await t.test('a Redis that goes and comes back', async () => {
        const c = new Client(conn, {timeout: 20});
        await server.cli('FLUSHALL');
        const tasks = (from) => Array.from({length: 2000}, (_, i) =>
            ({function: 'f', id: `r-${from + i}`}));
        await c.queueTasks(tasks(0));
        const queueing = c.queueTasks(tasks(2000));
        const stopped = server.kill();
        await stopped;
        await server.start();
        assert.equal((await queueing).length, 2000);
        assert.equal((await c.stats({group_name: 'main'}))[0].queued, 4000);
        await server.stint('fsck');
    });
});

test('a URL', {skip: found.redis ? false : 'redis is not here'}, async () => {
    const client = new Client(server.url);
    const id = await client.queueTask('f');
    assert.equal((await client.taskStatus(id)).status, 'QUEUED');
    await client.close();
    const nobody = new Client('redis://127.0.0.1:1', {timeout: 0.5});
    await assert.rejects(nobody.queueTask('f'), {code: 'UNREACHABLE'});
    await nobody.close();
});

test('what is no Redis', () => {
    assert.throws(() => new Client('redis+cluster://a,b'),
                  /pass a connected client/);
    assert.throws(() => new Client({}), /a connected client/);
    assert.throws(() => new Client(undefined), {code: 'INVALID'});
});
