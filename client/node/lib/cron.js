// SPDX-License-Identifier: MIT
// Cron expressions, by the rules and with the words of client/core/cron.c. The
// search works on local time; the zone is asked what the clocks have shown
// already, and when they show the result.
import {daysInMonth} from './time.js';
import {firstS, latestLocalS} from './zone.js';

const TEXT_LEN = 500;
const YEAR_MAX = 9999;
const DAY_S = 86400;
const TO_MS = 253402300800000; // the year 10000
const FROM_MS = -62135596800000; // the year 1
const LAST_DAY = 0; // the member that L is

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep',
                'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const KINDS = [
    {name: 'minute', min: 0, max: 59, most: 59, names: [],
     wanted: 'a number from 0 to 59'},
    {name: 'hour', min: 0, max: 23, most: 23, names: [],
     wanted: 'a number from 0 to 23'},
    {name: 'day of month', min: 1, max: 31, most: 31, names: [],
     wanted: 'a number from 1 to 31, or L,'},
    {name: 'month', min: 1, max: 12, most: 12, names: MONTHS,
     wanted: 'a number from 1 to 12 or a name (jan, feb, ...)'},
    {name: 'day of week', min: 0, max: 6, most: 7, names: DAYS, // 7: Sunday
     wanted: 'a number from 0 to 7 or a name (sun, mon, ...)'},
];
const MACROS = {
    '@hourly': '0 * * * *', '@daily': '0 0 * * *', '@midnight': '0 0 * * *',
    '@weekly': '0 0 * * 0', '@monthly': '0 0 1 * *', '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
};

export class CronError extends Error {
    name = 'CronError';
}

// ---- Reading ----------------------------------------------------------------

// Messages do not show more of it; C counts bytes.
function shown(text, bytes = 40) {
    return Buffer.from(text).toString('utf8', 0, bytes);
}

function fail(kind, part, reason) {
    throw new CronError(`${kind.name} "${shown(part)}": ${reason}`);
}

// null: no number, or over 999.
function numberRead(text) {
    return /^0*\d{1,3}$/.test(text) ? Number(text) : null;
}

function valueRead(kind, part, text) {
    const name = kind.names.indexOf(text.toLowerCase());
    const value = name >= 0 ? kind.min + name : numberRead(text);
    if (value === null || value < kind.min || value > kind.most)
        fail(kind, part, `${kind.wanted} is wanted`);
    return value;
}

function split(text, at) {
    const i = text.indexOf(at);
    return i < 0 ? [text, null] : [text.slice(0, i), text.slice(i + 1)];
}

function rangeRead(kind, part, text) {
    const [first, last] = split(text, '-');
    const low = valueRead(kind, part, first);
    if (last === null)
        return [low, low];
    let high = valueRead(kind, part, last);
    if (high === 0 && low > 0 && kind.names === DAYS)
        high = 7; // the Sunday at the end of the week
    if (low > high)
        fail(kind, part, 'the range ends before it begins; a list of two ' +
             'ranges can say it');
    return [low, high];
}

function partRead(kind, part, set) {
    if (kind === KINDS[2] && /^l/i.test(part)) {
        if (part.length > 1)
            fail(kind, part, 'L stands alone or in a list');
        set.add(LAST_DAY);
        return;
    }
    const [range, stepText] = split(part, '/');
    let [low, high] = range === '*' ? [kind.min, kind.max]
                                    : rangeRead(kind, part, range);
    let step = 1;
    if (stepText !== null) {
        const size = kind.max - kind.min + 1;
        step = numberRead(stepText);
        if (step === null || step < 1 || step > size)
            fail(kind, part, `after / a step from 1 to ${size} is wanted`);
        if (!range.includes('-') && high < kind.max)
            high = kind.max;
    }
    for (let i = low; i <= high; i += step)
        set.add(i > kind.max ? kind.min : i);
}

function fieldRead(kind, text) {
    const set = new Set();
    const parts = text.split(',');
    for (const part of parts) {
        if (part === '')
            fail(kind, text, 'an element of the list is empty');
        partRead(kind, part, set);
    }
    return set;
}

