-- A node leaves: give its lease back, and take it out of the registry, but never what has come in its place.
--
-- KEYS  1 nodes, 2 leases, 3 condemned, 4 memberships of the incarnation
-- ARGV  1 server_id, 2 incarnation
-- Returns how many memberships it left behind; the next node that beats removes them at once.

local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.find(value, '"incarnation":"' .. ARGV[2] .. '"', 1, true) then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local left = redis.call('SCARD', KEYS[4])
if redis.call('HDEL', KEYS[2], ARGV[2]) == 1 and left > 0 then
  redis.call('SADD', KEYS[3], ARGV[2])
end
return left
