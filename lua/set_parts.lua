-- set_parts: over how many parts a group is spread, as one of the parts keeps
-- it; KEYS[1] is that part. A change closes all parts (queue_task then puts
-- nothing there), and opens them with the new number, part 0 first. A part is
-- closed only while it holds nothing, or for the number its tasks were put
-- there by; what is closed can be closed by somebody else, who then owns it.
-- FLAGS: allow-oom
-- ARGV[3] see, close or open  ARGV[4] the caller's token
-- ARGV[5] close, open: the number to be  ARGV[6] close: how many parts are
-- touched
-- Returns now_us, a word, the number, 1 if it is closed, how many parts were
-- touched by whoever closed it, tasks, ended ones of these, ids kept.
-- Words: OK; HELD: it holds tasks, put there by another number; TAKEN: it is
-- not the caller's to open
local base, verb, token, want = KEYS[1], ARGV[3], ARGV[4], ARGV[5]
local now, now_us = enter(ARGV)
local key = base .. ':parts'
local value = redis.call('GET', key) or '1'
local owner, reach, number = string.match(value, '^0 (%S+) (%d+) (%d+)$')
local closed = owner and '1' or '0'
number, reach = number or value, reach or value
local ids = redis.call('ZCARD', base .. ':ids')
local tasks = redis.call('HLEN', base .. ':task')
local pending = redis.call('EXISTS', base .. ':messages', base .. ':endings')
local word = 'OK'
if verb == 'close' then
    if tasks + pending > 0 and number ~= want then
        word = 'HELD'
    else
        local most = math.max(tonumber(reach), tonumber(ARGV[6]))
        redis.call('SET', key, '0 ' .. token .. ' ' .. num(most) .. ' '
            .. number)
    end
elseif verb == 'open' then
    if value ~= want and owner ~= token then
        word = 'TAKEN'
    elseif want == '1' then
        redis.call('DEL', key)
    else
        redis.call('SET', key, want)
    end
end
return {num(now_us), word, number, closed, reach, num(tasks),
        num(redis.call('ZCARD', base .. ':finished')), num(ids)}
