// What the API shows of the drivers of a node: the CSINode object, and on the Node the annotation with the drivers' ids of
// the node and the labels of its topology.
//
//   NodeGetInfo ──▶ CSINode: name, nodeID, topologyKeys, allocatable
//              └──▶ Node: annotation csi.volume.kubernetes.io/nodeid, a label for each segment of the topology
//
// Source: pkg/volume/csi/nodeinfomanager/nodeinfomanager.go.
import { isReason } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import type { Draft } from '../../api/schema/node.ts'
import type { Client } from '../../client/index.ts'
import { Node } from '../../kinds/core/node.ts'
import { CSINode, type CSINodeDriver } from '../../kinds/storage/csinode.ts'
import type { CsiMessage } from './calls.ts'

type Info = CsiMessage<'NodeGetInfoResponse'>

const nodeIdAnnotation = 'csi.volume.kubernetes.io/nodeid'
/** Conflicts with other writers of the same object are retried so often. */
const maxTries = 10
const maxCount = 2 ** 31 - 1

/** The entry of a driver in CSINode. */
export function driverEntry(
  name: string,
  { nodeId, maxVolumesPerNode, accessibleTopology }: Info,
): Draft<CSINodeDriver> {
  const topologyKeys = Object.keys(accessibleTopology?.segments ?? {}).sort()
  const count = Math.min(maxVolumesPerNode, maxCount)
  return { name, nodeID: nodeId, topologyKeys, ...(count > 0 && { allocatable: { count } }) }
}

/**
 * The drivers of a CSINode with one added or removed. Undefined if nothing changes. `first` must be written before, if
 * there is one: the API does not let an entry change, so it is taken out and added again.
 */
export function planDrivers(
  before: readonly Draft<CSINodeDriver>[],
  name: string,
  entry: Draft<CSINodeDriver> | undefined,
): { first?: Draft<CSINodeDriver>[]; drivers: Draft<CSINodeDriver>[] } | undefined {
  const old = before.find(driver => driver.name === name)
  const others = before.filter(driver => driver.name !== name)
  if (!entry) return old && { drivers: others }
  if (!old) return { drivers: [...others, entry] }
  const fixed = ({ nodeID, topologyKeys }: Draft<CSINodeDriver>) => [nodeID, [...(topologyKeys ?? [])].sort()]
  const drivers = [...others, entry]
  if (!sameJson(fixed(old), fixed(entry))) return { first: others, drivers }
  return old.allocatable?.count === entry.allocatable?.count ? undefined : { drivers }
}

/**
 * The change of a Node for a driver that was added, or removed if `info` is undefined. Labels stay when a driver goes,
 * since volumes may depend on them. Throws when the node has another value of a label.
 */
export function planNode(node: Pick<Node, 'metadata'>, name: string, info: Info | undefined): object | undefined {
  const { labels = {}, annotations = {} } = node.metadata
  const ids = readIds(annotations[nodeIdAnnotation])
  const next = Object.fromEntries(Object.entries(ids).filter(([driver]) => driver !== name))
  if (info) next[name] = info.nodeId
  const segments = info?.accessibleTopology?.segments ?? {}
  const missing: Record<string, string> = {}
  for (const [key, value] of Object.entries(segments)) {
    const there = labels[key]
    if (there !== undefined && there !== value)
      throw new Error(
        `detected topology value collision: driver reported "${key}":"${value}" but existing label is "${key}":"${there}"`,
      )
    if (there === undefined) missing[key] = value
  }
  const hasIds = Object.keys(next).length > 0
  const isSame = sameJson(ids, next)
  if (isSame && !Object.keys(missing).length) return undefined
  return {
    metadata: {
      ...(!isSame && { annotations: { [nodeIdAnnotation]: hasIds ? JSON.stringify(next) : null } }),
      ...(Object.keys(missing).length && { labels: missing }),
    },
  }
}

/** The ids of an annotation; none of one that is damaged, which is written again. */
function readIds(text: string | undefined): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value !== 'object' || value === null) return {}
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  } catch {
    return {}
  }
}

/** Writes the objects of one node. Its writes follow each other, since all change the same two objects. */
export class CsiNodeInfo {
  readonly #client: Client
  readonly #nodeName: string
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: Client, nodeName: string) {
    this.#client = client
    this.#nodeName = nodeName
  }

  /** Creates the CSINode, unless it is there. */
  ensure(): Promise<void> {
    return this.#inTurn(async () => void (await this.#csiNode()))
  }

  install(name: string, info: Info): Promise<void> {
    return this.#inTurn(async () => {
      await this.#writeNode(name, info)
      await this.#writeDrivers(name, driverEntry(name, info))
    })
  }

  uninstall(name: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#writeDrivers(name, undefined)
      await this.#writeNode(name, undefined)
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(() => retried(work))
    this.#last = result.catch(() => {})
    return result
  }

  async #writeNode(name: string, info: Info | undefined): Promise<void> {
    const ref = { name: this.#nodeName }
    const change = planNode(await this.#client.get(Node, ref), name, info)
    if (change) await this.#client.patch(Node, ref, 'merge', change)
  }

  async #writeDrivers(name: string, entry: Draft<CSINodeDriver> | undefined): Promise<void> {
    const object = await this.#csiNode()
    const plan = planDrivers(object.spec.drivers ?? [], name, entry)
    if (!plan) return
    const write = (from: CSINode, drivers: Draft<CSINodeDriver>[]) =>
      this.#client.update(CSINode, { ...from, spec: { ...from.spec, drivers } })
    await write(plan.first ? await write(object, plan.first) : object, plan.drivers)
  }

  async #csiNode(): Promise<CSINode> {
    const name = this.#nodeName
    const found = await this.#client.find(CSINode, { name })
    if (found) return found
    const { metadata } = await this.#client.get(Node, { name })
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: metadata.uid ?? '' }]
    try {
      return await this.#client.create(CSINode, { metadata: { name, ownerReferences }, spec: { drivers: [] } })
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      return this.#client.get(CSINode, { name })
    }
  }
}

async function retried(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === maxTries || !isReason(error, 'Conflict')) throw error
    }
  }
}
