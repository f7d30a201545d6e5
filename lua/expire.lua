-- expire: QUEUED, ASSIGNED -> EXPIRED, past their stop_time.
-- FLAGS: allow-oom
-- ARGV[3] at most so many
-- Returns now_us, how many, 1 if there may be more
local now, now_us = enter(ARGV)
local limit = tonumber(ARGV[3])
local w = writer(KEYS[1], 'expire')
local _, n = expire_due(w, now, limit)
flush(w, now)
return {num(now_us), num(n), n == limit and '1' or '0'}
