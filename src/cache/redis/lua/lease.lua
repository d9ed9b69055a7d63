-- Acquires or renews a lease.
-- KEYS: the lease. ARGV: who wants it, now, until when, how many milliseconds to keep the key.
-- Answers 1 when it is theirs. The moment inside decides, not the key's expiry: that one only tidies up.
local lease = redis.call('GET', KEYS[1])
if lease then
    local ends_at, holder = string.match(lease, '^(%d+) (.*)$')
    if holder ~= ARGV[1] and tonumber(ends_at) > tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[1], 'PX', ARGV[4])
return 1
