import { Lifecycle } from '@haca/core'

// Lua that Redis runs atomically. All keys of a deployment share one hash tag, so that a cluster keeps them on one node.
// Amounts are integers below 2^53; the gateway offers nothing larger.

/**
 * KEYS ready totals lost due, then for each claim: claim payer alias · ARGV payer cap, total cap, age of a balance, lease, then for each claim nine
 * fields: see RedisClaims.reserve. Answers one by one, each as if it had been asked alone.
 */
export const reserve = `
local ready = redis.call('EXISTS', KEYS[1]) == 1
local payerCap, totalCap, maxAgeMs, leaseMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local risked
local function reserve(claimKey, payerKey, aliasKey, paymentId, requestId, fingerprint, amountText, flow, dueAtMs, nowMs, ttlMs, facts)
  if not ready then return 'not-ready' end
  local known = redis.call('HMGET', claimKey, 'requestId', 'fingerprint')
  if known[1] then
    if known[1] ~= requestId or known[2] ~= fingerprint then return 'conflict' end
    return {'existing', redis.call('HGETALL', claimKey)}
  end
  local now, amount = tonumber(nowMs), tonumber(amountText)
  local payer = redis.call('HMGET', payerKey, 'balance', 'balanceAtMs', 'exposure', 'settled', 'owed', 'contract')
  if not payer[2] or now - tonumber(payer[2]) > maxAgeMs then return 'stale-payer' end
  if payer[6] == '1' then return {'exposed', 'contract-payer'} end
  local exposure, settled = tonumber(payer[3] or '0'), tonumber(payer[4] or '0')
  if exposure + amount > tonumber(payer[1]) then return {'exposed', 'insufficient-balance'} end
  local counted = '0'
  if flow == 'authorization' then
    if tonumber(payer[5] or '0') > 0 then return {'exposed', 'debtor'} end
    if exposure + amount > math.max(payerCap, settled) then return {'exposed', 'payer-cap'} end
    if settled < payerCap then
      risked = risked or tonumber(redis.call('GET', KEYS[2]) or '0') + tonumber(redis.call('GET', KEYS[3]) or '0')
      if risked + amount > totalCap then return {'exposed', 'total-cap'} end
      redis.call('INCRBY', KEYS[2], amount)
      risked = risked + amount
      counted = '1'
    end
  end
  redis.call('HINCRBY', payerKey, 'exposure', amount)
  redis.call('HSET', claimKey, 'state', 'reserved', 'counted', counted, 'released', '0', 'leaseUntilMs', now + leaseMs, 'requestId', requestId, 'fingerprint', fingerprint, 'amount', amountText, 'flow', flow, 'facts', facts)
  redis.call('PEXPIRE', claimKey, ttlMs)
  redis.call('SET', aliasKey, paymentId, 'PX', ttlMs)
  redis.call('ZADD', KEYS[4], dueAtMs, paymentId)
  return 'reserved'
end
local answers = {}
for i = 1, (#KEYS - 4) / 3 do
  local k, a = 2 + 3 * i, 9 * i - 5
  answers[i] = reserve(KEYS[k], KEYS[k + 1], KEYS[k + 2], unpack(ARGV, a + 1, a + 9))
end
return answers
`

/**
 * Ends what a claim counts for in the exposure ledger, once. One that was collected before its work and is void now is paid back, and takes the trust
 * back that it earned: the same money going round must not make its payer look established. Used by the scripts below.
 */
const releaseExposure = `
local function releaseExposure(how, claimKey, payerKey, totalsKey, lostKey)
  local claim = redis.call('HMGET', claimKey, 'released', 'amount', 'counted')
  local amount = tonumber(claim[2])
  if claim[1] == '1' and how == 'void' then redis.call('HINCRBY', payerKey, 'settled', -amount) end
  if claim[1] ~= '0' then return end
  redis.call('HSET', claimKey, 'released', '1')
  redis.call('HINCRBY', payerKey, 'exposure', -amount)
  if claim[3] == '1' then redis.call('DECRBY', totalsKey, amount) end
  if how == 'paid' then
    redis.call('HINCRBY', payerKey, 'settled', amount)
    redis.call('HINCRBY', payerKey, 'version', 1)
    if redis.call('HEXISTS', payerKey, 'balance') == 1 then redis.call('HINCRBY', payerKey, 'balance', -amount) end
  elseif how == 'lost' then
    redis.call('HINCRBY', payerKey, 'owed', amount)
    if claim[3] == '1' then
      redis.call('INCRBY', lostKey, amount)
      redis.call('PEXPIRE', lostKey, 86400000, 'NX')
    end
  end
end
`

/** For each state: from which ones a claim moves there, and in which ones it is there or beyond already. */
const origins = Lifecycle.states.map((to) => {
  const from = (answer: Lifecycle.Transition): string => `',${Lifecycle.states.filter((state) => Lifecycle.transition(state, to) === answer).join(',')},'`
  return `['${to}'] = {${from('applied')}, ${from('already')}}`
})

/**
 * KEYS totals lost due, then for each claim: claim payer · ARGV for each claim: payment id, how many names and values follow, and those to set: state
 * first. Answers one by one.
 */
export const transition = `${releaseExposure}
local origins = {${origins.join(', ')}}
local ends = {settled = 'paid', void = 'void', unpaid = 'lost'}
local function move(claimKey, payerKey, a, count)
  local state = redis.call('HGET', claimKey, 'state')
  if not state then return 'missing' end
  local from, to = ',' .. state .. ',', ARGV[a + 4]
  if string.find(origins[to][2], from, 1, true) then return 'already' end
  if not string.find(origins[to][1], from, 1, true) then return 'conflict' end
  redis.call('HSET', claimKey, unpack(ARGV, a + 3, a + 2 + count))
  if ends[to] then
    releaseExposure(ends[to], claimKey, payerKey, KEYS[1], KEYS[2])
    redis.call('ZREM', KEYS[3], ARGV[a + 1])
  end
  return 'applied'
end
local answers, a = {}, 0
for i = 1, (#KEYS - 3) / 2 do
  local count = tonumber(ARGV[a + 2])
  answers[i] = move(KEYS[2 + 2 * i], KEYS[3 + 2 * i], a, count)
  a = a + 2 + count
end
return answers
`

/** KEYS claim payer totals lost · ARGV fields to set. An upfront payment was collected. */
export const paid = `${releaseExposure}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
redis.call('HSET', KEYS[1], unpack(ARGV))
releaseExposure('paid', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
if state == 'paying' or state == 'reserved' then
  redis.call('HSET', KEYS[1], 'state', 'accepted')
  return 'applied'
end
return 'already'
`

/** KEYS claim payer totals lost due alias. */
export const release = `${releaseExposure}
if redis.call('HGET', KEYS[1], 'state') ~= 'reserved' then return 0 end
releaseExposure('void', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
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
