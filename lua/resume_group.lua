-- resume_group: ends a pause of the group, and wakes workers.
-- FLAGS: allow-oom
-- Returns now_us, since when it was paused (ms), 0: it was not
local base = KEYS[1]
local now, now_us = enter(ARGV)
local since = paused_since(base)
if since then
    local w = writer(base, 'resume_group')
    put(w, 'HDEL', base .. ':settings', 'paused')
    for key, at in pairs(markers(base)) do
        w.wakes[key] = at
    end
    local cast = first_score(base .. ':broadcast')
    if cast then
        wake(w, tonumber(cast))
    end
    flush(w, now)
end
return {num(now_us), since or '0'}
