// SPDX-License-Identifier: MIT
// From what was thrown to the frame that says so.
import {fileURLToPath} from 'node:url';
import {inspect} from 'node:util';

import {NoRetry, Retry} from './errors.js';
import {textClean} from './frames.js';
import {ERROR_BYTES_MAX, OUTPUT_BYTES_MAX} from './limits.js';

const OWN = fileURLToPath(new URL('.', import.meta.url));

// At most so many bytes of UTF-8; no character is cut.
function cut(text, bytes) {
    const all = Buffer.from(textClean(text));
    if (all.length <= bytes)
        return all.toString();
    let end = bytes;
    while ((all[end] & 0xc0) === 0x80)
        end--;
    return all.toString('utf8', 0, end);
}

function isError(thrown) {
    return thrown instanceof Error ||
        Object.prototype.toString.call(thrown) === '[object Error]';
}

function errorText(thrown) {
    if (thrown instanceof NoRetry || thrown instanceof Retry)
        return thrown.message;
    if (isError(thrown))
        return thrown.message ? `${thrown.name}: ${thrown.message}`
                              : String(thrown.name);
    return typeof thrown === 'string' && thrown !== '' ? thrown
        : `thrown: ${inspect(thrown, {depth: 1, breakLength: Infinity})}`;
}

// The stack with causes and what else the error holds, without the frames of
// this package and of Node itself: people look for their own.
export function traceback(thrown) {
    const text = inspect(thrown, {depth: 3, maxArrayLength: 20,
                                  maxStringLength: 10000});
    return text.split('\n').filter((line) =>
        !/^\s+at /.test(line) ||
        !(line.includes(OWN) || line.includes('node:internal/'))).join('\n');
}

// The frame "failed", but for its run.
export function failureFrame(thrown) {
    const frame = {type: 'failed'};
    try {
        frame.error = cut(errorText(thrown), ERROR_BYTES_MAX);
        if (thrown instanceof NoRetry)
            frame.retry = 'never';
        else if (thrown instanceof Retry)
            frame.retry = thrown.after > 0 ? thrown.after : 'now';
        else if (isError(thrown))
            frame.traceback = cut(traceback(thrown), OUTPUT_BYTES_MAX);
    } catch (err) { // a getter of the error threw
        frame.error = `an error that cannot be shown: ${err?.name}`;
    }
    return frame;
}
