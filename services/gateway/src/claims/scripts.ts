// Lua that Redis runs atomically. All keys of a deployment share one hash tag, so that a cluster keeps them on one node.
// Amounts are integers below 2^53; the gateway offers nothing larger.

/** KEYS ready claim payer totals lost due alias · ARGV see RedisClaims.reserve. */
export const reserve = `
if redis.call('EXISTS', KEYS[1]) == 0 then return {'not-ready'} end
local known = redis.call('HMGET', KEYS[2], 'requestId', 'fingerprint')
if known[1] then
  if known[1] ~= ARGV[2] or known[2] ~= ARGV[3] then return {'conflict'} end
  return {'existing', redis.call('HGETALL', KEYS[2])}
end
local now, amount = tonumber(ARGV[7]), tonumber(ARGV[4])
local payer = redis.call('HMGET', KEYS[3], 'balance', 'balanceAtMs', 'exposure', 'settled', 'owed', 'contract')
if not payer[2] or now - tonumber(payer[2]) > tonumber(ARGV[10]) then return {'stale-payer'} end
if payer[6] == '1' then return {'exposed', 'contract-payer'} end
local exposure, settled = tonumber(payer[3] or '0'), tonumber(payer[4] or '0')
if exposure + amount > tonumber(payer[1]) then return {'exposed', 'insufficient-balance'} end
local counted = '0'
if ARGV[5] == 'authorization' then
  local payerCap = tonumber(ARGV[8])
  if tonumber(payer[5] or '0') > 0 then return {'exposed', 'debtor'} end
  if exposure + amount > math.max(payerCap, settled) then return {'exposed', 'payer-cap'} end
  if settled < payerCap then
    local risked = tonumber(redis.call('GET', KEYS[4]) or '0') + tonumber(redis.call('GET', KEYS[5]) or '0')
    if risked + amount > tonumber(ARGV[9]) then return {'exposed', 'total-cap'} end
    redis.call('INCRBY', KEYS[4], amount)
    counted = '1'
  end
end
redis.call('HINCRBY', KEYS[3], 'exposure', amount)
redis.call('HSET', KEYS[2], 'state', 'reserved', 'counted', counted, 'released', '0', 'leaseUntilMs', now + tonumber(ARGV[12]), 'requestId', ARGV[2], 'fingerprint', ARGV[3], 'amount', ARGV[4], 'flow', ARGV[5], 'facts', ARGV[13])
redis.call('PEXPIRE', KEYS[2], ARGV[11])
redis.call('SET', KEYS[7], ARGV[1], 'PX', ARGV[11])
redis.call('ZADD', KEYS[6], ARGV[6], ARGV[1])
return {'reserved'}
`

/** Ends what a claim counts for in the exposure ledger, once. Used by the scripts below. */
const releaseExposure = `
local function releaseExposure(how)
  local claim = redis.call('HMGET', KEYS[1], 'released', 'amount', 'counted', 'flow')
  if claim[1] ~= '0' then return end
  local amount = tonumber(claim[2])
  redis.call('HSET', KEYS[1], 'released', '1')
  redis.call('HINCRBY', KEYS[2], 'exposure', -amount)
  if claim[3] == '1' then redis.call('DECRBY', KEYS[3], amount) end
  if how == 'paid' then
    redis.call('HINCRBY', KEYS[2], 'settled', amount)
    redis.call('HINCRBY', KEYS[2], 'version', 1)
    if redis.call('HEXISTS', KEYS[2], 'balance') == 1 then redis.call('HINCRBY', KEYS[2], 'balance', -amount) end
  elseif how == 'lost' then
    redis.call('HINCRBY', KEYS[2], 'owed', amount)
    if claim[3] == '1' then
      redis.call('INCRBY', KEYS[4], amount)
      redis.call('PEXPIRE', KEYS[4], 86400000, 'NX')
    end
  end
end
`

/** KEYS claim payer totals lost due · ARGV payment id, states that may move there, states that are there already, then the fields to set: state first. */
export const transition = `${releaseExposure}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
if string.find(ARGV[3], ',' .. state .. ',', 1, true) then return 'already' end
if not string.find(ARGV[2], ',' .. state .. ',', 1, true) then return 'conflict' end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
local ends = ({settled = 'paid', void = 'void', unpaid = 'lost'})[ARGV[5]]
if ends then
  releaseExposure(ends)
  redis.call('ZREM', KEYS[5], ARGV[1])
end
return 'applied'
`

/** KEYS claim payer totals lost · ARGV fields to set. An upfront payment was collected. */
export const paid = `${releaseExposure}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
redis.call('HSET', KEYS[1], unpack(ARGV))
releaseExposure('paid')
if state == 'paying' or state == 'reserved' then
  redis.call('HSET', KEYS[1], 'state', 'accepted')
  return 'applied'
end
return 'already'
`

/** KEYS claim payer totals lost due alias. */
export const release = `${releaseExposure}
if redis.call('HGET', KEYS[1], 'state') ~= 'reserved' then return 0 end
releaseExposure('void')
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[5], ARGV[1])
return 1
`

/** KEYS claim · ARGV now, lease. */
export const takeOver = `
local claim = redis.call('HMGET', KEYS[1], 'state', 'leaseUntilMs')
if claim[1] ~= 'reserved' or tonumber(claim[2]) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'leaseUntilMs', tonumber(ARGV[1]) + tonumber(ARGV[2]))
return 1
`

/** KEYS claim payer totals due alias · ARGV payment id, request id, fingerprint, amount, flow, due, ttl, state, facts. Rebuilt claims count as risked: what is not known is not given away. */
export const restore = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local counted = '0'
if ARGV[5] == 'authorization' then
  redis.call('INCRBY', KEYS[3], ARGV[4])
  counted = '1'
end
redis.call('HINCRBY', KEYS[2], 'exposure', ARGV[4])
redis.call('HSET', KEYS[1], 'state', ARGV[8], 'counted', counted, 'released', '0', 'leaseUntilMs', 0, 'requestId', ARGV[2], 'fingerprint', ARGV[3], 'amount', ARGV[4], 'flow', ARGV[5], 'facts', ARGV[9])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('SET', KEYS[5], ARGV[1], 'PX', ARGV[7])
redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1])
return 1
`

/** KEYS payer · ARGV version, balance, contract, now, ttl. Written only if no payment settled since the balance was read. */
export const setPayer = `
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'balance', ARGV[2], 'contract', ARGV[3], 'balanceAtMs', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
`

/** KEYS lease · ARGV rebuilder, lease in milliseconds. */
export const renewRebuild = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`

/** KEYS lease ready · ARGV rebuilder. Only its holder ends a rebuild: a lease that is gone went with whatever else the store lost. */
export const markReady = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], '1')
redis.call('DEL', KEYS[1])
return 1
`
