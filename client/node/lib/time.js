// SPDX-License-Identifier: MIT
// Times as people write them, by the rules of client/core/time_text.c: what is
// finer than a millisecond is cut off.

const TIME_MS_MAX = 253402300799999; // 9999-12-31T23:59:59.999Z
const UNITS = {'': 1000, s: 1000, ms: 1, m: 60000, h: 3600000, d: 86400000,
               w: 604800000};
const RELATIVE = /^([+-])(\d+)(?:\.(\d+))?([a-z]*)$/;
const EPOCH = /^(\d+)(?:\.(\d+))?$/;
const RFC3339 = new RegExp(
    /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?/.source +
    /(?:[Zz]|([+-])(\d\d):(\d\d))$/.source);

// A decimal number in units of so many ms, or null: beyond the year 9999.
function scale(whole, fraction, unitMs) {
    const nanos = BigInt((fraction ?? '').slice(0, 9).padEnd(9, '0'));
    const unit = BigInt(unitMs);
    const ms = BigInt(whole) * unit + nanos * unit / 1000000000n;
    return ms <= BigInt(TIME_MS_MAX) ? Number(ms) : null;
}

export function daysInMonth(year, month) {
    const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
    return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][
        month - 1];
}

function rfc3339Read(m) {
    const [year, month, day, hour, minute, second] = m.slice(1, 7).map(Number);
    const [zoneHour, zoneMinute] = [Number(m[9] ?? 0), Number(m[10] ?? 0)];
    if (year < 1969 || month < 1 || month > 12 || day < 1 ||
        day > daysInMonth(year, month) || hour > 23 || minute > 59 ||
        second > (minute === 59 ? 60 : 59) || zoneHour > 23 || zoneMinute > 59)
        return null;
    const offset = (zoneHour * 60 + zoneMinute) * (m[8] === '-' ? -60 : 60);
    const ms = Date.UTC(year, month - 1, day, hour, minute, second) -
        offset * 1000 + Number((m[7] ?? '').slice(0, 3).padEnd(3, '0'));
    return ms >= 0 && ms <= TIME_MS_MAX ? {ms, relative: false} : null;
}

// {ms, relative}: since the epoch, or relative to Redis's clock; null: no time.
export function timeRead(text) {
    if (text === 'now')
        return {ms: 0, relative: true};
    let m = RELATIVE.exec(text);
    if (m !== null) {
        const unit = Object.hasOwn(UNITS, m[4]) ? UNITS[m[4]] : null;
        const ms = unit !== null ? scale(m[2], m[3], unit) : null;
        return ms === null ? null
            : {ms: m[1] === '-' && ms !== 0 ? -ms : ms, relative: true};
    }
    m = RFC3339.exec(text);
    if (m !== null)
        return rfc3339Read(m);
    m = EPOCH.exec(text);
    const ms = m !== null ? scale(m[1], m[2], 1000) : null;
    return ms !== null ? {ms, relative: false} : null;
}

// RFC 3339 in UTC with milliseconds.
export function timeWrite(ms) {
    return new Date(ms).toISOString();
}
