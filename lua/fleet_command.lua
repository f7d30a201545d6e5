-- fleet_command: commands for workers, each in the worker's own queue until it
-- has carried it out; no heartbeat overwrites them. KEYS[1] is the base of the
-- fleet.
-- FLAGS: allow-oom
-- ARGV[3] disable|resume|terminate|kill  ARGV[4...] workers
-- Returns now_us, then a word a worker: OK or GONE (its lease has ended)
local base, verb = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local VERBS = {disable = 1, resume = 1, terminate = 1, kill = 1}
if not VERBS[verb] then
    return redis.error_reply('INVALID no such command')
end
-- Numbers stand above all before, also above those carried out already, and
-- also if the clock was set back.
local last = tonumber(redis.call('GET', base .. ':command') or 0)
local reply = {num(now_us)}
for i = 4, #ARGV do
    local lease = redis.call('ZSCORE', base .. ':leases', ARGV[i])
    if lease and tonumber(lease) >= now then
        local queue = base .. ':commands:' .. ARGV[i]
        last = math.max(last + 1, now_us)
        local n = num(last)
        redis.call('ZADD', queue, n, n .. ' ' .. verb)
        redis.call('ZREMRANGEBYRANK', queue, 0, -101)
        redis.call('ZADD', base .. ':signal:' .. ARGV[i], '0', 's')
        reply[#reply + 1] = 'OK'
    else
        reply[#reply + 1] = 'GONE'
    end
end
redis.call('SET', base .. ':command', num(last))
return reply
