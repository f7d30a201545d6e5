/* SPDX-License-Identifier: MIT */
/* The groups, and what stops and starts them. */
import {h, toast} from './dom.js';
import {get, post, seg} from './api.js';
import {count, duration} from './format.js';
import {Table} from './table.js';
import {badge, button, groupLink} from './parts.js';

const number = (label, name, cls = 'num') => ({label, class: cls,
    cell: (g) => count(g[name])});

/* Pause or resume, as it is now. */
export function pauseButton(group, done, props) {
    const verb = group.paused ? 'resume' : 'pause';
    const label = group.paused ? 'Resume' : 'Pause';
    return button([label, h('span', {class: 'unseen'}, ` ${group.group_name}`)],
        'admin', async () => {
            await post(`/groups/${seg(group.group_name)}/${verb}`);
            toast(group.paused ? 'Its tasks are handed out again.'
                : 'Nothing new of it is handed out until it is resumed.');
            await done?.();
        }, props);
}

/* `brief`: without what changes it. */
export function groupsTable(caption, brief, done) {
    const columns = [
        {label: 'Group', head: true, cell: (g) => [groupLink(g.group_name), ' ',
            g.paused && badge('paused')]},
        number('Due', 'due'),
        number('Queued', 'queued', 'num opt'),
        number('Waiting', 'waiting', 'num opt'),
        number('Running', 'running'),
        number('Completed', 'completed', 'num opt'),
        {label: 'Failed', class: 'num', cell: (g) => {
            const n = (g.failed ?? 0) + (g.timeout ?? 0);
            return h('a', {href: `#/tasks?group_name=${seg(g.group_name)}`
                + '&status=FAILED,TIMEOUT', class: n ? 'bad-text' : ''}, count(n));
        }},
        number('Workers', 'workers', 'num opt'),
        {label: 'Oldest due', class: 'num opt', cell: (g) => duration(g.oldest_due_s)},
        {label: 'Clear in', class: 'num opt', cell: (g) => (g.due > 0
            ? duration(g.time_to_clear_s) : '–')},
    ];
    if (!brief) {
        columns.push({label: 'Events', class: 'opt', cell: (g) =>
            (g.events ? `last ${count(g.events)}` : 'off')},
        {say: 'What can be done', class: 'right', cell: (g) =>
            pauseButton(g, done, {class: 'small'})});
    }
    return new Table(caption, columns, {key: (g) => g.group_name,
        shownCaption: brief});
}

export function page(ctx) {
    ctx.head('Groups');
    const empty = h('p', {class: 'empty'}, 'No group yet: one is made by the first '
        + 'task that is queued into it.');
    const look = async () => {
        const {groups} = await get('/groups', null, ctx.signal);
        table.show(groups);
        empty.hidden = groups.length > 0;
    };
    const table = groupsTable('Groups', false, look);
    ctx.root.append(h('div', {class: 'card flush'}, table.node, empty));
    ctx.every(2000, look);
}
