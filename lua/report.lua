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
    t.status, t.cron, t.advice = status, tonumber(cron), advice
    said[text] = t
    return t
end

-- Records of one assign are mostly the same text: what becomes of one becomes of
-- all in the row, and they are counted at once.
local same, same_t, done, n_same = nil, nil, nil, 0
local row_told -- of their event

local function end_row()
    if n_same > 0 then
        same_t.n = same_t.n + n_same
        w.counts[same_t.status] = (w.counts[same_t.status] or 0) + n_same
    end
    same, n_same = nil, 0
end

local function report_ruled(id, text, t, payload)
    local r, cron = decode(text), t.cron
    tally(t, r.start, now)
    local ended, due = judge(r, t.status, now, cron, t.advice)
    if ended then
        if ended ~= t.status and t.status == 'COMPLETED' then
            history(w, id, r, t.status, now, payload)
            payload = ''
        end
        finish(w, id, r, ended, now, payload, cron)
    else
        history(w, id, r, t.status, now, payload)
        r.stop = now
        requeue(w, id, r, due)
    end
end

for i, id in ipairs(ids) do
    local at = 4 * i
    local ticket, payload = ARGV[at + 1], ARGV[at + 3]
    local text, word = states[i], 'STALE'
    local t = said[ARGV[at + 2]] or read_word(ARGV[at + 2], i)
    local is_new = text and not seen[id]
    local is_plain = is_new and text == same and t == same_t and ticket == last
    if ticket ~= last then
        last, prefix = ticket, 'RUNNING ' .. ticket .. ' ' .. worker .. ' '
    end
    if is_plain then
        n_same = n_same + 1
    elseif is_new and find(text, prefix, 1, true) == 1 then
        end_row()
        if not find(text, '=', #prefix, true) then
            -- All rules default and never touched before: no need to parse. The
            -- start has 13 digits until the year 2286.
            is_plain = true
            same, same_t, n_same = text, t, 0
            done = t.status .. sub(text, 8, -2) .. now_text .. COUNT[t.status]
            tally(t, sub(text, -15, -3), now)
            w.counts[t.status] = (w.counts[t.status] or 0) + 1
            row_told = told(w, t.status, worker, match(ticket, '^%d+'),
                            t.fn ~= OTHER and t.fn or nil)
        else
            word = 'OK'
            seen[id] = true
            running[#running + 1] = id
            report_ruled(id, text, t, payload)
        end
    elseif text then
        local r = decode(text)
        if r.fence .. ' ' .. r.token == ticket and (seen[id]
                or r.status ~= 'RUNNING' and r.status ~= 'ASSIGNED') then
            word = 'AGAIN'
        end
    end
    if is_plain then
        word = 'OK'
        seen[id] = true
        running[#running + 1] = id
        state[#state + 1] = id
        state[#state + 1] = done
        finished[#finished + 1] = keep
        finished[#finished + 1] = id
        if row_told then
            row_told[#row_told + 1] = id
        end
        if payload ~= '' then
            put(w, 'HSET', base .. ':run', id, payload)
        end
    end
    reply[#reply + 1] = word
end
end_row()

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
