// SPDX-License-Identifier: MIT
// The vectors that all clients share (tests/vectors).
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';

import {CronError, cronNextMs, cronParse} from '../lib/cron.js';
import {Refused} from '../index.js';
import {FrameReader} from '../lib/frames.js';
import {jsonRead} from '../lib/json.js';
import {partName, partOfId, partSlot} from '../lib/parts.js';
import {cronStart, taskMake} from '../lib/task.js';
import {timeRead, timeWrite} from '../lib/time.js';

const folder = new URL('../../../tests/vectors/', import.meta.url);

function vectors(name) {
    const all = jsonRead(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
    assert.ok(all.length > 10, name);
    return all;
}

// What only the text of JSON can tell apart: a number of JavaScript is no
// longer "1.0", and a key named twice is one.
const OF_TEXT = ['reals that are whole', 'timeout keeps its number',
                 'durability 2.0', 'no JSON: a name twice',
                 'no JSON: a key twice, deep down'];

test('queue_task', () => {
    const left = [];
    let n = 0;
    for (const v of vectors('queue_task')) {
        let task = v.task;
        if (OF_TEXT.includes(v.name)) {
            left.push(v.name);
            continue;
        }
        if (v.json !== undefined) {
            try {
                task = jsonRead(v.json);
            } catch (err) {
                assert.ok(err instanceof SyntaxError, v.name);
                assert.match(v.errors?.task ?? '', /^is not JSON/, v.name);
                continue;
            }
        }
        n++;
        if (v.errors === undefined) {
            const t = taskMake(task);
            if (v.now_ms !== undefined)
                cronStart(t, v.now_ms);
            const args = [t.id, t.function, t.start, t.stop, t.rules, t.text];
            if (v.args[0] === null) {
                assert.match(t.id, /^[0-9a-hjkmnp-tv-z]{26}$/, v.name);
                args[0] = null;
            }
            assert.deepEqual(args, v.args, v.name);
            assert.equal(t.group, v.group, v.name);
            continue;
        }
        assert.throws(() => taskMake(task), (err) => {
            assert.ok(err instanceof Refused, String(err.stack));
            if (v.errors.task?.startsWith('is not JSON')) {
                assert.match(Object.values(err.errors)[0], /^is not JSON: /);
                return true;
            }
            for (const [field, text] of Object.entries(v.errors))
                if (text.endsWith('…'))
                    assert.ok(err.errors[field]?.startsWith(text.slice(0, -1)),
                              `${v.name}: ${err.errors[field]}`);
                else
                    assert.equal(err.errors[field], text, v.name);
            assert.deepEqual(Object.keys(err.errors).sort(),
                             Object.keys(v.errors).sort(), v.name);
            return true;
        });
    }
    assert.deepEqual(left.sort(), OF_TEXT.sort());
    assert.ok(n > 200, `${n} vectors`);
});

test('parts', () => {
    for (const v of vectors('parts')) {
        assert.equal(partSlot(v.id), v.slot, v.id);
        assert.equal(partOfId(v.id, v.parts), v.part, v.id);
        assert.equal(partName(v.group, v.part), v.name);
    }
});

test('times', () => {
    for (const v of vectors('times')) {
        if (v.written !== undefined)
            assert.equal(timeWrite(v.ms), v.written);
        else if (v.error)
            assert.equal(timeRead(v.text), null, v.text);
        else
            assert.deepEqual(timeRead(v.text),
                             {ms: v.ms, relative: v.relative}, v.text);
    }
});

test('cron', () => {
    for (const v of vectors('cron')) {
        if (v.error !== undefined) {
            assert.throws(() => cronParse(v.expression), (err) => {
                assert.ok(err instanceof CronError);
                assert.equal(err.message, v.error);
                return true;
            });
            continue;
        }
        const cron = cronParse(v.expression);
        let at = timeRead(v.from)?.ms ?? Date.parse(v.from);
        for (const next of v.next) {
            at = cronNextMs(cron, v.timezone, at);
            assert.equal(at === null ? null : timeWrite(at), next,
                         `${v.expression} ${v.timezone}`);
        }
    }
});

test('frames', () => {
    for (const v of vectors('frames')) {
        const bytes = Buffer.from(v.hex, 'hex');
        for (const step of [1, 3, bytes.length || 1]) {
            const reader = new FrameReader();
            const frames = [];
            let error;
            try {
                for (let at = 0; at < bytes.length; at += step)
                    for (const f of reader.push(bytes.subarray(at, at + step)))
                        frames.push(f);
            } catch (err) {
                error = err.kind;
            }
            assert.deepEqual(frames, v.frames, v.name);
            assert.equal(error, v.error, v.name);
            if (error === undefined)
                assert.equal(reader.rest.toString('hex'), v.rest ?? '', v.name);
        }
    }
});
