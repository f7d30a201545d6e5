// SPDX-License-Identifier: MIT
// Time zones, by the database that Node brings along. An instant is in seconds
// since the epoch; a local time is what clocks show, as the instant at which
// UTC shows the same. See client/core/zone.h.
import {existsSync, statSync} from 'node:fs';
import path from 'node:path';

const HOUR_S = 3600;
const STEP_S = HOUR_S / 2; // no zone has changed twice in so short a time
const OFFSET_S_MAX = 16 * HOUR_S; // Manila had 15:56
const JUMP_S_MAX = 26 * HOUR_S; // a day was doubled at the date line
const formats = new Map();

function formatOf(name) {
    if (!formats.has(name))
        formats.set(name, new Intl.DateTimeFormat('en-US', {
            timeZone: name, hourCycle: 'h23', era: 'short', year: 'numeric',
            month: 'numeric', day: 'numeric', hour: 'numeric',
            minute: 'numeric', second: 'numeric'}));
    return formats.get(name);
}

// Is it the name of a zone, in the spelling that workers will look for? Where
// this host has the files that they read, it must be there as well.
export function zoneIsKnown(name) {
    if (!/^[A-Za-z0-9_+-][A-Za-z0-9_+/-]{0,63}$/.test(name))
        return false;
    if (name === 'UTC' || name === 'Etc/UTC')
        return true;
    if (/^[+-]/.test(name)) // Intl takes offsets
        return false;
    try {
        const known = formatOf(name).resolvedOptions().timeZone;
        if (known !== name && known.toLowerCase() === name.toLowerCase())
            return false;
    } catch {
        return false;
    }
    const files = process.env.TZDIR || '/usr/share/zoneinfo';
    return !existsSync(files) ||
        Boolean(statSync(path.join(files, name),
                         {throwIfNoEntry: false})?.isFile());
}

function offsetAt(name, atS) {
    if (name === 'UTC' || name === 'Etc/UTC')
        return 0;
    const p = {};
    for (const {type, value} of formatOf(name).formatToParts(atS * 1000))
        p[type] = type === 'era' ? value : Number(value);
    const date = new Date(0);
    date.setUTCFullYear(p.era === 'BC' ? 1 - p.year : p.year, p.month - 1,
                        p.day);
    return date.setUTCHours(p.hour, p.minute, p.second) / 1000 - atS;
}

// The offsets from an instant to another: [{fromS, offsetS}…], the first from
// fromS on.
function spans(name, fromS, toS) {
    const found = [{fromS, offsetS: offsetAt(name, fromS)}];
    for (let at = fromS; at < toS; at += STEP_S) {
        const before = found.at(-1).offsetS;
        let low = at, high = Math.min(at + STEP_S, toS);
        const after = offsetAt(name, high);
        if (after === before)
            continue;
        while (high - low > 1) {
            const middle = Math.floor((low + high) / 2);
            if (offsetAt(name, middle) === before)
                low = middle;
            else
                high = middle;
        }
        found.push({fromS: high, offsetS: after});
    }
    return found;
}

// The latest local time that the clocks have shown up to that instant.
export function latestLocalS(name, atS) {
    const all = spans(name, atS - JUMP_S_MAX, atS);
    return Math.max(...all.map(({offsetS}, i) =>
        (i + 1 < all.length ? all[i + 1].fromS - 1 : atS) + offsetS));
}

// The first instant at which the clocks show that local time, or a later one.
export function firstS(name, localS) {
    const all = spans(name, localS - OFFSET_S_MAX, localS + OFFSET_S_MAX);
    for (let i = 0; i < all.length; i++) {
        const at = Math.max(localS - all[i].offsetS, all[i].fromS);
        if (i + 1 === all.length || at < all[i + 1].fromS)
            return at;
    }
}
