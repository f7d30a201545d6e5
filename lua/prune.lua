-- prune: ended tasks past their retention, and the oldest above a number kept,
-- -> gone. An id stays at least an hour, so that a retry cannot run it twice.
-- FLAGS: allow-oom
-- ARGV[3] at most so many  ARGV[4] ended tasks kept at most
-- Returns now_us, how many, 1 if there may be more
local base = KEYS[1]
local now, now_us = enter(ARGV)
local limit, kept = tonumber(ARGV[3]), tonumber(ARGV[4])
local key = base .. ':finished'
local ids = redis.call('ZRANGEBYSCORE', key, '-inf', num(now), 'LIMIT', 0,
                       limit)
local over = redis.call('ZCARD', key) - kept
local more = #ids == limit
if #ids == 0 and over > 0 then
    ids = redis.call('ZRANGE', key, 0, math.min(over, limit) - 1)
    more = over > limit
end
local old = redis.call('ZRANGEBYSCORE', base .. ':ids', '-inf', num(now),
                       'LIMIT', 0, limit - #ids)
for _, id in ipairs(old) do
    ids[#ids + 1] = id
end
more = more or (#old > 0 and #ids == limit)
local w = writer(base, 'prune')
prune_ids(w, ids, now, #old)
flush(w, now)
return {num(now_us), num(#ids), more and '1' or '0'}
