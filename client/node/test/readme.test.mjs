// SPDX-License-Identifier: MIT
// The page's examples do what it says, and the declarations name what there is.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import test from 'node:test';

import * as stint from '../index.js';
import {fieldsRead} from '../lib/fields.js';
import {Driver} from './driver.mjs';
import {Server, libraries} from './server.mjs';

const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const types = readFileSync(new URL('../index.d.ts', import.meta.url), 'utf8');
const [tasks, fetching, queueing, refusing] =
    [...page.matchAll(/```js\n(.*?)```/gs)].map((m) => m[1]);

test('the tasks', async (t) => {
    const answers = {'/gone': 404, '/busy': 503, '/here': 200};
    const web = http.createServer((request, response) => {
        response.writeHead(answers[request.url]).end('hello');
    });
    await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve));
    t.after(() => web.close());
    const url = `http://127.0.0.1:${web.address().port}`;
    const d = new Driver(tasks.replace('{task, serve}',
                                       '{NoRetry, Retry, task, serve}')
        .replace('serve();', `${fetching}\nserve();`));
    assert.deepEqual((await d.next()).functions, ['add', 'resize', 'fetch']);
    assert.equal((await d.result('add', [1, 2])).result, 3);
    const resize = d.run('resize', ['a.jpg', 640], {vars: {quality: 90}});
    assert.deepEqual(await d.next(), {type: 'progress', percent: 0,
                                      text: 'reading a.jpg', run: resize});
    assert.deepEqual((await d.next()).result,
                     {path: 'a.jpg', width: 640, quality: 90});
    assert.equal((await d.result('fetch', [`${url}/here`])).result, 'hello');
    const gone = await d.result('fetch', [`${url}/gone`]);
    assert.equal(gone.retry, 'never');
    assert.equal(gone.error, `${url}/gone is gone`);
    assert.equal((await d.result('fetch', [`${url}/busy`])).retry, 30);
    await d.end();
    assert.equal(d.stdout, 'this is in the output of the run\n');
});

test('the configuration', () => {
    const config = JSON.parse(/```json\n(.*?)```/s.exec(page)[1]);
    assert.deepEqual(config.tasks.add,
                     {child: ['node', 'tasks.mjs'], processes: 4});
});

const server = await new Server().start();
const {found} = await libraries(server);
test.after(() => server.stop());

test('queueing', {skip: found.redis ? false : 'redis is not here'},
     async () => {
    const [redis, disconnect] = await found.redis();
    const said = [];
    const body = (queueing + refusing).replace(/^import .*$/gm, '')
        .replace('const redis = createClient();\nawait redis.connect();', '');
    assert.doesNotMatch(body, /createClient/);
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction('redis', 'console', 'Client', 'Refused', body)(
        redis, {log: (v) => said.push(v)}, stint.Client, stint.Refused);
    assert.equal(said.length, 2);
    assert.equal(said[0].function, 'resize');
    assert.deepEqual(said[0].args, ['a.jpg', 640]);
    assert.match(said[0].reason, /^due in [45]\.\d s$/);
    assert.deepEqual(Object.keys(said[1]), ['timeout', 'period']);
    await disconnect();
});

test('its version is that of the library', () => {
    const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
    const header = read('../../include/stint/base.h');
    const version = ['MAJOR', 'MINOR', 'PATCH'].map((part) =>
        new RegExp(`VERSION_${part} +(\\d+)`).exec(header)[1]).join('.');
    assert.equal(JSON.parse(read('../package.json')).version, version);
});

test('the declarations name what there is', () => {
    const declared = [...types.matchAll(
        /^export (?:class|function) (\w+)/gm)].map((m) => m[1]);
    assert.deepEqual(declared.sort(), Object.keys(stint).sort());
    const body = (name) => new RegExp(
        `^export (?:class|interface) ${name}\\b.*?\\{\n(.*?)^\\}`, 'ms')
        .exec(types)[1];
    const methods = [...body('Client').matchAll(/^    (\w+)\(/gm)]
        .map((m) => m[1]);
    assert.deepEqual(methods.sort(),
                     Object.getOwnPropertyNames(stint.Client.prototype).sort());
    for (const name of methods.filter((m) => m !== 'constructor'))
        assert.ok(page.includes(name), `${name} is on the page`);
    const options = [...body('TaskOptions').matchAll(/^    (\w+)\?:/gm)]
        .map((m) => m[1]);
    const {errors} = fieldsRead(Object.fromEntries(
        [...options, 'function', 'args'].map((key) => [key, null])));
    assert.ok(!Object.values(errors).includes('unknown option'),
              JSON.stringify(errors));
    assert.equal(options.length, 28);
});
