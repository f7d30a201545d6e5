-- pause_group: nothing more of the group is assigned, until it is resumed; also
-- no broadcast begins. What is ASSIGNED or RUNNING goes on, and what is past its
-- stop_time expires.
-- FLAGS: allow-oom
-- Returns now_us, since when it has been paused (ms)
local base = KEYS[1]
local now, now_us = enter(ARGV)
local since = paused_since(base)
if not since then
    since = num(now)
    local w = writer(base, 'pause_group')
    put(w, 'HSET', base .. ':settings', 'paused', since)
    flush(w, now)
end
return {num(now_us), since}
