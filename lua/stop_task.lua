-- stop_task: QUEUED, ASSIGNED -> STOPPED. RUNNING: marked, and its worker told
-- at once; it ends STOPPED and is not run again.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, STOPPED or STOPPING. Refuses: NOTFOUND, STATE (the status is
-- the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task, refusal = live_task(base, id)
if refusal then
    return refusal
end
local w = writer(base, 'stop_task')
local word = 'STOPPED'

local function stop(key, s, text)
    if s.status == 'RUNNING' then
        word = 'STOPPING'
        if not s.stopping then
            s.stopping = '1'
            save(w, key, s)
            tell(w, key, s, function_of(text))
            if not s.cast then
                put(w, 'ZADD', base .. ':stops:' .. s.worker, num(now), key)
                signal(w, s.worker)
            end
        end
    else
        leave(w, key, s, text)
        s.token = '-'
        if not s.of then
            s.worker = '-'
        end
        finish(w, key, s, 'STOPPED', now)
    end
end

for i = 1, tonumber(r.parts or 0) do
    local part, text = look_up(base, id .. '@' .. num(i))
    if part then
        stop(id .. '@' .. num(i), part, text)
    end
end
stop(id, r, task)
flush(w, now)
return {num(now_us), word}
