-- history: the samples of a group, as `sample` left them, and how it is doing
-- now.
-- FLAGS: no-writes
-- ARGV[3] hour, day or month  ARGV[4] at most so many samples: the newest
-- Returns now_us, the step (ms), samples, newest first, the first of them of
-- now: 'MS QUEUED DUE RUNNING OLDEST TOTAL C F T S E QS RS q1=n … r1=n …', see
-- sample_of
local base = KEYS[1]
local now, now_us = enter(ARGV)
for _, ring in ipairs(RINGS) do
    if ring.name == ARGV[3] then
        local n = math.min(tonumber(ARGV[4]), ring.n)
        local reply = {num(now_us), num(ring.step),
                       num(now) .. ' ' .. sample_of(base, now)}
        local key = base .. ':history:' .. ring.name
        for _, sample in ipairs(n > 0 and redis.call('LRANGE', key, '0',
                                                     num(n - 1)) or {}) do
            reply[#reply + 1] = sample
        end
        return reply
    end
end
return redis.error_reply('INVALID there is no such history')
