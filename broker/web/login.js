/* SPDX-License-Identifier: MIT */
/* Who is there? The password goes once; a cookie that scripts cannot read
 * comes back. */
import {h} from './dom.js';
import {call} from './api.js';
import {field, fieldErrors} from './parts.js';

export function page(ctx) {
    ctx.head('Log in');
    const user = h('input', {name: 'user', autocomplete: 'username', required: true,
        autocapitalize: 'none', spellcheck: 'false'});
    const password = h('input', {name: 'password', type: 'password',
        autocomplete: 'current-password', required: true});
    const form = h('form', {class: 'card login', on: {submit: async (e) => {
        e.preventDefault();
        fieldErrors(form, {});
        try {
            await call('POST', '/login', {body: {user: user.value,
                password: password.value}});
            document.dispatchEvent(new CustomEvent('stint:login'));
        } catch (problem) {
            password.value = '';
            fieldErrors(form, {password: problem.status === 401
                ? 'The name or the password is not right.' : problem.message});
        }
    }}}, field('Name', user), field('Password', password),
    h('button', {type: 'submit', class: 'main'}, 'Log in'));
    ctx.root.append(form);
    user.focus();
}
