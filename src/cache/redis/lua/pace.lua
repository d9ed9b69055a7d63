-- A message's turn (GCRA). KEYS: the destination: when the long run would have caught up, in microseconds.
-- ARGV: now, the interval of the long run, how far ahead of it a burst may be, all in microseconds.
-- An interval of 0: nothing but rests (hold.lua) is kept. Answers '0' when its turn is now, which is used up; else the moment to ask again.
local now, interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local caught_up = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
if caught_up - tolerance > now then return string.format('%.0f', caught_up - tolerance) end
if interval == 0 then return '0' end
caught_up = math.max(caught_up, now) + interval
-- A minute more than it matters, for clocks that differ.
local keep_ms = string.format('%.0f', math.ceil((caught_up - now) / 1000) + 60000)
redis.call('SET', KEYS[1], string.format('%.0f', caught_up), 'PX', keep_ms)
return '0'
