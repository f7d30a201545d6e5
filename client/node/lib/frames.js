// SPDX-License-Identifier: MIT
// Frames of worker/PROTOCOL.md: four bytes of length, then a JSON object.
import {HALVES, jsonRead} from './json.js';
import {FRAME_BYTES_MAX} from './limits.js';

// The bytes of a frame out of the text of its JSON.
export function frameBytes(json) {
    const length = Buffer.byteLength(json);
    if (length > FRAME_BYTES_MAX)
        throw new RangeError(`a frame of ${length} bytes`);
    const bytes = Buffer.allocUnsafe(4 + length);
    bytes.writeUInt32BE(length, 0);
    bytes.write(json, 4);
    return bytes;
}

// A text as the other side can read it: no half of a surrogate pair, no NUL.
export function textClean(text) {
    return text.replace(HALVES, '\ufffd').replaceAll('\0', '\ufffd');
}

// A stream that makes no sense. `kind`: length, json or type, what is wrong.
export class FrameError extends Error {
    name = 'FrameError';

    constructor(kind, text) {
        super(text);
        this.kind = kind;
    }
}

function frameRead(bytes) {
    let frame;
    try {
        frame = jsonRead(new TextDecoder('utf-8', {fatal: true,
                                                   ignoreBOM: true})
            .decode(bytes));
    } catch (err) {
        throw new FrameError('json', `a frame that is no JSON: ${
            err.message}`);
    }
    if (frame === null || typeof frame !== 'object' || Array.isArray(frame))
        throw new FrameError('json', 'a frame that is no object');
    if (typeof frame.type !== 'string')
        throw new FrameError('type', 'a frame without a type');
    return frame;
}

// Puts frames together out of the pieces in which they arrive. It holds one
// frame at most, and what came with its end.
export class FrameReader {
    #chunks = [];
    #length = 0;

    // The frames that are complete now. Throws a FrameError where the stream
    // makes no sense; nothing more can be read from it then.
    *push(chunk) {
        this.#chunks.push(chunk);
        this.#length += chunk.length;
        while (this.#length >= 4) {
            const size = this.#head().readUInt32BE(0);
            if (size === 0 || size > FRAME_BYTES_MAX)
                throw new FrameError('length', `a frame of ${size} bytes`);
            if (this.#length < 4 + size)
                break;
            const all = this.rest;
            this.#chunks = [all.subarray(4 + size)];
            this.#length = all.length - 4 - size;
            yield frameRead(all.subarray(4, 4 + size));
        }
    }

    // What has come of a frame that is not complete.
    get rest() {
        return this.#chunks.length === 1 ? this.#chunks[0]
                                         : Buffer.concat(this.#chunks);
    }

    // At least four bytes in one piece.
    #head() {
        if (this.#chunks[0].length < 4)
            this.#chunks = [this.rest];
        return this.#chunks[0];
    }
}
