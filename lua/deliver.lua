-- deliver: messages from other groups to tasks of this one. Each may come
-- twice.
-- link: FROM (GROUP/ID) waits for task ID of this group; if that has ended, a
-- message says so. ended: FROM, on which ID may depend, has ended as WORD.
-- FLAGS: allow-oom
-- ARGV[3...] four a message: kind, id, from, word
-- Returns now_us, how many
local base = KEYS[1]
local now, now_us = enter(ARGV)
local own = own_group(base)
local w, recs = writer(base, 'deliver'), {}
local n = 0
for i = 3, #ARGV, 4 do
    local kind, id, from, word = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    n = n + 1
    if kind == 'ended' then
        parent_ended(w, id, from, word, now, recs)
    elseif kind == 'link' and string.find(from, '^[^/ ]+/[^/ ]+$') then
        local r = recs[id]
        if not r then
            local task
            r, task = look_up(base, id)
            if r then -- what follows in this call builds on it
                r.text, r.open_parents = task, {}
                recs[id] = r
            end
        end
        local text = not r and redis.call('HGET', base .. ':state', id)
        r = r or text and decode(text) -- pruned: what it ended as
        if not r or ENDED[r.status] then
            post(w, now, 'ended', from, own .. '/' .. id,
                 r and r.status or 'GONE')
        else
            put(w, 'ZADD', base .. ':children:' .. id, '0', from)
            if not r.kids then
                r.kids = '1'
                save(w, id, r)
            end
        end
    end
end
flush(w, now)
return {num(now_us), num(n)}
