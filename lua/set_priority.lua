-- set_priority: of a task that has not ended. One that is QUEUED changes its
-- place at once; of one a worker has, the next run does. Immediate stays so.
-- FLAGS: allow-oom
-- ARGV[3] id  ARGV[4] priority, -100 to 100
-- Returns now_us, the status. Refuses: NOTFOUND, STATE (the status is the last
-- word), INVALID
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local priority = find(ARGV[4], '^-?%d%d?%d?$') and tonumber(ARGV[4])
if not priority or priority < -100 or priority > 100 then
    return redis.error_reply('INVALID a priority is from -100 to 100')
end
local r, task, refusal = live_task(base, id)
if refusal then
    return refusal
end
local level = priority
if r.level and find(r.level, '.', 1, true) then -- it is immediate
    level = priority + 0.5
end
local w = writer(base, 'set_priority')
if tonumber(r.level or '0') ~= level then
    local before = place(base, r, task)
    r.level = level ~= 0 and (level == priority and num(level)
                              or format('%.1f', level)) or nil
    if r.status == 'QUEUED' then
        put(w, 'ZREM', before, id)
        requeue(w, id, r, r.next, task)
    else
        save(w, id, r)
        tell(w, id, r, function_of(task))
    end
end
flush(w, now)
return {num(now_us), r.status}
