-- rewind: Redis's clock went back. Leases end as if it had not, and so do the
-- waits of retries and next runs, which count from a run. What waits for a date
-- (start_time, cronline, prevent_drift) goes on waiting for it: of a task that
-- has not run nobody can tell whether its time was asked for. May be said again
-- by others who saw the jump: what was mended shows no sign of it.
-- FLAGS: allow-oom
-- ARGV[3] at most so many tasks  ARGV[4] by so many ms it went back
-- ARGV[5], ARGV[6] where to go on: which set (from 1; 0: the leases of the fleet,
-- whose base it is, and no more), how many of it stay
-- Returns now_us, how many changed, the next set (0: done), how many of it stay
local base = KEYS[1]
local now, now_us = enter(ARGV)
local limit, back = tonumber(ARGV[3]), tonumber(ARGV[4])
local at, stay = tonumber(ARGV[5]), tonumber(ARGV[6])
local w, changed = writer(base, 'rewind'), 0

-- A lease from before the jump lies that far ahead; one renewed since does not.
local leases = at == 0 and {base .. ':leases'}
    or at == 1 and stay == 0 and {base .. ':workers', base .. ':resting'} or {}
for _, key in ipairs(leases) do
    local far = redis.call('ZRANGEBYSCORE', key, '(' .. num(now + back / 2),
                           '+inf', 'WITHSCORES', 'LIMIT', '0', '1000')
    for i = 1, #far, 2 do
        put(w, 'ZADD', key, num(math.max(0, tonumber(far[i + 1]) - back)),
            far[i])
        changed = changed + 1
    end
end

local sets = {base .. ':queued', base .. ':suspects', base .. ':held',
              base .. ':waiting'}
for _, l in ipairs(redis.call('ZRANGE', base .. ':levels', 0, 999)) do
    sets[#sets + 1] = base .. ':queued:' .. l
end
local key = sets[at]
if not key then
    flush(w, now)
    return {num(now_us), num(changed), '0', '0'}
end
local ids = redis.call('ZRANGEBYSCORE', key, '(' .. num(now), '+inf', 'LIMIT',
                       num(stay), num(limit))
local states, tasks = fetch(base .. ':state', ids), fetch(base .. ':task', ids)
for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    if r and r.status == 'QUEUED' and tasks[i] and not r.cron and not r.drift
        and (r.start > now or r.stop > now) then
        r.start = math.max(0, r.start - back)
        r.stop = math.max(0, r.stop - back)
        requeue(w, id, r, math.max(0, r.next - back), tasks[i])
        changed = changed + 1
    else
        stay = stay + 1
    end
end
flush(w, now)
local is_done = #ids < limit
return {num(now_us), num(changed), num(is_done and at + 1 or at),
        is_done and '0' or num(stay)}
