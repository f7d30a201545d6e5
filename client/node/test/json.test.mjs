// SPDX-License-Identifier: MIT
// JSON, byte by byte as the C library writes it. The reals were written by
// printf's %.17g.
import assert from 'node:assert/strict';
import test from 'node:test';

import {JsonError, jsonRead, jsonWrite, realWrite} from '../lib/json.js';

test('reals have 17 digits, and exact halves go to the even one', () => {
    for (const [x, text] of [
        [0.1, '0.10000000000000001'], [1 / 3, '0.33333333333333331'],
        [2 ** -25, '2.9802322387695312e-8'],
        [3 * 2 ** -25, '8.9406967163085938e-8'],
        [2 ** -24, '5.9604644775390625e-8'], [1e-5, '1.0000000000000001e-5'],
        [0.0001, '0.0001'], [1, '1.0'], [1e16, '10000000000000000.0'],
        [1e17, '1e17'], [2 ** 60, '1.152921504606847e18'],
        [-1e300, '-1.0000000000000001e300'], [5e-324,
                                              '4.9406564584124654e-324']])
        assert.equal(realWrite(x), text);
});

test('values', () => {
    for (const [v, text] of [
        [[1, -1, 0, -0, 2 ** 53 - 1], '[1,-1,0,0,9007199254740991]'],
        [[1.5, 2 ** 53], '[1.5,9007199254740992.0]'],
        [2n ** 63n - 1n, '9223372036854775807'],
        ['\b\f\n\r\t"\\/\x01\x1f\x7f é😀',
         '"\\b\\f\\n\\r\\t\\"\\\\/\\u0001\\u001F\x7f é😀"'],
        [{b: 1, a: undefined, c: () => 1}, '{"b":1}'],
        [[undefined, null], '[null,null]'],
        [new Date(0), '"1970-01-01T00:00:00.000Z"'],
        [[new Number(1), new String('s'), new Boolean(false)], '[1,"s",false]'],
        [Object.create(null, {x: {value: 1, enumerable: true}}), '{"x":1}']])
        assert.equal(jsonWrite(v), text);
    assert.equal(jsonWrite(undefined), undefined);
});

test('what C could not read is refused', () => {
    const cycle = {};
    cycle.cycle = [cycle];
    for (const [v, text] of [
        [NaN, /it holds NaN/], [[-Infinity], /it holds -Infinity/],
        [2n ** 63n, /more than 64 bits/], [-(2n ** 63n) - 1n, /64 bits/],
        ['\ud800', /surrogate/], [{'\udc00x': 1}, /surrogate/],
        ['a\0', /NUL/], [cycle, /nested deeper than 64/]])
        assert.throws(() => jsonWrite(v), (err) =>
            err instanceof JsonError && text.test(err.message));
});

test('integers beyond 2^53 are read as BigInts, and nothing else is', () => {
    const text = '{"12345678901234567890":[12345678901234567890,-9007199254740' +
        '992,9007199254740991,0.12345678901234567,1234567890123456789e0,' +
        '"12345678901234567890","\\"12345678901234567890"]}';
    assert.deepEqual(jsonRead(text), {'12345678901234567890': [
        12345678901234567890n, -9007199254740992n, 9007199254740991,
        0.12345678901234567, 1234567890123456800, '12345678901234567890',
        '"12345678901234567890']});
    assert.throws(() => jsonRead('[01234567890123456789]'), SyntaxError);
});
