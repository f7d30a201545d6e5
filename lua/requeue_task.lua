-- requeue_task: any end state -> QUEUED, due now: a new life. Its last run goes
-- to the history. Failures and losses are counted anew, runs on request; a
-- stop_time that has passed is dropped.
-- FLAGS:
-- ARGV[3] id  ARGV[4] 1: count its runs anew
-- ARGV[5] a mark (a number) of this requeueing, or absent: the same mark again
-- (its answer was lost) changes nothing, whatever has become of the task since
-- Returns now_us, OK. Refuses: NOTFOUND, STATE (the status is the last word)
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task = look_up(base, id)
if not r then
    return redis.error_reply('NOTFOUND no such task')
end
local mark = ARGV[5]
if mark and r.again == mark then
    return {num(now_us), 'OK'}
end
if mark and not string.find(mark, '^%d+$') then
    return redis.error_reply('INVALID a mark is a number')
end
if not ENDED[r.status] then
    return redis.error_reply('STATE it is ' .. r.status)
end
local w = writer(base, 'requeue_task')
local last = redis.call('HGET', base .. ':run', id)
local line = redis.call('LINDEX', base .. ':run:' .. id, 0)
if r.start > 0 and r.token ~= '-' and r.status ~= 'EXPIRED' and not r.cast
    and (not line or string.match(line, '^%u+ (%d+)') ~= r.fence) then
    history(w, id, r, r.status, r.stop, last)
end
if last then
    put(w, 'HDEL', base .. ':run', id)
end
put(w, 'ZREM', base .. ':finished', id)
r.failed, r.lost, r.token, r.again = nil, nil, '-', mark
if ARGV[4] == '1' then
    r.run = nil
end
if r.expire and tonumber(r.expire) < now then
    r.expire = nil
end
requeue(w, id, r, now, task)
flush(w, now)
return {num(now_us), 'OK'}
