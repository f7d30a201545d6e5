// SPDX-License-Identifier: MIT
// What a handler is given of its run.
import {Cancelled} from './errors.js';
import {textClean} from './frames.js';

const PROGRESS_MS = 100; // people do not read faster
const TEXT_CHARS = 256 * 1024; // of a frame: all escaped, 1.5 MiB

// One run. `send(frame)` takes a frame without its run. Once it is over,
// nothing more goes out.
export class Run {
    #send;
    #abort = new AbortController();
    #progress = null; // to be sent when the timer fires
    #timer = null;
    #isOver = false;

    constructor(frame, send) {
        const task = frame.task;
        this.#send = send;
        this.id = task.id;
        this.runId = frame.run;
        this.fence = task.fence;
        this.attempt = task.attempt;
        this.function = task.function;
        this.groupName = task.group_name;
        this.vars = task.vars ?? {};
        this.parents = task.parents ?? {};
        this.timeout = frame.timeout;
        this.deadline = frame.deadline;
        this.task = task;
    }

    // Aborted when the run is to end, with a Cancelled as its reason.
    get signal() {
        return this.#abort.signal;
    }

    get isCancelled() {
        return this.#abort.signal.aborted;
    }

    // What people see while the task runs; either may be left out. Of many in a
    // short time the last one goes out.
    progress(percent, text) {
        if (percent != null && !Number.isFinite(percent))
            throw new TypeError('progress: percent must be a number');
        this.#progress = {type: 'progress'};
        if (percent != null)
            this.#progress.percent = percent;
        if (text != null)
            this.#progress.text = textClean(String(text).slice(0, TEXT_CHARS));
        if (this.#timer === null)
            this.#progressSend();
    }

    // Text for the output, beside stdout and stderr.
    log(text) {
        const all = textClean(String(text));
        for (let at = 0, end; at < all.length && !this.#isOver; at = end) {
            end = Math.min(at + TEXT_CHARS, all.length);
            end -= /[\ud800-\udbff]/.test(all[end - 1]); // no pair is parted
            this.#send({type: 'output', text: all.slice(at, end)});
        }
    }

    #progressSend() {
        if (this.#progress !== null && !this.#isOver) {
            this.#send(this.#progress);
            this.#progress = null;
            this.#timer = setTimeout(() => {
                this.#timer = null;
                this.#progressSend();
            }, PROGRESS_MS).unref();
        }
    }

    // Of the package: ask the handler to end.
    static cancel(run, reason) {
        run.#abort.abort(new Cancelled(reason));
    }

    // Of the package: no frame of this run after this call.
    static close(run) {
        run.#progressSend();
        run.#isOver = true;
        clearTimeout(run.#timer);
    }
}
