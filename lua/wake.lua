-- wake: the reaper's look at a group: puts a lost wake-up marker back, and
-- says when each duty is due.
-- FLAGS: allow-oom
-- ARGV[3] the worker that asks: its own lease is no news to it
-- Returns now_us, then, as ms since the epoch or '' for none: the next
-- stop_time, the next end of a lease, the next retention, the next broadcast;
-- then the number of ended tasks, of messages to deliver, and of ended tasks
-- whose children are not told yet; and a word that is another one when something
-- has been queued, started or reported
local base = KEYS[1]
local now, now_us = enter(ARGV)
-- A paused group has no markers: they would wake workers for nothing.
local paused = paused_since(base)
for key, score in pairs(paused and {} or markers(base)) do
    redis.call('ZADD', key, 'LT', num(score), 'w')
end
local retained = first_score(base .. ':finished') or ''
local ids = first_score(base .. ':ids')
if ids and (retained == '' or tonumber(ids) < tonumber(retained)) then
    retained = ids
end
local lease = ''
local leases = redis.call('ZRANGE', base .. ':workers', 0, 1, 'WITHSCORES')
for i = #leases - 1, 1, -2 do
    if leases[i] ~= ARGV[3] then
        lease = leases[i + 1]
    end
end
local cast = not paused and first_score(base .. ':broadcast')
if cast and tonumber(cast) > now then
    redis.call('ZADD', base .. ':wake', 'LT', cast, 'w')
end
return {num(now_us), first_score(base .. ':expiry') or '',
        lease, retained, cast or '',
        num(redis.call('ZCARD', base .. ':finished')),
        num(redis.call('ZCARD', base .. ':messages')),
        num(redis.call('ZCARD', base .. ':endings')),
        num(redis.call('HLEN', base .. ':task')) .. '/'
            .. (redis.call('HGET', base .. ':measures', 'qs') or '-') .. '/'
            .. (redis.call('HGET', base .. ':measures', 'rs') or '-')}
