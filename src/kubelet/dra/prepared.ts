// What a node has of a claim: which pods use it there, and what its drivers have prepared. The answers of drivers are read
// with limits, whether they come from a driver or from the checkpoint. Pure.
// Source: pkg/kubelet/cm/dra/claiminfo.go, pkg/kubelet/cm/dra/state/state.go.
import type { ClaimRef, PrepareAnswer } from './calls.ts'

export interface PreparedDevice {
  readonly pool: string
  readonly device: string
  /** '' if the device is not shared. */
  readonly shareId: string
  /** The requests of the claim that it is for; none stands for all. */
  readonly requests: readonly string[]
  readonly cdiIds: readonly string[]
}

export interface NodeClaim extends ClaimRef {
  /** The uids of the pods for which it was asked of its drivers, or will be. */
  readonly pods: ReadonlySet<string>
  /** What each driver has prepared, by name; empty until it has answered. */
  readonly drivers: ReadonlyMap<string, readonly PreparedDevice[]>
  /**
   * Whether all drivers have answered to this kubelet. A kubelet that starts asks them again before it starts a pod, since
   * a machine that was started again has nothing of what they prepared.
   */
  readonly isPrepared: boolean
}

export const keyOf = ({ namespace, name }: Pick<ClaimRef, 'namespace' | 'name'>): string => `${namespace}/${name}`

/** The most characters of what a driver prepares for a claim, as JSON, since it is kept as long as its pods. */
const maxSize = 256 * 1024

/** The devices of an answer. Throws an error when there is too much. */
export function readDevices(answer: PrepareAnswer): PreparedDevice[] {
  const devices = answer.devices.map(({ poolName, deviceName, shareId, requestNames, cdiDeviceIds }) => ({
    pool: poolName,
    device: deviceName,
    shareId,
    requests: requestNames,
    cdiIds: cdiDeviceIds,
  }))
  const size = JSON.stringify(devices).length
  if (size > maxSize) throw new Error(`the answer has ${size} characters, and may have ${maxSize}`)
  return devices
}

/**
 * Checks that a driver has answered for all claims and for no others, and without an error. `call` is the name of the
 * method for messages.
 */
export function checkAnswers(
  call: string,
  claims: readonly ClaimRef[],
  answers: Readonly<Record<string, { error: string } | null>>,
): void {
  const asked = new Map(claims.map(claim => [claim.uid, claim]))
  for (const [uid, answer] of Object.entries(answers)) {
    const claim = asked.get(uid)
    if (!claim) throw new Error(`${call} returned result for unknown claim UID ${uid.slice(0, 100)}`)
    if (answer?.error) throw new Error(`${call} failed for ResourceClaim ${claim.name}: ${shortened(answer.error)}`)
    asked.delete(uid)
  }
  if (asked.size) throw new Error(`${call} skipped ${asked.size} ResourceClaims`)
}

/** An event has at most 1,024 characters, of which the words around take some. */
const shortened = (text: string) => (text.length > 800 ? `${text.slice(0, 800)}…` : text)
