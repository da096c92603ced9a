// What a driver receives in confidence: the Secrets that a volume names, and tokens of the pod's service account.
import { messageOf } from '../../base/errors.ts'
import type { Client } from '../../client/index.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import type { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { PodTokens } from '../volumes/tokens.ts'
import type { CsiVolume } from './spec.ts'

/** The life of a token for which the CSIDriver asks no other. */
const tokenSeconds = 3600

/** The texts of a Secret; none without a reference. */
export async function secretOf(
  client: Client,
  field: string,
  ref: CsiVolume['stageSecret'],
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (!ref) return {}
  try {
    const { data = {} } = await client.get(Secret, ref, { signal })
    return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]))
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(`fetching ${field} ${ref.namespace}/${ref.name} failed: ${messageOf(error)}`, { cause: error })
  }
}

/** The attribute with the tokens that the CSIDriver asks for, by audience. */
export async function tokenAttributes(
  pod: Pod,
  object: CSIDriver | undefined,
  tokens: PodTokens,
): Promise<Record<string, string>> {
  const requests = object?.spec.tokenRequests ?? []
  if (!requests.length) return {}
  const all = await Promise.all(
    requests.map(async ({ audience, expirationSeconds = tokenSeconds }) => {
      const { token, expirationTimestamp } = await tokens.get(pod, audience, expirationSeconds)
      return [audience, { token, expirationTimestamp }] as const
    }),
  )
  return { 'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(Object.fromEntries(all)) }
}
