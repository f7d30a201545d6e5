-- disable_task: a task that has not begun waits until it is enabled, ASSIGNED
-- -> QUEUED; of one that runs the next run does.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, OK. Refuses: NOTFOUND, STATE (the status is the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task, refusal = live_task(base, id)
if refusal then
    return refusal
end
local w = writer(base, 'disable_task')
if not r.disabled then
    local before, kind = place(base, r, task)
    if r.status == 'ASSIGNED' then -- its worker finds out when it starts it
        r.token = '-'
    end
    r.disabled = '1'
    if r.status ~= 'RUNNING' then
        put(w, kind .. 'REM', before, id)
        requeue(w, id, r, r.next, task)
    else
        save(w, id, r)
        tell(w, id, r, function_of(task))
    end
end
flush(w, now)
return {num(now_us), 'OK'}
