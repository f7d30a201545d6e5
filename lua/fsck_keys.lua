-- fsck_keys: looks at keys by their names, as SCAN finds them: does each belong
-- to something that is there? Changes nothing. KEYS[1] is the base of a group
-- or of the fleet.
-- FLAGS: no-writes
-- ARGV[3...] names behind the base: ":run:ID"
-- Returns now_us, how many of them hold tasks and are not led to by anything
-- else, these (fsck walks them: key 0, cursor "0NAME"), then a sentence a fault
local now, now_us = enter(ARGV)
return keys_step(KEYS[1], ARGV, now, now_us, nil)
