-- start: ASSIGNED -> RUNNING, of tasks the worker had prefetched.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4...] two a task: id, ticket ('fence token');
-- behind it ' @FUNCTION', which an older worker does not tell
-- Returns now_us, then a word a task: OK (also when it was started before by a
-- call whose answer got lost), STALE (stopped, or not its own any more) or
-- EXPIRED
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 2 do
    ids[#ids + 1] = ARGV[i]
end
local w, reply = writer(base, 'start'), {num(now_us)}
local states = fetch(base .. ':state', ids)
local seen, said = {}, {}

-- The ticket, and where runs of the function are counted.
local function read_ticket(text)
    local t = said[text]
    if not t then
        local ticket, fn = match(text, '^(%d+ %S+) @([%w_.:/-]+)$')
        t = new_tally(w, 'q', sub(fn or '', 1, 128))
        t.ticket = ticket or text
        said[text] = t
    end
    return t.ticket, t
end

for i, id in ipairs(ids) do
    local r = states[i] and decode(states[i])
    local word = 'STALE'
    local ticket, t = read_ticket(ARGV[3 + 2 * i])
    local own = r and not seen[id] and r.worker == worker
        and r.fence .. ' ' .. r.token == ticket
    if own and r.status == 'RUNNING' then
        word = 'OK'
    elseif own and r.status == 'ASSIGNED' then
        put(w, 'SREM', base .. ':assigned:' .. worker, id)
        if r.expire then
            put(w, 'ZREM', base .. ':expiry', id)
        end
        if r.expire and tonumber(r.expire) < now then
            word = 'EXPIRED'
            r.token, r.worker = '-', '-'
            finish(w, id, r, 'EXPIRED', now)
        else
            word = 'OK'
            tally(t, r.next, now)
            r.status, r.start, r.stop = 'RUNNING', now, 0
            save(w, id, r)
            tell(w, id, r)
            put(w, 'SADD', base .. ':running:' .. worker, id)
        end
    end
    seen[id] = true
    reply[#reply + 1] = word
end
flush(w, now)
return reply
