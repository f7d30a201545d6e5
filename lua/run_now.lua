-- run_now: QUEUED and due later -> due now. The series of a task with a cronline
-- or a grid (prevent_drift) goes on as if this were a run more; with a start_time
-- to come, at that. Of another task the start_time is now. Fine if it is due.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, QUEUED. Refuses: NOTFOUND, STATE (the status is the last word
-- of one that is not QUEUED)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task, refusal = live_task(base, id)
if refusal then
    return refusal
end
if r.status ~= 'QUEUED' then
    return redis.error_reply('STATE it is ' .. r.status)
elseif r.disabled then
    return redis.error_reply('STATE it is disabled: enable it first')
elseif r.wait then
    return redis.error_reply('STATE it waits for tasks it depends on')
end
local w = writer(base, 'run_now')
if r.next > now then
    local begin = tonumber(r.begin or r.next)
    if begin > now and not r.drift and not r.cron then
        begin = now
    end
    r.begin = num(begin)
    put(w, 'ZREM', (place(base, r, task)), id)
    requeue(w, id, r, now, task)
end
flush(w, now)
return {num(now_us), 'QUEUED'}
