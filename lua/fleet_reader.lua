-- fleet_reader: where a named reader of events is, who goes on from there (one
-- at a time, as long as its lease lasts), and how far it has come. KEYS[1] is
-- the base of the fleet.
-- FLAGS: allow-oom
-- ARGV[3] the reader's name  ARGV[4] a word for who asks, the same each time
-- ARGV[5] its lease from now on (ms); 0: it goes, somebody else may go on
-- ARGV[6] where it is now, '': as it was. Only who has had the lease says so
-- Returns now_us, HELD, or TAKEN: somebody else goes on; where the reader is
-- ('' it has not begun)
-- Refuses: INVALID, STATE: there are too many readers
local READERS_MAX, FORGOTTEN = 1000, 30 * DAY
local name, who, lease, cursor = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local now, now_us = enter(ARGV)
local key = KEYS[1] .. ':readers'
if not match(name, '^[%w_.:-]+$') or #name > 128
    or not match(who, '^[%w_.:-]+$') or #who > 128 or not lease
    or #cursor > 256 or find(cursor, ' ', 1, true) then
    return redis.error_reply('INVALID a reader has a name, a word and a lease')
end
local entry = redis.call('HGET', key, name)
local holder, ends, at = match(entry or '', '^(%S+) (%d+) (%S*)$')
if holder and holder ~= who and (tonumber(ends) > now or cursor ~= '') then
    return {num(now_us), 'TAKEN', at}
end
if not holder and redis.call('HLEN', key) >= READERS_MAX then
    local gone, all = {}, redis.call('HGETALL', key)
    for i = 1, #all, 2 do
        local ended = tonumber(match(all[i + 1], '^%S+ (%d+)') or 0)
        if ended < now - FORGOTTEN and #gone < 1000 then
            gone[#gone + 1] = all[i]
        end
    end
    if #gone == 0 then
        return redis.error_reply('STATE there are too many readers')
    end
    redis.call('HDEL', key, unpack(gone))
end
if cursor == '' then
    cursor = at or ''
end
redis.call('HSET', key, name, who .. ' ' .. num(lease > 0 and now + lease or 0)
    .. ' ' .. cursor)
return {num(now_us), 'HELD', cursor}
