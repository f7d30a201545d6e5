-- fire: due broadcasts, QUEUED -> RUNNING: one part for each live worker of the
-- group. With no such worker they stay QUEUED.
-- FLAGS:
-- ARGV[3] at most so many
-- Returns now_us, how many, 1 if there may be more
local now, now_us = enter(ARGV)
local limit = tonumber(ARGV[3])
local w = writer(KEYS[1], 'fire')
local n = fire_due(w, now, now_us, limit)
flush(w, now)
return {num(now_us), num(n), n == limit and '1' or '0'}
