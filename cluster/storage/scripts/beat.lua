-- Refresh a node's lease and read what all nodes have stored. Stamps are Redis' own time: one clock judges all.
--
-- KEYS  1 nodes, 2 leases, 3 condemned, 4 pulse, 5 secret
-- ARGV  1 server_id, 2 incarnation, 3 json about the node, 4 'new' = take this lease, '' = only refresh it,
--       5 ms without any node's beat that count as an outage, 6 ms after which a dead node is forgotten,
--       7 a secret for the cluster, should it have none ('' = not asked)
-- Returns {flag, now ms, ms since when beats are without an outage, secret,
--          {server_id, "<stamp ms> <json>", …}, {incarnation, "<stamp ms> <server_id>", …}, {condemned, …}}
--       flag: 'held', or 'gone': the incarnation was reaped, and nothing was written for it

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)

local last = tonumber(redis.call('HGET', KEYS[4], 'last') or '0')
if now < last or now - last > tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[4], 'since', stamp)
end
redis.call('HSET', KEYS[4], 'last', stamp)

if ARGV[7] ~= '' then
  redis.call('SET', KEYS[5], ARGV[7], 'NX')
end

local flag = 'gone'
if ARGV[4] == 'new' or redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then
  flag = 'held'
  redis.call('HSET', KEYS[2], ARGV[2], stamp .. ' ' .. ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[1], stamp .. ' ' .. ARGV[3])
end

local nodes = redis.call('HGETALL', KEYS[1])
for i = 1, #nodes, 2 do
  if now - tonumber(string.match(nodes[i + 1], '^%d+')) > tonumber(ARGV[6]) then
    redis.call('HDEL', KEYS[1], nodes[i])
  end
end
return {
  flag,
  now,
  tonumber(redis.call('HGET', KEYS[4], 'since')),
  redis.call('GET', KEYS[5]) or '',
  redis.call('HGETALL', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('SMEMBERS', KEYS[3]),
}
