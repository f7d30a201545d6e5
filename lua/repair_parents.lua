-- repair_parents: whom a QUEUED task waits for, anew from what was queued: those
-- that have COMPLETED are not waited for, one that ended otherwise fails it, and
-- those in other groups are asked (a message) and answer.
-- FLAGS: allow-oom
-- ARGV[3] id  ARGV[4...] all it was to wait for: GROUP/ID
-- Returns now_us, WAITS, RELEASED or FAILED; OK: it does not wait
local base, id = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local r, task = look_up(base, id)
if not r or r.status ~= 'QUEUED' or not r.wait or r.of then
    return {num(now_us), 'OK'}
end
local own, key = own_group(base), base .. ':parents:' .. id
local w, open, seen, gone, failed = writer(base, 'repair_parents'), {}, {}, nil, nil
local changed = {}
for i = 4, #ARGV do
    local ref = ARGV[i]
    local group, parent = string.match(ref, '^([%w_.~-]+)/([%w_.:-]+)$')
    if not group then
        return redis.error_reply('INVALID not GROUP/ID: ' .. num(i))
    end
    if seen[ref] then
        -- named twice
    elseif group ~= own then
        open[#open + 1] = ref
    else
        local p = look_up(base, parent)
        local text = not p and redis.call('HGET', base .. ':state', parent)
        p = p or text and decode(text) -- pruned: what it ended as
        if not p then
            gone = gone or ref
        elseif not ENDED[p.status] then
            open[#open + 1] = ref
            if not p.kids then
                p.kids = '1'
                changed[parent] = p
            end
        elseif p.status ~= 'COMPLETED' and not r.anyway then
            failed = failed or shown(ref) .. ', which ended ' .. p.status
        end
    end
    seen[ref] = true
end
-- One of which nothing is left has ended and told it long ago, if those that
-- are left are as many as it waits for.
if gone and #open < tonumber(r.wait) and not r.anyway then
    failed = failed or shown(gone) .. ', of which nothing is left'
end
local word = 'WAITS'
put(w, 'UNLINK', key)
if failed then
    word = 'FAILED'
    leave(w, id, r, task)
    finish(w, id, r, 'FAILED', now, '{"error":"it depends on ' .. failed
           .. '"}')
elseif #open == 0 then
    word = 'RELEASED'
    put(w, 'ZREM', (place(base, r, task)), id)
    r.wait = nil
    requeue(w, id, r, r.next, task)
else
    r.wait = num(#open)
    save(w, id, r)
    for parent, p in pairs(changed) do
        save(w, parent, p)
    end
    for _, ref in ipairs(open) do
        local group, parent = string.match(ref, '^([^/]+)/(.+)$')
        put(w, 'SADD', key, ref)
        if group == own then
            put(w, 'ZADD', base .. ':children:' .. parent, '0',
                own .. '/' .. id)
        else
            post(w, now, 'link', ref, own .. '/' .. id, '-')
        end
    end
end
flush(w, now)
return {num(now_us), word}
