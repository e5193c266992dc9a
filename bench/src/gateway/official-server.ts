import { x402Facilitator } from '@x402/core/facilitator'
import { ExactEvmScheme as FacilitatorScheme } from '@x402/evm/exact/facilitator'
import { ExactEvmScheme as ServerScheme } from '@x402/evm/exact/server'
import { paymentMiddleware, x402ResourceServer } from '@x402/express'
import express from 'express'
import { encodeFunctionResult, parseAbi } from 'viem'
import { answerParent } from './parent.js'
import { answer, balance, network, payTo, paymentTimeout, pricePerRow, token } from './setting.js'

// The official middleware and facilitator in one process, with an RPC that answers at once that all is well.

const abi = parseAbi(['function balanceOf(address) view returns (uint256)'])
const transaction = `0x${'11'.repeat(32)}` as const
const signer = {
  getAddresses: () => [payTo],
  getCode: async ({ address }: { address: string }) => (address.toLowerCase() === token.address.toLowerCase() ? '0x60' : '0x'),
  readContract: async () => encodeFunctionResult({ abi, functionName: 'balanceOf', result: balance }),
  verifyTypedData: async () => false, // asked for contract wallets only
  writeContract: async () => transaction,
  sendTransaction: async () => transaction,
  waitForTransactionReceipt: async () => ({ status: 'success' }),
}
const facilitator = new x402Facilitator().register(network, new FacilitatorScheme(signer as never))
const resourceServer = new x402ResourceServer({
  verify: (payload, requirements) => facilitator.verify(payload, requirements),
  settle: (payload, requirements) => facilitator.settle(payload, requirements),
  getSupported: async () => facilitator.getSupported() as never,
}).register(network, new ServerScheme())

const app = express()
app.use(express.json({ limit: '1mb' }))
app.use(
  paymentMiddleware(
    {
      'POST /v1/inference': {
        accepts: { scheme: 'exact', network, payTo, price: { amount: String(pricePerRow), asset: token.address, extra: { name: token.name, version: token.version } }, maxTimeoutSeconds: paymentTimeout },
        description: 'inference',
      },
    },
    resourceServer,
  ),
)
app.post('/v1/inference', (_request, response) => void response.type('application/json').send(answer))
const server = app.listen(0, '127.0.0.1', () => answerParent((server.address() as { port: number }).port))
