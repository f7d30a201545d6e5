-- stats: the counts of a group.
-- FLAGS: no-writes
-- Returns now_us, queued, unknown (parked), disabled, assigned, running, due,
-- COMPLETED, FAILED, TIMEOUT, STOPPED, EXPIRED, retained, oldest due (ms since
-- the epoch, 0), live workers, next due (ms since the epoch, 0), waiting for
-- others, broadcasts (queued and running), since when it is paused (ms, 0),
-- what :settings says of events ('': nothing)
local base = KEYS[1]
local now, now_us = enter(ARGV)
local c = count_tasks(base, now)
local ended = redis.call('HMGET', base .. ':ended', 'COMPLETED', 'FAILED',
                         'TIMEOUT', 'STOPPED', 'EXPIRED')
local reply = {num(now_us), num(c.queued), num(c.parked),
               num(redis.call('ZCARD', base .. ':held')), num(c.assigned),
               num(c.running), num(c.due)}
for i = 1, 5 do
    reply[#reply + 1] = ended[i] or '0'
end
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':finished'))
reply[#reply + 1] = num(c.oldest or 0)
reply[#reply + 1] = num(c.live)
reply[#reply + 1] = num(c.first or 0)
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':waiting'))
reply[#reply + 1] = num(redis.call('ZCARD', base .. ':broadcast')
    + redis.call('ZCARD', base .. ':casting'))
reply[#reply + 1] = paused_since(base) or '0'
reply[#reply + 1] = redis.call('HGET', base .. ':settings', 'events') or ''
return reply
