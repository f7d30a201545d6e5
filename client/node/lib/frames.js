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

function frameRead(bytes) {
    const text = new TextDecoder('utf-8', {fatal: true}).decode(bytes);
    const frame = jsonRead(text);
    if (frame === null || typeof frame !== 'object' || Array.isArray(frame) ||
        typeof frame.type !== 'string')
        throw new Error('it is no object with a type');
    return frame;
}

// Puts frames together out of the pieces in which they arrive. It holds one
// frame at most, and what came with its end.
export class FrameReader {
    #chunks = [];
    #length = 0;

    // The frames that are complete now. Throws where the stream makes no
    // sense; nothing more can be read from it then.
    push(chunk) {
        const frames = [];
        this.#chunks.push(chunk);
        this.#length += chunk.length;
        while (this.#length >= 4) {
            const size = this.#head().readUInt32BE(0);
            if (size === 0 || size > FRAME_BYTES_MAX)
                throw new Error(`a frame of ${size} bytes`);
            if (this.#length < 4 + size)
                break;
            const all = this.#chunks.length === 1 ? this.#chunks[0]
                : Buffer.concat(this.#chunks);
            try {
                frames.push(frameRead(all.subarray(4, 4 + size)));
            } catch (err) {
                throw new Error(`a frame that cannot be read: ${err.message}`);
            }
            this.#chunks = [all.subarray(4 + size)];
            this.#length = all.length - 4 - size;
        }
        return frames;
    }

    // Did the stream end within a frame?
    get isPartial() {
        return this.#length > 0;
    }

    // At least four bytes in one piece.
    #head() {
        if (this.#chunks[0].length < 4)
            this.#chunks = [Buffer.concat(this.#chunks)];
        return this.#chunks[0];
    }
}
