// SPDX-License-Identifier: MIT
// A child of a worker: takes run after run over the socket that it inherited,
// by worker/PROTOCOL.md.
import net from 'node:net';

import {failureFrame, traceback} from './failure.js';
import {FrameReader, frameBytes} from './frames.js';
import {jsonWrite} from './json.js';
import {RESULT_BYTES_MAX} from './limits.js';
import {Run} from './run.js';

const PROTOCOL = 1;

const handlers = new Map(); // function -> handler
let isServing = false;

// Says which function of a task is done by `handler(run, ...args)`. What it
// returns, or what its promise brings, is the result.
export function task(name, handler) {
    if (typeof name !== 'string' || !/^[A-Za-z0-9_.:/-]{1,128}$/.test(name))
        throw new TypeError('task: a name of 1 to 128 of A-Za-z0-9_.:/- ' +
                            'is wanted');
    if (typeof handler !== 'function')
        throw new TypeError(`task ${name}: a function is wanted`);
    if (handlers.has(name))
        throw new Error(`task ${name}: there is one already`);
    if (isServing)
        throw new Error(`task ${name}: comes after serve()`);
    handlers.set(name, handler);
    return handler;
}

// Everything written to it so far is in the pipe, or nobody reads it any more.
// Writes to pipes may be completed later, and what comes after "done" would be
// lost to the run.
function flushed(stream) {
    return new Promise((resolve) => {
        if (stream.destroyed || stream.writableLength === 0)
            resolve();
        else
            stream.write('', () => resolve());
    });
}

function outputFlushed() {
    return Promise.all([flushed(process.stdout), flushed(process.stderr)]);
}

const LEAVE_MS = 2000; // should nobody read the pipes any more

async function leave(status) {
    setTimeout(() => process.exit(status), LEAVE_MS);
    await outputFlushed();
    process.exit(status);
}

// ---- The socket -------------------------------------------------------------

class Child {
    #socket;
    #reader = new FrameReader();
    #run = null; // the one going on
    #isLeaving = false;

    constructor(fd) {
        this.#socket = new net.Socket({fd, readable: true, writable: true});
        this.#socket.on('data', (chunk) => this.#hear(chunk));
        this.#socket.on('end', () => this.#end());
        this.#socket.on('error', (err) => this.#fault(err.message));
        process.on('uncaughtException', (err) => this.#uncaught(err));
        this.#send({type: 'hello', protocol: PROTOCOL,
                    functions: [...handlers.keys()],
                    name: `node ${process.versions.node}`});
    }

    #send(frame) {
        if (!this.#isLeaving)
            this.#socket.write(frameBytes(JSON.stringify(frame)));
    }

    #leave(status) {
        if (this.#isLeaving)
            return;
        this.#isLeaving = true;
        leave(status);
    }

    // The worker does not keep to the protocol.
    #fault(text) {
        if (this.#isLeaving)
            return;
        process.stderr.write(`stint: from the worker: ${text}\n`);
        this.#leave(1);
    }

    #end() {
        if (this.#reader.rest.length > 0)
            this.#fault('the socket ended within a frame');
        else
            this.#leave(0);
    }

    #hear(chunk) {
        if (this.#isLeaving)
            return;
        try {
            for (const frame of this.#reader.push(chunk))
                this.#take(frame);
        } catch (err) {
            this.#fault(err.message);
        }
    }

    #take(frame) {
        if (this.#isLeaving)
            return;
        switch (frame.type) {
        case 'run':
            this.#begin(frame);
            break;
        case 'cancel': // may have crossed with the end of its run
            if (this.#run?.runId === frame.run)
                Run.cancel(this.#run, String(frame.reason));
            break;
        case 'ping':
            this.#send({type: 'pong', n: frame.n});
            break;
        case 'exit':
            this.#leave(0);
        }
    }

    // ---- Runs ---------------------------------------------------------------

    #begin(frame) {
        if (this.#run !== null)
            throw new Error('a second run at once');
        if (typeof frame.run !== 'string' || frame.task === null ||
            typeof frame.task !== 'object' ||
            !Array.isArray(frame.task.args ?? []))
            throw new Error('a run without its task');
        const run = new Run(frame, (more) =>
            this.#send({...more, run: frame.run}));
        this.#run = run;
        // In a turn of its own: frames behind this one come first.
        setImmediate(() => this.#perform(run));
    }

    async #perform(run) {
        let frame;
        try {
            const handler = handlers.get(run.function);
            if (handler === undefined)
                throw new Error(`there is no task ${run.function} here`);
            frame = doneFrame(await handler(run, ...run.task.args ?? []));
        } catch (err) {
            frame = JSON.stringify(failureFrame(err));
        }
        await this.#finish(run, frame);
    }

    // The last frame of a run, once.
    async #finish(run, frame) {
        await outputFlushed();
        if (this.#run !== run || this.#isLeaving)
            return;
        Run.close(run);
        this.#run = null;
        this.#socket.write(frameBytes(
            `{"run":${JSON.stringify(run.runId)},${frame.slice(1)}`));
    }

    // Nobody caught it: what goes on in here is not known any more.
    async #uncaught(err) {
        const run = this.#run;
        if (this.#isLeaving)
            return;
        this.#isLeaving = true;
        process.stderr.write(`stint: uncaught: ${traceback(err)}\n`);
        if (run !== null) {
            const frame = {...failureFrame(err), run: run.runId};
            await outputFlushed();
            this.#socket.end(frameBytes(JSON.stringify(frame)));
            await flushed(this.#socket);
        }
        leave(1);
    }
}

// The frame "done" as text, without its run.
function doneFrame(value) {
    let text;
    try {
        text = jsonWrite(value);
    } catch (err) {
        throw new TypeError(`the result is not JSON: ${
            err.message}`, {cause: err});
    }
    if (text === undefined && value !== undefined)
        throw new TypeError(`the result is not JSON: it is a ${typeof value}`);
    if (text === undefined)
        return '{"type":"done"}';
    const bytes = Buffer.byteLength(text);
    if (bytes > RESULT_BYTES_MAX)
        throw new RangeError(`the result has ${bytes} bytes, more than ${
            RESULT_BYTES_MAX}`);
    return `{"type":"done","result":${text}}`;
}

// Takes runs until the worker has no more. Ends the process then; it does not
// return.
export function serve() {
    const fd = process.env.STINT_CHILD_FD;
    if (fd === undefined || !/^\d+$/.test(fd))
        throw new Error('serve: there is no worker. It starts this program: ' +
            '{"tasks": {"NAME": {"child": ["node", "FILE"]}}}');
    if (isServing)
        throw new Error('serve: is called twice');
    if (handlers.size === 0)
        throw new Error('serve: there is no task to serve');
    delete process.env.STINT_CHILD_FD; // programs of ours are no children
    isServing = true;
    new Child(Number(fd));
}
