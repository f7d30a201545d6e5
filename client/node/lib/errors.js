// SPDX-License-Identifier: MIT
// What can be thrown: by a handler, to a handler, and by a client.

// To be thrown by a handler: the run has failed, and is to be tried again
// `after` so many seconds; at once without it. It adds no tries.
export class Retry extends Error {
    name = 'Retry';

    constructor({after = 0, reason, cause} = {}) {
        super(reason ?? (after > 0 ? `to be tried again in ${after} s`
                                   : 'to be tried again'), {cause});
        if (typeof after !== 'number' || !(after >= 0) ||
            after === Infinity)
            throw new RangeError('Retry: after must be a number of ' +
                                 'seconds >= 0');
        this.after = after;
    }
}

// To be thrown by a handler: the run has failed, and no try is left.
export class NoRetry extends Error {
    name = 'NoRetry';

    constructor(reason = 'not to be tried again', options) {
        super(reason, options);
    }
}

// What a run's signal is aborted with: `reason` is timeout or stopped; others
// may come.
export class Cancelled extends Error {
    name = 'Cancelled';

    constructor(reason) {
        super(`the run is cancelled: ${reason}`);
        this.reason = reason;
    }
}

// Whatever goes wrong with a call of a client. `code` is one word, as the
// command line and the scripts know it: INVALID, EXISTS, NOTFOUND, STATE,
// UNREACHABLE, UNKNOWN, TIMEOUT and so on.
export class StintError extends Error {
    name = 'StintError';

    constructor(code, text, options) {
        super(text, options);
        this.code = code;
    }
}

// Tasks that are not queued because of what they say. `errors` has a text for
// each field that is wrong; `index` tells which task of a list.
export class Refused extends StintError {
    name = 'Refused';

    constructor(code, errors, index = 0, id = null) {
        const all = Object.entries(errors);
        const first = all.length > 0 ? `${all[0][0]}: ${all[0][1]}` : code;
        super(code, all.length > 1
            ? `${all.length} options are wrong; ${first}` : first);
        this.errors = errors;
        this.index = index;
        this.id = id;
    }
}
