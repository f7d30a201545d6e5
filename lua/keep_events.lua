-- keep_events: how many entries of its event stream a group keeps, about. What
-- is more -> gone.
-- FLAGS: allow-oom
-- ARGV[3] so many; 0: none, and none are written from now on
-- Returns now_us, OK
local KEEP_MAX = 10000000
local base, keep = KEYS[1], tonumber(ARGV[3])
local now, now_us = enter(ARGV)
if not keep or keep < 0 or keep > KEEP_MAX or keep % 1 ~= 0 then
    return redis.error_reply('INVALID events to keep are from 0 to '
                             .. num(KEEP_MAX))
end
demand(base .. ':settings', 'hash')
if keep == 0 then
    redis.call('UNLINK', base .. ':events')
else
    demand(base .. ':events', 'stream')
    redis.call('XTRIM', base .. ':events', 'MAXLEN', '~', num(keep))
end
redis.call('HSET', base .. ':settings', 'events', num(keep))
return {num(now_us), 'OK'}