function macroExpand(text, words) {
    const name = words[0];
    if (!name?.startsWith('@'))
        return words;
    if (words.length > 1)
        throw new CronError(`"${shown(text)}": nothing may follow a name ` +
                            'with @');
    if (Object.hasOwn(MACROS, name.toLowerCase()))
        return MACROS[name.toLowerCase()].split(' ');
    throw new CronError(name.toLowerCase() === '@reboot'
        ? '@reboot is no time: let the host queue a task without a cronline ' +
          'when it starts'
        : `"${shown(name)}": @hourly, @daily, @midnight, @weekly, @monthly, ` +
          '@yearly or @annually is wanted');
}

// A day that none of the months has is a mistake.
function daysCheck(c, text) {
    if (c.either || c.days.has(LAST_DAY))
        return;
    for (const month of c.months)
        for (const day of c.days)
            if (day <= daysInMonth(2000, month))
                return;
    throw new CronError(`day of month "${shown(text)}": no month of this ` +
                        'expression has such a day, it would never run');
}

// Sets of numbers. Throws a CronError that names the field and what is wrong.
export function cronParse(text) {
    if (Buffer.byteLength(text) > TEXT_LEN)
        throw new CronError(`longer than ${TEXT_LEN} bytes`);
    const given = text.split(/[ \t]+/).filter((word) => word !== '');
    const words = macroExpand(text, given);
    if (words.length < KINDS.length)
        throw new CronError(`${words.length} of five fields: the ${
            KINDS[words.length].name} is missing (minute, hour, day of ` +
            'month, month, day of week)');
    if (words.length > KINDS.length)
        throw new CronError(`more than five fields: "${shown(words[5])}" is ` +
            'left over. There are none for seconds, years or users: leave ' +
            'them out');
    const [minutes, hours, days, months, weekdays] =
        KINDS.map((kind, i) => fieldRead(kind, words[i]));
    const c = {minutes, hours, days, months, weekdays,
               either: words[2][0] !== '*' && words[4][0] !== '*'};
    daysCheck(c, words[2]);
    return c;
}

// ---- Searching --------------------------------------------------------------

function dayMatches(c, date) {
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + 1];
    const day = date.getUTCDate();
    const byDay = c.days.has(day) ||
        (c.days.has(LAST_DAY) && day === daysInMonth(year, month));
    const byWeekday = c.weekdays.has(date.getUTCDay());
    return c.either ? byDay || byWeekday : byDay && byWeekday;
}

// The first day from this one on that matches, or null. Months that do not
// match are left out at once.
function dayFind(c, dayNumber) {
    const date = new Date(dayNumber * DAY_S * 1000);
    while (date.getUTCFullYear() <= YEAR_MAX) {
        if (!c.months.has(date.getUTCMonth() + 1))
            date.setUTCMonth(date.getUTCMonth() + 1, 1);
        else if (dayMatches(c, date))
            return date.getTime() / 1000 / DAY_S;
        else
            date.setUTCDate(date.getUTCDate() + 1);
    }
    return null;
}

function setNext(set, from) {
    const found = Math.min(...[...set].filter((n) => n >= from));
    return found === Infinity ? null : found;
}

// The first minute of a day from this one on that matches, or null.
function minuteFind(c, minute) {
    let hour = setNext(c.hours, Math.floor(minute / 60));
    if (hour === null)
        return null;
    let found = setNext(c.minutes,
                        hour === Math.floor(minute / 60) ? minute % 60 : 0);
    if (found === null) {
        hour = setNext(c.hours, hour + 1);
        found = setNext(c.minutes, 0);
    }
    return hour === null ? null : hour * 60 + found;
}

// The first local time that matches, not before this one, or null.
function localFind(c, fromS) {
    const today = Math.floor(fromS / DAY_S);
    let day = dayFind(c, today);
    if (day === null)
        return null;
    let minute = minuteFind(c, day === today
        ? Math.ceil((fromS - today * DAY_S) / 60) : 0);
    if (minute === null) { // too late on the day we came from
        day = dayFind(c, day + 1);
        minute = minuteFind(c, 0);
    }
    return day === null ? null : day * DAY_S + minute * 60;
}

// The first run strictly after that instant, in ms, or null: none before the
// year 10000.
export function cronNextMs(c, zone, afterMs) {
    if (afterMs >= TO_MS)
        return null;
    const afterS = Math.floor(Math.max(afterMs, FROM_MS) / 1000);
    const localS = localFind(c, latestLocalS(zone, afterS) + 1);
    if (localS === null)
        return null;
    const nextMs = firstS(zone, localS) * 1000;
    return nextMs < TO_MS ? nextMs : null;
}
