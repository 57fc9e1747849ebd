-- Who is in a room, and the version of that, both at one moment.
--
-- KEYS  1 presence, 2 its version, 3 turn: counts the times that some node began to judge others differently
-- Returns {version, {connection, "<incarnation> <json>", …}}

local version = tonumber(redis.call('GET', KEYS[2]) or '0') + tonumber(redis.call('GET', KEYS[3]) or '0')
return {version, redis.call('HGETALL', KEYS[1])}
