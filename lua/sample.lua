-- sample: how the group is doing goes to its rings, :history:hour, :day and
-- :month, each at most once a step, and only if it is another than the last:
-- a group in which nothing happens writes nothing.
-- FLAGS: allow-oom
-- Returns now_us, how many rings it was written to
local base = KEYS[1]
local now, now_us = enter(ARGV)
local line, n = nil, 0
for _, ring in ipairs(RINGS) do
    local key = base .. ':history:' .. ring.name
    demand(key, 'list')
    local last = redis.call('LINDEX', key, '0') or ''
    local at, was = match(last, '^(%d+) (.*)$')
    -- Not "later": Redis's clock may have gone back.
    if math.floor(tonumber(at or 0) / ring.step)
        ~= math.floor(now / ring.step) then
        line = line or sample_of(base, now)
        if line ~= was then
            redis.call('LPUSH', key, num(now) .. ' ' .. line)
            redis.call('LTRIM', key, '0', num(ring.n - 1))
            redis.call('PEXPIRE', key, num(ring.step * (ring.n + 1)))
            n = n + 1
        end
    end
end
return {num(now_us), num(n)}
