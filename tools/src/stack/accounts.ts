import type { Hex } from '@haca/core'
import { bytesToHex } from 'viem'
import { mnemonicToAccount, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts'

/** The accounts anvil funds on every start. Their keys are public: they exist on local chains only. */
const mnemonic = 'test test test test test test test test test test test junk'

export interface TestAccount {
  address: Hex.Hex
  privateKey: Hex.Hex
  account: PrivateKeyAccount
}

/** One of anvil's accounts by index. */
export function testAccount(index: number): TestAccount {
  const key = mnemonicToAccount(mnemonic, { addressIndex: index }).getHdKey().privateKey
  if (!key) throw new Error('an HD key without its private part')
  const privateKey = bytesToHex(key)
  const account = privateKeyToAccount(privateKey)
  return { address: account.address, privateKey, account }
}

/** Who does what on a local stack. */
export const roles = {
  admin: testAccount(0),
  payments: testAccount(1),
  commits: testAccount(2),
  registrar: testAccount(3),
  guardian: testAccount(4),
  offers: testAccount(5),
  publisher: testAccount(6),
  evidence: testAccount(10),
  facts: testAccount(11),
  policy: testAccount(12),
}

/** Accounts with USDC, for whoever plays the caller. */
export const payers = [testAccount(7), testAccount(8), testAccount(9)]
