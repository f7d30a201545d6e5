// SPDX-License-Identifier: MIT
// Parents may be named before they are queued, by an id alone, and in other
// groups (client/lib/parents.c). Here every name becomes GROUP/ID, and the
// tasks get an order in which each parent is there before its children.
import {Refused} from './errors.js';

const DELIVER_MAX = 1000; // rounds; the reaper does the rest

function refuse(task, code, text) {
    return new Refused(code, {depends_on: text}, task.index, task.id);
}

class Family {
    #caller;
    #groups;
    #byId = new Map(); // id -> tasks of this call
    #asked = new Map(); // GROUP/ID -> promise: is it in Redis?
    #all = null;

    constructor(caller, groups, tasks) {
        this.#caller = caller;
        this.#groups = groups;
        for (const task of tasks) {
            const same = this.#byId.get(task.id);
            if (same !== undefined)
                same.push(task);
            else
                this.#byId.set(task.id, [task]);
        }
    }

    // The task of this call with that id; group null: of any.
    #find(group, id) {
        return this.#byId.get(id)?.find((task) =>
            group === null || task.group === group) ?? null;
    }

    async #look(group, id) {
        const reply = await this.#caller.call(
            'task_status', this.#groups.route(group, id), ['1', id]);
        return reply[2] !== '';
    }

    async #askNow(group, id) {
        return await this.#look(group, id) ||
            (await this.#groups.refresh(group) && await this.#look(group, id));
    }

    #ask(group, id) {
        const ref = `${group}/${id}`;
        if (!this.#asked.has(ref))
            this.#asked.set(ref, this.#askNow(group, id));
        return this.#asked.get(ref);
    }

    // The group of an id that stands alone and is not of this call.
    async #groupOf(task, id) {
        if (await this.#ask(task.group, id))
            return task.group;
        this.#all ??= await this.#groups.all();
        for (const group of this.#all)
            if (await this.#ask(group, id))
                return group;
        throw refuse(task, 'NOTFOUND', `there is no task ${id}`);
    }

    // One parent, complete: its GROUP/ID, and the task if it is of this call.
    async complete(task, ref) {
        const slash = ref.indexOf('/');
        const id = ref.slice(slash + 1);
        if (slash < 0) {
            const own = this.#find(task.group, id) ?? this.#find(null, id);
            const group = own?.group ?? await this.#groupOf(task, id);
            return {ref: `${group}/${id}`, parent: own};
        }
        const group = ref.slice(0, slash);
        const own = this.#find(group, id);
        // One in the same part is looked for by queue_task.
        if (own === null && this.#groups.route(group, id) !==
            this.#groups.route(task.group, task.id) &&
            !await this.#ask(group, id))
            throw refuse(task, 'NOTFOUND', `there is no task ${ref}`);
        return {ref, parent: own};
    }
}

// Sets the generation of each: one above the highest of its parents, which have
// theirs. A walk in depth without recursion.
function generationsSet(tasks, parentsOf) {
    const open = new Set(), done = new Set();
    for (const task of tasks) {
        const stack = [{task, next: 0}];
        if (done.has(task))
            continue;
        open.add(task);
        while (stack.length > 0) {
            const top = stack.at(-1);
            const parents = parentsOf.get(top.task) ?? [];
            if (top.next === parents.length) {
                top.task.generation = parents.reduce((most, parent) =>
                    Math.max(most, parent.generation + 1), 0);
                open.delete(top.task);
                done.add(top.task);
                stack.pop();
                continue;
            }
            const parent = parents[top.next++];
            if (open.has(parent)) {
                const way = stack.map((step) => step.task);
                const cycle = [...way.slice(way.indexOf(parent)), parent];
                throw refuse(top.task, 'INVALID', `a cycle: ${
                    cycle.map((t) => t.id).join(' -> ')}`);
            }
            if (!done.has(parent)) {
                open.add(parent);
                stack.push({task: parent, next: 0});
            }
        }
    }
}

// The tasks, parents before children and otherwise as given; their `depends`
// are complete then. Throws Refused.
export async function parentsOrder(caller, groups, tasks) {
    const children = tasks.filter((task) => task.depends.length > 0);
    if (children.length === 0)
        return tasks;
    const family = new Family(caller, groups, tasks);
    const parentsOf = new Map();
    for (const group of new Set(children.map((task) => task.group)))
        await groups.refresh(group);
    for (const task of children) {
        const own = [];
        const refs = [];
        for (const ref of task.depends) {
            const found = await family.complete(task, ref);
            refs.push(found.ref);
            if (found.parent !== null)
                own.push(found.parent);
        }
        task.depends = refs;
        parentsOf.set(task, own);
    }
    generationsSet(tasks, parentsOf);
    return [...tasks].sort((a, b) => a.generation - b.generation);
}

// PART/ID of a complete parent.
export function parentPlace(groups, ref) {
    const slash = ref.indexOf('/');
    const id = ref.slice(slash + 1);
    return `${groups.route(ref.slice(0, slash), id)}/${id}`;
}

// Has it parents in another part or group?
export function parentsAreFar(groups, task) {
    const own = `${groups.route(task.group, task.id)}/`;
    return task.depends.some((ref) =>
        !parentPlace(groups, ref).startsWith(own));
}

// Brings what a part has to tell others to them, and if `isBoth` what these
// answer.
export async function deliver(caller, part, isBoth = true) {
    let told = [];
    for (let round = 0; round < DELIVER_MAX; round++) {
        const messages = (await caller.call('messages', part,
                                            ['100', ...told])).slice(1);
        if (messages.length === 0)
            return;
        for (const message of messages) {
            const [kind, to, id, from, word] = message.split(' ');
            await caller.call('deliver', to, [kind, id, from, word]);
            if (isBoth && kind === 'link')
                await deliver(caller, to, false); // it has ended already?
        }
        told = messages;
    }
}
