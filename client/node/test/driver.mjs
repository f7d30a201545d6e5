// SPDX-License-Identifier: MIT
// A worker as far as a child sees one: it speaks worker/PROTOCOL.md over a
// descriptor 3, with frames of its own making, and keeps what it hears.
import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, symlinkSync,
        writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
export const NO_ANSWER_MS = 10000;

export function frame(object) {
    const json = Buffer.from(JSON.stringify(object));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(json.length);
    return Buffer.concat([head, json]);
}

export class Driver {
    stdout = '';
    stderr = '';
    frames = [];   // heard and not yet taken by next()
    #bytes = Buffer.alloc(0);
    #wakers = [];
    #isClosed = false;

    // The child runs `source`, which may import from 'stint'. `through` is a
    // program of the shell that its output goes through, by a real pipe; the
    // pipes of Node are sockets.
    constructor(source, {through = null} = {}) {
        this.folder = mkdtempSync(path.join(tmpdir(), 'stint-node.'));
        const file = path.join(this.folder, 'tasks.mjs');
        writeFileSync(file, source);
        mkdirSync(path.join(this.folder, 'node_modules'));
        symlinkSync(PACKAGE, path.join(this.folder, 'node_modules', 'stint'));
        const command = through === null ? [process.execPath, file]
            : ['sh', '-c', `"$0" "$1" | { exec 3>&-; ${through}; }`,
               process.execPath, file];
        this.process = spawn(command[0], command.slice(1), {
            stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
            env: {...process.env, STINT_CHILD_FD: '3'}});
        this.socket = this.process.stdio[3];
        this.socket.on('data', (chunk) => this.#hear(chunk));
        this.socket.on('error', () => {});
        this.process.stdout.on('data', (text) => { this.stdout += text; });
        this.process.stderr.on('data', (text) => { this.stderr += text; });
        this.exit = new Promise((resolve) => {
            this.process.on('close', (status, signal) => {
                this.#isClosed = true;
                this.#wake();
                rmSync(this.folder, {recursive: true, force: true});
                resolve(signal ?? status);
            });
        });
    }

    #wake() {
        for (const waker of this.#wakers.splice(0))
            waker();
    }

    #hear(chunk) {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        for (;;) {
            const size = this.#bytes.length >= 4
                ? this.#bytes.readUInt32BE() : Infinity;
            if (this.#bytes.length < 4 + size)
                break;
            const json = this.#bytes.toString('utf8', 4, 4 + size);
            this.frames.push(JSON.parse(json));
            this.#bytes = this.#bytes.subarray(4 + size);
        }
        this.#wake();
    }

    // The next frame, or null when the child has ended without one.
    async next() {
        const limit = setTimeout(() => this.process.kill('SIGKILL'),
                                 NO_ANSWER_MS);
        while (this.frames.length === 0 && !this.#isClosed)
            await new Promise((resolve) => this.#wakers.push(resolve));
        clearTimeout(limit);
        return this.frames.shift() ?? null;
    }

    send(object) {
        this.socket.write(frame(object));
    }

    run(fn, args = [], more = {}) {
        const id = `${fn}@${++this.runs}`;
        this.send({type: 'run', run: id, timeout: 60, deadline: 1795472718425,
                   task: {id: fn, function: fn, args, vars: {},
                          group_name: 'main', fence: 7, attempt: 1,
                          run_id: id, ...more}});
        return id;
    }
    runs = 0;

    // Runs it, and takes what comes until its end.
    async result(fn, args, more) {
        const run = this.run(fn, args, more);
        for (;;) {
            const f = await this.next();
            if (f === null || ((f.type === 'done' || f.type === 'failed') &&
                               f.run === run))
                return f;
        }
    }

    async end() {
        this.send({type: 'exit'});
        return this.exit;
    }
}
