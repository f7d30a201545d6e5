/* SPDX-License-Identifier: MIT */
/* Questions, in the browser's own dialog: it keeps the focus within and gives it
 * back, and Escape leaves it. */
import {h, fresh} from './dom.js';

/* Shows a dialog; the promise has the value it was closed with, null when it was
 * left. fill(close) → its children. */
export function open(title, make) {
    const id = fresh('d');
    const node = h('dialog', {'aria-labelledby': id}, h('h2', {id}, title));
    let answer = null;
    const close = (value) => {
        answer = value;
        node.close();
    };
    node.append(...make(close));
    document.body.append(node);
    node.showModal();
    return new Promise((done) => {
        node.addEventListener('close', () => {
            node.remove();
            done(answer);
        });
    });
}

/* Asks before something is done. Where `typed` is given, that word has to be
 * typed first. `more`: a node with further controls. */
export function confirm(title, sentence, verb, {danger, typed, more} = {}) {
    return open(title, (close) => {
        const go = h('button', {type: 'submit',
            class: danger ? 'main danger' : 'main', disabled: Boolean(typed)}, verb);
        const parts = [h('p', null, sentence)];
        if (more) parts.push(more);
        if (typed) {
            const id = fresh('typed');
            parts.push(h('div', {class: 'field'},
                h('label', {for: id}, 'To confirm, type ', h('code', null, typed)),
                h('input', {id, autocomplete: 'off', spellcheck: 'false',
                    on: {input: (e) => {
                        go.disabled = e.target.value !== typed;
                    }}})));
        }
        return [h('form', {method: 'dialog', on: {submit: (e) => {
            e.preventDefault();
            if (!go.disabled) close(true);
        }}}, parts, h('div', {class: 'row end'},
            h('button', {type: 'button', on: {click: () => close(null)}}, 'Cancel'),
            go))];
    });
}

/* Asks for a whole number; null when it was left. */
export function number(title, label, value, least, most, verb) {
    return open(title, (close) => {
        const id = fresh('n');
        const input = h('input', {id, type: 'number', min: least, max: most,
            step: 1, required: true, value: String(value)});
        return [h('form', {method: 'dialog', on: {submit: (e) => {
            e.preventDefault();
            close(input.valueAsNumber);
        }}}, h('div', {class: 'field'}, h('label', {for: id}, label), input),
        h('div', {class: 'row end'},
            h('button', {type: 'button', on: {click: () => close(null)}}, 'Cancel'),
            h('button', {type: 'submit', class: 'main'}, verb)))];
    });
}

/* Shows work that goes on step by step. step() → {text, share, more}: share from
 * 0 to 1, or null. Resolves true when it is through, false when it was stopped;
 * what step throws comes out. */
export async function progress(title, step) {
    let stopped = false;
    let failure = null;
    const line = h('p', {role: 'status'}, 'Starting…');
    const meter = h('progress', {max: 1, 'aria-label': title});
    const shown = open(title, (close) => [line, meter,
        h('div', {class: 'row end'}, h('button', {type: 'button',
            on: {click: () => close(null)}}, 'Stop here'))]);
    const node = line.closest('dialog');
    shown.then(() => {
        stopped = true;
    });
    try {
        for (let more = true; more && !stopped;) {
            const told = await step();
            line.textContent = told.text;
            if (told.share === null) meter.removeAttribute('value');
            else meter.value = told.share;
            more = told.more;
            if (!more && !stopped) {
                node.close();
                return true;
            }
        }
    } catch (e) {
        failure = e;
    }
    if (node.open) node.close();
    if (failure) throw failure;
    return false;
}
