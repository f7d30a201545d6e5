/* SPDX-License-Identifier: MIT */
/* What can be done with one task, with those that were chosen, and with all that
 * a filter matches. The last is counted first, and goes by bounded steps. */
import {h, say, toast} from './dom.js';
import {post, remove, seg} from './api.js';
import {confirm, number, progress} from './dialog.js';
import {count, tasks} from './format.js';

/* word → how it is called; `from`: the states it makes sense in */
export const ACTIONS = {
    requeue: {label: 'Requeue', past: 'requeued', ended: true},
    'run-now': {label: 'Run now', past: 'made due now', waiting: true},
    stop: {label: 'Stop', past: 'stopped', danger: true, open: true},
    enable: {label: 'Enable', past: 'enabled', open: true},
    disable: {label: 'Disable', past: 'disabled', open: true},
    priority: {label: 'Priority…', past: 'given the priority', open: true},
    delete: {label: 'Delete', past: 'deleted', danger: true},
};

/* One task, without a question. */
export function act(action, task, extra = {}) {
    const fields = {group_name: task.group_name};
    const path = `/tasks/${seg(task.id)}`;
    if (action === 'delete') return remove(path, fields);
    return post(`${path}/${action}`, extra, fields);
}

/* What the action needs to know: null if the reader left. */
async function ask(action, what, sure) {
    const {label, danger} = ACTIONS[action];
    if (action === 'priority') {
        const n = await number(`Priority of ${what}`,
            'Priority, from -100 to 100; higher goes first', 0, -100, 100, 'Set');
        return n === null ? null : {priority: n};
    }
    const verb = label.replace('…', '');
    if (action === 'requeue') {
        const reset = h('input', {type: 'checkbox', name: 'reset'});
        const more = h('label', {class: 'check'}, reset,
            'Start counting anew: no runs, no failures, no crashes');
        const yes = await confirm(`Requeue ${what}?`,
            'Goes back to QUEUED and runs again.', verb, {more});
        return yes ? {reset: reset.checked} : null;
    }
    if (!danger && !sure) return {};
    const told = {
        delete: 'Its runs, output and result are gone with it.',
        stop: 'What is running gets SIGTERM, then SIGKILL, and is not tried again.',
    }[action] ?? '';
    const yes = await confirm(`${verb} ${what}?`, told, verb, {danger});
    return yes ? {} : null;
}

/* One task, with a question where it takes something away. True if it was done. */
export async function actOnOne(action, task) {
    const extra = await ask(action, 'this task', false);
    if (!extra) return false;
    const told = await act(action, task, extra);
    const {past} = ACTIONS[action];
    toast(action === 'stop' && told.running
        ? 'Its worker was told to stop it.'
        : `The task was ${past}${action === 'priority' ? ` ${extra.priority}` : ''}.`);
    return true;
}

/* Those that were chosen in a list, one by one. */
export async function actOnSome(action, chosen) {
    const extra = await ask(action, tasks(chosen.length), true);
    if (!extra) return false;
    let at = 0;
    const wrong = [];
    await progress(`${ACTIONS[action].label.replace('…', '')}: ${tasks(chosen.length)}`,
        async () => {
            const some = chosen.slice(at, at + 4);
            await Promise.all(some.map((task) => act(action, task, extra)
                .catch((e) => wrong.push(e))));
            at += some.length;
            return {text: `${count(at)} of ${count(chosen.length)}`,
                share: at / chosen.length, more: at < chosen.length};
        });
    tell(action, at - wrong.length, wrong.length, wrong[0]?.message);
    return true;
}

function tell(action, done, failed, why) {
    const text = `${tasks(done)} ${ACTIONS[action].past}`
        + (failed ? `; ${count(failed)} could not be${why ? `: ${why}` : ''}.` : '.');
    toast(text, failed > 0);
    say(text);
}

/* Steps the cursor of `path` until it is null; false if the reader stopped it. */
async function steps(title, path, body, sum, told) {
    let cursor = null;
    return progress(title, async () => {
        const got = await post(path, cursor ? {...body, cursor} : body);
        for (const name of ['matched', 'done', 'failed', 'scanned'])
            sum[name] += got[name] ?? 0;
        sum.why = got.reason ?? sum.why;
        cursor = got.cursor ?? null;
        return {...told(sum), more: cursor !== null};
    });
}

const none = () => ({matched: 0, done: 0, failed: 0, scanned: 0, why: null});

/* How many it would be: nothing is changed. null if the reader stopped it. */
export async function countFirst(path, body) {
    const sum = none();
    const through = await steps('Counting', path, {...body, dry_run: true}, sum,
        (n) => ({text: `${tasks(n.matched)} of ${count(n.scanned)} looked at`,
            share: null}));
    return through ? sum.matched : null;
}

/* The work itself, with a bar against what was counted. */
export async function carryOut(title, path, body, counted) {
    const sum = none();
    await steps(title, path, body, sum, (n) => ({
        text: `${count(n.done)} of about ${count(counted)} done`
            + (n.failed ? `, ${count(n.failed)} could not be` : ''),
        share: Math.min(1, (n.done + n.failed) / Math.max(1, counted)),
    }));
    return sum;
}

/* All that the filter matches. True if something may have changed. */
export async function actOnAll(action, filter) {
    const body = {action, filter: {...filter}};
    if (filter.scheduled) body.filter.scheduled = true;
    let extra = null;
    if (action === 'priority') { /* those that have it already do not count */
        extra = await ask(action, 'all that match', true);
        if (!extra) return false;
        Object.assign(body, extra);
    }
    const counted = await countFirst('/tasks/actions', body);
    if (counted === null) return false;
    if (counted === 0) {
        toast('No task matches that this could be done with.');
        return false;
    }
    const what = `all ${tasks(counted)} that match`;
    if (!extra) extra = await ask(action, what, true);
    else if (!await confirm(`Change ${what}?`, `Their priority becomes ${
        extra.priority}.`, 'Change')) return false;
    if (!extra) return false;
    const sum = await carryOut(`${ACTIONS[action].label.replace('…', '')}: all that match`,
        '/tasks/actions', {...body, ...extra}, counted);
    tell(action, sum.done, sum.failed, sum.why);
    return true;
}
