-- report: RUNNING -> COMPLETED, FAILED, TIMEOUT, STOPPED, EXPIRED, or QUEUED
-- again (repeat, retry). Each result is judged by itself; the same report
-- twice is counted once.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4...] four a task: id, ticket ('fence token'),
-- COMPLETED|FAILED|TIMEOUT|STOPPED, what came of it (JSON, or ''). Of a task
-- with a cronline the status is followed by a blank and the next match (ms).
-- Advice of a run that FAILED comes behind that and a blank: !MS (12 digits at
-- most), try again so much later, or !never. Last of all, behind a blank,
-- @FUNCTION: whose run it was, which an older worker does not tell
-- Returns now_us, then a word a task: OK, AGAIN (counted before) or STALE;
-- then MORE, if there are messages to deliver or children to tell
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 4 do
    ids[#ids + 1] = ARGV[i]
end
local states = fetch(base .. ':state', ids)
local w, reply, seen = writer(base, 'report'), {num(now_us)}, {}
local state = list(w, 'HSET', base .. ':state')
local running = list(w, 'SREM', base .. ':running:' .. worker)
local finished = list(w, 'ZADD', base .. ':finished')
local keep, now_text = num(now + DAY), num(now)
local last, prefix -- the ticket before: one assign gives many the same
local ids_told, tally_told -- of the event of those before
local COUNT = {COMPLETED = ' run=1', FAILED = ' failed=1',
               TIMEOUT = ' failed=1', STOPPED = ''}
local said = {} -- most runs end as others did

-- What is said of a run: its status and the rest; where runs like it are
-- counted.
local function read_word(text, i)
    local head, fn = match(text, '^(.-) ?@([%w_.:/-]+)$')
    local status, cron, advice = match(head or text, '^(%u+) ?(%d*) ?(!?%w*)$')
    if not COUNT[status or ''] or #(fn or '') > 128
        or advice ~= '' and advice ~= '!never'
            and (#advice > 13 or not match(advice, '^!%d+$')) then
        error({err = 'INVALID report: not a status: ' .. num(i)})
    end
    local t = new_tally(w, ENDS[status], fn or '')
    t.status, t.cron, t.advice, t.named = status, tonumber(cron), advice, fn
    said[text] = t
    return t
end

for i, id in ipairs(ids) do
    local at = 4 * i
    local ticket, payload = ARGV[at + 1], ARGV[at + 3]
    local text, word = states[i], 'STALE'
    local t = said[ARGV[at + 2]] or read_word(ARGV[at + 2], i)
    local status = t.status
    if ticket ~= last then
        last, prefix = ticket, 'RUNNING ' .. ticket .. ' ' .. worker .. ' '
        tally_told = nil
    end
    if text and not seen[id] and find(text, prefix, 1, true) == 1 then
        word = 'OK'
        seen[id] = true
        running[#running + 1] = id
        if not find(text, '=', #prefix, true) then
            -- All rules default and never touched before: no need to parse.
            local start = sub(text, -15, -3) -- 13 digits until the year 2286
            if start == t.at then
                t.n = t.n + 1
            else
                tally(t, start, now)
            end
            state[#state + 1] = id
            state[#state + 1] = status .. sub(text, 8, -2) .. now_text
                .. COUNT[status]
            finished[#finished + 1] = keep
            finished[#finished + 1] = id
            w.counts[status] = (w.counts[status] or 0) + 1
            if t ~= tally_told then
                ids_told = told(w, status, worker, match(ticket, '^%d+'),
                                t.named)
                tally_told = t
            end
            if ids_told then
                ids_told[#ids_told + 1] = id
            end
            if payload ~= '' then
                put(w, 'HSET', base .. ':run', id, payload)
            end
        else
            local r, cron = decode(text), t.cron
            tally(t, r.start, now)
            local ended, due = judge(r, status, now, cron, t.advice)
            if ended then
                if ended ~= status and status == 'COMPLETED' then
                    history(w, id, r, status, now, payload)
                    payload = ''
                end
                finish(w, id, r, ended, now, payload, cron)
            else
                history(w, id, r, status, now, payload)
                r.stop = now
                requeue(w, id, r, due)
            end
        end
    elseif text then
        local r = decode(text)
        if r.fence .. ' ' .. r.token == ticket and (seen[id]
                or r.status ~= 'RUNNING' and r.status ~= 'ASSIGNED') then
            word = 'AGAIN'
        end
    end
    reply[#reply + 1] = word
end

local old = redis.call('ZRANGEBYSCORE', base .. ':finished', '-inf', now_text,
                       'LIMIT', '0', num(#ids))
if #old > 0 then
    prune_ids(w, old, now)
end
flush(w, now)
if w.posted or w.family and redis.call('EXISTS', base .. ':endings') == 1 then
    reply[#reply + 1] = 'MORE'
end
return reply
