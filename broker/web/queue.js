/* SPDX-License-Identifier: MIT */
/* A form that queues a task. The server judges every field and says what is
 * wrong at the field itself; nothing is decided twice here. */
import {h, toast} from './dom.js';
import {get, may, parse, post, session} from './api.js';
import {field, fieldErrors, taskPath} from './parts.js';

const input = (name, props) => h('input', {name, autocomplete: 'off',
    spellcheck: 'false', ...props});
const num = (name, props) => input(name, {type: 'number', step: 'any', ...props});
const box = (name, label) => h('label', {class: 'check'},
    h('input', {type: 'checkbox', name}), label);

/* How the text of a field becomes the value that is sent. */
const KINDS = {
    args: 'json', vars: 'json', timeout: 'number', repeats: 'number', period: 'number',
    retry_failed: 'number', retry_delay: 'number', retry_backoff: 'number',
    priority: 'number', sync_output: 'number', result_ttl: 'number', tags: 'words',
    depends_on: 'words',
};

function valueOf(control, errors) {
    if (control.type === 'checkbox') return control.checked || undefined;
    const text = control.value.trim();
    if (text === '') return undefined;
    switch (KINDS[control.name]) {
    case 'json':
        try {
            return parse(text);
        } catch (e) {
            errors[control.name] = `This is no JSON: ${e.message}`;
            return undefined;
        }
    case 'number': return Number(text);
    case 'words': return text.split(/[\s,]+/).filter((w) => w !== '');
    default: return text;
    }
}

function basics() {
    return h('fieldset', null, h('legend', null, 'What'), h('div', {class: 'fields'},
        field('Function', input('function', {required: true, list: 'functions'})),
        field('Group', input('group_name', {placeholder: 'main', list: 'groups'})),
        field('Label', input('task_name'), {hint: 'default: the function'}),
        field('Id', input('id'), {hint: 'a second task with it is refused'}),
        field('Tags', input('tags'), {hint: 'words, with commas'})),
    h('div', {class: 'grid two'},
        field('Arguments', h('textarea', {name: 'args', rows: 4,
            placeholder: '[1, "two"]', spellcheck: 'false'}), {hint: 'a JSON array'}),
        field('Named arguments', h('textarea', {name: 'vars', rows: 4,
            placeholder: '{"size": "800x600"}', spellcheck: 'false'}),
        {hint: 'a JSON object'})));
}

function times() {
    return h('fieldset', null, h('legend', null, 'When'), h('div', {class: 'fields'},
        field('Not before', input('start_time', {placeholder: 'now'}),
            {hint: 'now, +45s, +2h, RFC 3339'}),
        field('Not after', input('stop_time'), {hint: 'EXPIRED if it did not start'}),
        field('Cron expression', input('cronline', {placeholder: '30 6 * * 1-5'})),
        field('Time zone', input('timezone', {placeholder: 'UTC'})),
        field('Repeats', num('repeats', {min: 0, step: 1, placeholder: '1'}),
            {hint: 'successful runs; 0: without end'}),
        field('Period, s', num('period', {min: 0, placeholder: '60'})),
        field('Priority', num('priority', {min: -100, max: 100, step: 1,
            placeholder: '0'}), {hint: 'higher goes first'}),
        field('Depends on', input('depends_on'), {hint: 'ids, with commas'})),
    h('p', {class: 'row'}, box('immediate', 'Ahead of all of its priority'),
        box('disabled', 'Disabled until it is enabled'),
        box('broadcast', 'Once on every live worker')));
}

function rest() {
    return h('fieldset', null, h('legend', null, 'How'), h('div', {class: 'fields'},
        field('Timeout of a run, s', num('timeout', {min: 0, placeholder: '60'})),
        field('Tries after a failure', num('retry_failed', {min: -1, step: 1,
            placeholder: '0'}), {hint: '-1: without end'}),
        field('Delay of a try, s', num('retry_delay', {min: 0})),
        field('Factor of the delay', num('retry_backoff', {min: 1, placeholder: '1'})),
        field('Publish output every, s', num('sync_output', {min: 0,
            placeholder: '0'}), {hint: '0: at the end'}),
        field('Keep the result, s', num('result_ttl', {min: 0,
            placeholder: '86400'}))));
}

/* The form filled like a task that was. */
function fillIn(form, like) {
    for (const [name, value] of Object.entries(like)) {
        const control = form.elements[name];
        if (!control) continue;
        if (control.type === 'checkbox') control.checked = Boolean(value);
        else control.value = Array.isArray(value) ? value.join(', ') : String(value);
    }
}

export function page(ctx) {
    const wrong = h('p', {class: 'notice bad', role: 'alert', hidden: true});
    const send = h('button', {type: 'submit', class: 'main'}, 'Queue it');
    const form = h('form', {novalidate: true, on: {submit: async (e) => {
        e.preventDefault();
        const errors = {};
        const task = {};
        for (const control of form.querySelectorAll('[name]')) {
            const value = valueOf(control, errors);
            if (value !== undefined) task[control.name] = value;
        }
        if (!task.function) errors.function = 'Which function?';
        if (Object.keys(errors).length) {
            fieldErrors(form, errors);
            return;
        }
        send.disabled = true;
        try {
            const told = await post('/tasks', task);
            toast(`Queued as ${told.id}.`);
            location.hash = taskPath({id: told.id, group_name: task.group_name ?? 'main'});
        } catch (problem) {
            const others = fieldErrors(form, problem.errors ?? {});
            wrong.hidden = false;
            wrong.textContent = others.length ? others.join('; ') : problem.message;
        } finally {
            send.disabled = false;
        }
    }}}, wrong, basics(), times(), rest(), h('div', {class: 'row'}, send));
    ctx.head('Queue a task');
    if (!may('queue')) {
        ctx.root.append(h('p', {class: 'notice warn'}, 'This needs the role queue; you '
            + `have ${session?.role ?? 'none'}.`));
        send.disabled = true;
    }
    const groups = h('datalist', {id: 'groups'});
    const functions = h('datalist', {id: 'functions'});
    ctx.root.append(form, groups, functions);
    const group = ctx.query.get('group_name');
    if (group) form.elements.group_name.value = group;
    if (ctx.query.get('like')) {
        try {
            fillIn(form, JSON.parse(sessionStorage.getItem('stint.like') ?? '{}'));
        } catch {
            /* Not there any more: an empty form. */
        }
    }
    suggest(groups, functions, ctx.signal).catch(() => {});
}

/* Names that are known, as suggestions. */
async function suggest(groups, functions, signal) {
    const [found, fleet] = await Promise.all([get('/groups', null, signal),
        get('/workers', null, signal)]);
    groups.append(...found.groups.map((g) => h('option', {value: g.group_name})));
    const known = new Set(fleet.workers.flatMap((w) =>
        String(w.functions ?? '').split(',')).filter((w) => w !== ''));
    functions.append(...[...known].slice(0, 500).map((f) => h('option', {value: f})));
}
