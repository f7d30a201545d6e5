-- settle: tells children of ended tasks that the script which ended them left
-- for later, because there were too many for one step.
-- FLAGS: allow-oom
-- ARGV[3] at most so many parents
-- Returns now_us, how many, 1 if there may be more
local base = KEYS[1]
local now, now_us = enter(ARGV)
local limit = tonumber(ARGV[3])
local w = writer(base, 'settle')
local ids = redis.call('ZRANGE', base .. ':endings', 0, limit - 1)
local states = fetch(base .. ':state', ids)
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    if r and ENDED[r.status] then
        w.ended[#w.ended + 1] = {id, r.status}
        w.family = true
    else
        put(w, 'ZREM', base .. ':endings', id)
    end
end
flush(w, now)
local left = redis.call('EXISTS', base .. ':endings')
return {num(now_us), num(#ids), num(left)}
