-- The reign of this server: it changes when the server starts and when it becomes the master, which are the moments at
-- which data may go back to an older copy. A record of another reign is taken for lost, but for totals that still have
-- to be written back: its marker may have been overridden since, and its totals may have been higher.
local reign = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '-'

-- A record is a hash: n reign, e epoch, v revision, q reason, u quiet until, m more ('-': no limit), h held of it,
-- o window opened, w window ends ('-': none), b budget, g granted, s seen, f first minute that may still be counted in,
-- and t:EPOCH:MINUTE:REASON for each total. Moments are milliseconds, minutes are counted since 1970. Numbers stay below
-- 2^53; where one becomes text it must be by '%.0f', for '..' would round it.
