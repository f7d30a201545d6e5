// SPDX-License-Identifier: MIT
// What the package offers, for TypeScript.

// ---- Tasks ------------------------------------------------------------------

/** A run of a task, as its handler sees it. */
export interface Run {
    /** The task's id. */
    readonly id: string;
    readonly runId: string;
    /** Grows with each assignment of the task. */
    readonly fence: number;
    /** 1 for the first try. */
    readonly attempt: number;
    readonly function: string;
    readonly groupName: string;
    readonly vars: Record<string, any>;
    /** The tasks that it depended on, by the names it gave them. */
    readonly parents: Record<string, {status: string; result?: any}>;
    /** Seconds. */
    readonly timeout: number;
    /** Milliseconds since the epoch, by Redis's clock. */
    readonly deadline: number;
    /** All of the task. */
    readonly task: Record<string, any>;
    /** Aborted with a Cancelled when the run has to end. */
    readonly signal: AbortSignal;
    readonly isCancelled: boolean;
    /** What people see while it runs. */
    progress(percent?: number | null, text?: string | null): void;
    /** Text for the output of the run. */
    log(text: unknown): void;
}

export type Handler = (run: Run, ...args: any[]) => unknown;

/** Says which function is done by a handler. Comes before serve(). */
export function task<H extends Handler>(name: string, handler: H): H;

/** Takes runs from the worker that started this program, until it has none. */
export function serve(): void;

/** Thrown by a handler: failed, to be tried again after so many seconds. */
export class Retry extends Error {
    constructor(options?: {after?: number; reason?: string; cause?: unknown});
    readonly after: number;
}

/** Thrown by a handler: failed, and not to be tried again. */
export class NoRetry extends Error {
    constructor(reason?: string, options?: {cause?: unknown});
}

/** The reason of a run's signal. */
export class Cancelled extends Error {
    constructor(reason: string);
    /** timeout, stopped; others may come. */
    readonly reason: string;
}

// ---- Queueing ---------------------------------------------------------------

/** 'now', '+45s', '-2h', RFC 3339, or seconds since the epoch. */
export type Time = string | number | Date;

export interface TaskOptions {
    vars?: Record<string, unknown>;
    id?: string;
    task_name?: string;
    group_name?: string;
    start_time?: Time;
    stop_time?: Time;
    timeout?: number;
    repeats?: number;
    period?: number;
    prevent_drift?: boolean;
    cronline?: string;
    timezone?: string;
    retry_failed?: number;
    retry_delay?: number;
    retry_backoff?: number;
    retry_max_delay?: number;
    sync_output?: number;
    immediate?: boolean;
    priority?: number;
    depends_on?: string[];
    tags?: string[];
    on_dependency?: 'fail' | 'run';
    broadcast?: boolean;
    disabled?: boolean;
    result_ttl?: number;
    discard_results?: boolean;
    max_crashes?: number;
    durability?: 1 | 2 | 3 | string;
}

export interface Task extends TaskOptions {
    function: string;
    args?: unknown[];
}

export type Status = 'QUEUED' | 'ASSIGNED' | 'RUNNING' | 'COMPLETED' |
    'FAILED' | 'TIMEOUT' | 'STOPPED' | 'EXPIRED';

export interface RunStatus {
    run_id: string;
    status: string;
    worker: string;
    start_time: string | null;
    stop_time: string | null;
    result: any;
    output: string | null;
    error: string | null;
    evidence: Record<string, any> | null;
}

/** Times are RFC 3339 in UTC, or null. */
export interface TaskStatus {
    id: string;
    function: string;
    task_name: string;
    group_name: string;
    status: Status;
    args: any[];
    vars: Record<string, any>;
    start_time: string | null;
    stop_time: string | null;
    next_run_time: string | null;
    last_run_time: string | null;
    times_run: number;
    times_failed: number;
    worker: string;
    reason: string;
    tags: string[];
    priority: number;
    disabled?: true;
    cronline?: string;
    timezone?: string;
    /** Of a RUNNING task that says how far it is. */
    progress?: {percent: number | null; text: string};
    /** With `output`. */
    result?: any;
    output?: string | null;
    error?: string | null;
    /** With `runs`: newest first. */
    runs?: RunStatus[];
}

export interface GroupStats {
    group: string;
    queued: number;
    due: number;
    unknown: number;
    disabled: number;
    waiting: number;
    broadcasts: number;
    assigned: number;
    running: number;
    completed: number;
    failed: number;
    timeout: number;
    stopped: number;
    expired: number;
    retained: number;
    workers: number;
    oldest_due_ms: number;
    paused: boolean;
}

export interface WorkerStatus {
    name: string;
    host: string;
    pid: number;
    groups: string;
    status: string;
    concurrency: number;
    running: number;
    version: string;
    started: string | null;
    heartbeat_age_ms: number;
    shown: string;
    functions: string;
    load: number | null;
    skew_ms: number;
    reconnects: number;
    leases_lost: number;
    outbox: number;
    calls: number;
    calls_us: number;
    reaped: number;
    reaper_calls: number;
    rss_kb: number;
    runs: {id: string, function: string, since: string}[];
}

/** A connected client of redis or of ioredis. */
export type RedisConnection =
    | {sendCommand(...args: any[]): Promise<any>}
    | {call(command: string, ...args: any[]): Promise<any>};

export interface OfGroup {
    group_name?: string;
}

export class Client {
    constructor(connection?: RedisConnection | string,
                options?: {namespace?: string; timeout?: number});
    queueTask(fn: string, args?: unknown[],
              options?: TaskOptions): Promise<string>;
    queueTasks(tasks: Iterable<Task>, options?: {
        onProgress?: (queued: number, all: number) => void;
    }): Promise<string[]>;
    taskStatus(id: string, options?: OfGroup & {
        output?: boolean; runs?: boolean;
    }): Promise<TaskStatus>;
    wait(ids: string | Iterable<string>, options?: OfGroup & {
        timeout?: number;
    }): Promise<(Status | null)[]>;
    list(options?: OfGroup & {
        status?: Status; function?: string; limit?: number;
    }): Promise<TaskStatus[]>;
    stats(options?: OfGroup): Promise<GroupStats[]>;
    workers(): Promise<WorkerStatus[]>;
    /** False: it runs, and its worker is told to stop it. */
    stopTask(id: string, options?: OfGroup): Promise<boolean>;
    requeueTask(id: string,
                options?: OfGroup & {reset?: boolean}): Promise<void>;
    enableTask(id: string, options?: OfGroup): Promise<void>;
    disableTask(id: string, options?: OfGroup): Promise<void>;
    deleteTask(id: string, options?: OfGroup): Promise<void>;
    /** Ends a connection that the client made itself. */
    close(): Promise<void>;
}

/** Whatever goes wrong with a call. */
export class StintError extends Error {
    constructor(code: string, text: string, options?: {cause?: unknown});
    /** INVALID, EXISTS, NOTFOUND, STATE, UNREACHABLE, UNKNOWN, TIMEOUT… */
    readonly code: string;
}

/** Tasks that were not queued because of what they say. */
export class Refused extends StintError {
    constructor(code: string, errors: Record<string, string>, index?: number,
                id?: string | null);
    /** A text for each option that is wrong. */
    readonly errors: Record<string, string>;
    /** Which of a list, and its id if it has one. */
    readonly index: number;
    readonly id: string | null;
}
