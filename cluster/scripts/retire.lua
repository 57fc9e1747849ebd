-- Take a node out of the registry, but never the node that has come in its place since.
--
-- KEYS  1 nodes      ARGV  1 server_id, 2 json about the node, as its last beat had it
-- Returns 1 when it was taken out.

local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.match(value, '^%d+ (.*)$') == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
