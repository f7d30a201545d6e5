-- Behind prelude.lua: events, a capped stream of what happened to a group's
-- tasks. An entry is what one call did to some of them (EVENT_TASKS at most)
-- under one verb:
--   verb VERB  n HOW_MANY  tasks "STATUS WORKER FENCE FUNCTION ID ID...", a line
-- for those that are alike. WORKER: who holds it, or had it until now, "-":
-- nobody; FUNCTION "*": it was not at hand, a reader looks it up.
-- They are written last and can be lost: what is wrong with the stream (a key of
-- another type, no permission) must not keep a task from its transition.

local EVENTS_KEPT = 0      -- entries, where nobody said otherwise: off, as they
                           -- cost 5 % of a task's life, and 13 % of queueing one
local EVENT_TASKS = 250    -- of one entry
local SOON_GONE = 300000   -- ms: what is kept no longer, a reader may look up
                           -- too late

-- How many entries the group keeps, 0: none are written.
events_kept = function(base)
    local text = redis.pcall('HGET', base .. ':settings', 'events')
    if not text then
        return EVENTS_KEPT
    end
    return type(text) == 'string' and tonumber(text) or 0
end

add_event = function(base, kept, verb, n, tasks)
    redis.pcall('XADD', base .. ':events', 'MAXLEN', '~', num(kept), '*',
                'verb', verb, 'n', num(n), 'tasks', tasks)
end

-- The list to append ids to of which this is told (its first element is what is
-- told: the text is made by one concat, as Lua hashes each text once more); nil:
-- nothing is kept.
told = function(w, status, worker, fence, fn)
    if w.told == nil then
        w.kept = events_kept(w.base)
        w.told = w.kept > 0 and {}
    end
    if not w.told then
        return nil
    end
    local of = w.told[w.verb]
    if not of then
        of = {verb = w.verb}
        w.told[w.verb] = of
        w.told[#w.told + 1] = of
    end
    local head = status .. ' ' .. worker .. ' ' .. fence .. ' ' .. (fn or '*')
    local last = of[#of]
    if not last or last[1] ~= head then
        last = {head}
        of[#of + 1] = last
    end
    return last
end

tell = function(w, id, r, fn)
    local l = told(w, r.status, r.worker, r.fence, fn)
    if not l then
        return
    end
    if not fn and r.ttl and ENDED[r.status]
        and tonumber(r.ttl) <= SOON_GONE then
        local task = redis.pcall('HGET', w.base .. ':task', id)
        l = type(task) == 'string' and told(w, r.status, r.worker, r.fence,
                                            function_of(task)) or l
    end
    l[#l + 1] = id
end

-- What follows is told under another verb; returns the one before.
tell_as = function(w, verb)
    local before = w.verb
    w.verb = verb
    return before
end

-- More than one line, or more than one entry.
local function write_lines(w, of)
    local lines, n = {}, 0
    for _, l in ipairs(of) do
        local from = 2
        while from <= #l do
            local to = math.min(#l, from + EVENT_TASKS - n - 1)
            lines[#lines + 1] = l[1] .. ' ' .. table.concat(l, ' ', from, to)
            n = n + to - from + 1
            from = to + 1
            if n == EVENT_TASKS then
                add_event(w.base, w.kept, of.verb, n,
                          table.concat(lines, '\n'))
                lines, n = {}, 0
            end
        end
    end
    if n > 0 then
        add_event(w.base, w.kept, of.verb, n, table.concat(lines, '\n'))
    end
end

write_events = function(w)
    for _, of in ipairs(w.told) do
        local n = #of == 1 and #of[1] - 1
        if n and n > 0 and n <= EVENT_TASKS then
            add_event(w.base, w.kept, of.verb, n, table.concat(of[1], ' '))
        else
            write_lines(w, of)
        end
    end
    w.told = nil
end
