// SPDX-License-Identifier: MIT
// Which part of a group a task lives in (docs/keys.md, Groups in parts).

// CRC-16/XMODEM, as Redis Cluster has it. Ids are short and ASCII.
function crc16(text) {
    let crc = 0;
    for (const byte of Buffer.from(text)) {
        crc ^= byte << 8;
        for (let bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0);
        crc &= 0xffff;
    }
    return crc;
}

// The parts of a broadcast, ID@1 and so on, live where ID lives.
export function partSlot(id) {
    return crc16(id.split('@', 1)[0]) % 16384;
}

export function partOfId(id, parts) {
    return parts > 1 ? partSlot(id) % parts : 0;
}

export function partName(group, part) {
    return part === 0 ? group : `${group}~${part}`;
}

// The group a part is of.
export function groupOfPart(name) {
    return name.split('~', 1)[0];
}
