-- enable_task: what disable_task or --disabled held back may run.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, OK. Refuses: NOTFOUND, STATE (the status is the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task, refusal = live_task(base, id)
if refusal then
    return refusal
end
local w = writer(base, 'enable_task')
if r.disabled then
    local before = place(base, r, task)
    r.disabled = nil
    if r.status == 'QUEUED' then
        put(w, 'ZREM', before, id)
        requeue(w, id, r, r.next, task)
    else
        save(w, id, r)
        tell(w, id, r, function_of(task))
    end
end
flush(w, now)
return {num(now_us), 'OK'}
