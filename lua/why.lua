-- why: what keeps a task from running.
-- FLAGS: no-writes
-- ARGV[3] id
-- Returns now_us, state record ('' none), task ('' no such id), due, tasks
-- ahead of it in its group, how many ended in the last minute, workers with a
-- lease, those of them that rest, a list of the parents it waits for, since when
-- the group is paused (ms, 0)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local t = num(now)
local text = redis.call('HGET', base .. ':state', id) or ''
local task = redis.call('HGET', base .. ':task', id) or ''
local r = text ~= '' and decode(text)
local due = r and num(r.next) or redis.call('ZSCORE', base .. ':queued', id)
    or ''
local ahead = 0
if task ~= '' and (not r or r.status == 'QUEUED') and due ~= ''
    and tonumber(due) <= now and not (r and (r.disabled or r.wait)) then
    local level = tonumber(r and r.level or '0')
    local keys = {[base .. ':queued'] = 0, [base .. ':suspects'] = 1000}
    if r and r.lost then
        level = 1000
    end
    local levels = redis.call('ZRANGE', base .. ':levels', 0, 999,
                              'WITHSCORES')
    for i = 1, #levels, 2 do
        if not string.find(levels[i], ':', 1, true) then
            keys[base .. ':queued:' .. levels[i]] = tonumber(levels[i + 1])
        end
    end
    for key, l in pairs(keys) do
        if l > level then
            ahead = ahead + redis.call('ZCOUNT', key, '-inf', t)
        elseif l == level then
            ahead = ahead + (redis.call('ZRANK', key, id) or 0)
        end
    end
end
-- Ended in the last minute, those with the default retention.
local ended = redis.call('ZCOUNT', base .. ':finished', num(now + DAY - 60000),
                         num(now + DAY))
local live = redis.call('ZCOUNT', base .. ':workers', t, '+inf')
local rest = redis.call('ZCOUNT', base .. ':resting', t, '+inf')
local waits = redis.call('SRANDMEMBER', base .. ':parents:' .. id, 20)
return {num(now_us), text, task, due, num(ahead), num(ended), num(live),
        num(rest), waits, paused_since(base) or '0'}
