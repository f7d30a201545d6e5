-- stats: the counts of a group.
-- FLAGS: no-writes
-- Returns now_us, queued, unknown (parked), disabled, assigned, running, due,
-- COMPLETED, FAILED, TIMEOUT, STOPPED, EXPIRED, retained, oldest due (ms since
-- the epoch, 0), live workers, next due (ms since the epoch, 0), waiting for
-- others, broadcasts (queued and running), since when it is paused (ms, 0),
-- what :settings says of events ('': nothing)
local base = KEYS[1]
local now, now_us = enter(ARGV)
local t = num(now)
local queued, parked, due, oldest, first = 0, 0, 0, nil, nil
local keys = {base .. ':queued', base .. ':suspects'}
for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
    if string.find(l, ':', 1, true) then
        parked = parked + redis.call('ZCARD', base .. ':queued:' .. l)
    else
        keys[#keys + 1] = base .. ':queued:' .. l
    end
end
for _, key in ipairs(keys) do
    queued = queued + redis.call('ZCARD', key)
    due = due + redis.call('ZCOUNT', key, '-inf', t)
    local score = tonumber(first_score(key) or nil)
    if score and (not first or score < first) then
        first = score
    end
end
if first and first <= now then
    oldest = first
end
local assigned, running, live = 0, 0, 0
local workers = redis.call('ZRANGE', base .. ':workers', 0, 999, 'WITHSCORES')
for i = 1, #workers, 2 do
    assigned = assigned
        + redis.call('SCARD', base .. ':assigned:' .. workers[i])
    running = running + redis.call('SCARD', base .. ':running:' .. workers[i])
    if tonumber(workers[i + 1]) >= now then
        live = live + 1
    end
end
local ended = redis.call('HMGET', base .. ':ended', 'COMPLETED', 'FAILED',
                         'TIMEOUT', 'STOPPED', 'EXPIRED')
local reply = {num(now_us), num(queued), num(parked),
               num(redis.call('ZCARD', base .. ':held')), num(assigned),
               num(running), num(due)}
for i = 1, 5 do
    reply[#reply + 1] = ended[i] or '0'
end
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':finished'))
reply[#reply + 1] = num(oldest or 0)
reply[#reply + 1] = num(live)
reply[#reply + 1] = num(first or 0)
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':waiting'))
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':broadcast')
    + redis.call('ZCARD', base .. ':casting'))
reply[#reply + 1] = paused_since(base) or '0'
reply[#reply + 1] = redis.call('HGET', base .. ':settings', 'events') or ''
return reply
