-- delete_task: QUEUED or ended -> gone, with its runs; its id is free again.
-- What depends on a QUEUED one is told that it ended DELETED.
-- FLAGS: allow-oom
-- ARGV[3] id
-- Returns now_us, OK. Refuses: NOTFOUND, STATE (the status is the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task = look_up(base, id)
if not r or r.of then
    return redis.error_reply('NOTFOUND no such task')
end
if r.status == 'ASSIGNED' or r.status == 'RUNNING' then
    return redis.error_reply('STATE stop it first: it is ' .. r.status)
end
local children = base .. ':children:' .. id
if redis.call('ZCOUNT', children, '0', '0') > STEP then
    return redis.error_reply('STATE stop it first: too many tasks depend on '
                             .. 'it; it is ' .. r.status)
end
local w = writer(base, 'delete_task')
leave(w, id, r, task)
if r.kids then -- also those that an ended one has not told yet
    w.ended[1] = {id, ENDED[r.status] and r.status or 'DELETED'}
    w.family = true
end
tell(w, id, {status = 'GONE', worker = '-', fence = r.fence}, function_of(task))
put(w, 'HDEL', base .. ':task', id)
put(w, 'HDEL', base .. ':state', id)
put(w, 'HDEL', base .. ':run', id)
put(w, 'UNLINK', base .. ':run:' .. id)
put(w, 'UNLINK', base .. ':parents:' .. id)
flush(w, now)
redis.call('UNLINK', children)
return {num(now_us), 'OK'}
