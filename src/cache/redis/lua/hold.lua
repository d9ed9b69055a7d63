-- A destination asked to be left alone. KEYS: the destination, as in pace.lua. ARGV: now, and what its long run has to have
-- caught up with at the end of the rest, both in microseconds. A longer rest that was asked for already stays.
local now, rested = tonumber(ARGV[1]), tonumber(ARGV[2])
if tonumber(redis.call('GET', KEYS[1]) or '0') >= rested then return '0' end
local keep_ms = string.format('%.0f', math.max(math.ceil((rested - now) / 1000), 0) + 60000)
redis.call('SET', KEYS[1], string.format('%.0f', rested), 'PX', keep_ms)
return '0'
