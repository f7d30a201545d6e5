-- stop_task: QUEUED, ASSIGNED -> STOPPED.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, OK. Refuses: NOTFOUND, STATE (the status is the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local task = redis.call('HGET', base .. ':task', id)
if not task then
    return redis.error_reply('NOTFOUND no such task')
end
local text = redis.call('HGET', base .. ':state', id)
local r = text and decode(text) or fresh(
    redis.call('ZSCORE', base .. ':queued', id) or now)
if r.status ~= 'QUEUED' and r.status ~= 'ASSIGNED' then
    return redis.error_reply('STATE it is ' .. r.status)
end
local w = writer(base)
leave(w, id, r, task)
r.token, r.worker = '-', '-'
finish(w, id, r, 'STOPPED', now)
flush(w)
return {num(now_us), 'OK'}
