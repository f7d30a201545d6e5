// SPDX-License-Identifier: MIT
// The groups a client has heard of, and over how many parts each is spread
// (client/lib/parts.c). What is believed may be wrong: queue_task refuses it
// then, and lookups that find nothing ask again.
import {StintError} from './errors.js';
import {isGroup} from './fields.js';
import {PARTS_MAX} from './limits.js';
import {partName, partOfId} from './parts.js';

export class Groups {
    #caller;
    #known = new Map(); // name -> {parts, isSure, isRegistered}

    constructor(caller) {
        this.#caller = caller;
    }

    #row(group) {
        if (!this.#known.has(group))
            this.#known.set(group, {parts: 1, isSure: false,
                                    isRegistered: false});
        return this.#known.get(group);
    }

    partsOf(group) {
        return this.#known.get(group)?.parts ?? 1;
    }

    // The part of the group that the task lives in.
    route(group, id) {
        return partName(group, partOfId(id, this.partsOf(group)));
    }

    // The names of all parts of a group.
    partsNamed(group) {
        return Array.from({length: this.partsOf(group)},
                          (_, part) => partName(group, part));
    }

    // isSure: a part itself said so. True: it is news.
    learn(group, parts, isSure) {
        if (!(parts >= 1 && parts <= PARTS_MAX))
            return false;
        const row = this.#row(group);
        const isNew = row.parts !== parts && (isSure || !row.isSure);
        row.isSure ||= isSure;
        if (isNew) {
            row.parts = parts;
            row.isRegistered = false;
        }
        return isNew;
    }

    // Asks the group itself. True: it is news.
    async refresh(group) {
        const reply = await this.#caller.call('set_parts', group, ['see', '-']);
        return this.learn(group, Number(reply[2]), true);
    }

    // Sees that the fleet knows the group, once.
    async register(group) {
        const row = this.#row(group);
        if (row.isRegistered)
            return;
        await this.#caller.call('fleet_heartbeat', null, ['', '{}', '0',
            row.parts > 1 ? `${group} ${row.parts}` : group]);
        row.isRegistered = true;
    }

    // All groups that the fleet knows.
    async all() {
        const reply = await this.#caller.call('fleet_list', null, ['0']);
        return reply.slice(4, 4 + Number(reply[3])).map((text) => {
            const [name, parts] = text.split(' ');
            this.learn(name, Number(parts ?? 1), false);
            return name;
        });
    }

    // The one that is asked for, or all.
    async wanted(group) {
        if (group === undefined)
            return this.all();
        if (typeof group !== 'string' || !isGroup(group))
            throw new StintError('INVALID',
                                 `${group} is not a name of a group`);
        await this.refresh(group);
        return [group];
    }

    // Calls `look(group)`, which throws NOTFOUND where a task is not; once
    // more if the parts turn out to be others.
    async lookTwice(group, look) {
        try {
            return await look();
        } catch (err) {
            if (!(err instanceof StintError) || err.code !== 'NOTFOUND')
                throw err;
            const groups = group !== undefined ? [group]
                : [...this.#known.keys()].filter((g) => this.partsOf(g) > 1);
            let isNews = false;
            for (const name of groups.filter(isGroup))
                isNews = await this.refresh(name) || isNews;
            if (!isNews)
                throw err;
            return look();
        }
    }
}
