// Extenders: other programs that filter, score, preempt or bind, which are called over HTTP in the middle of a
// decision. Source: pkg/scheduler/extender.go, staging/src/k8s.io/kube-scheduler/extender/v1 (its field names are
// capitalized).
import { joined } from '../base/waiters.ts'
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { type RequestOptions, request as httpsRequest } from 'node:https'
import type { ExtenderConfig, Pem } from './config.ts'
import type { Scored } from './decide.ts'
import { type Eviction, maxScore, type Refusal } from './framework.ts'
import type { NodeInfo, PodInfo } from './info.ts'

export const extenderName = 'Extender'
/** The highest score of an extender; the lowest is 0. */
const maxExtenderScore = 10
const maxAnswerBytes = 64 * 1024 * 1024

interface FilterResult {
  Nodes?: { items?: { metadata?: { name?: string } }[] | null } | null
  NodeNames?: string[] | null
  FailedNodes?: Record<string, string> | null
  FailedAndUnresolvableNodes?: Record<string, string> | null
  Error?: string
}
interface MetaVictims {
  Pods?: { UID?: string }[] | null
  NumPDBViolations?: number
}

export class Extender {
  readonly config: ExtenderConfig
  readonly #signal: AbortSignal
  readonly #managed: ReadonlySet<string>

  constructor(config: ExtenderConfig, signal: AbortSignal) {
    this.config = config
    this.#signal = signal
    this.#managed = new Set(config.managedResources.map(({ name }) => name))
  }

  /** Whether the extender is called for the pod: it manages a resource that the pod asks for, or it names none. */
  wants({ pod }: PodInfo): boolean {
    if (!this.#managed.size) return true
    const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
    return containers.some(({ resources }) =>
      [resources?.requests, resources?.limits].some(list => Object.keys(list ?? {}).some(n => this.#managed.has(n))),
    )
  }

  /** The nodes that pass the extender, and the refusals of the others. */
  async filter(pod: PodInfo, nodes: readonly NodeInfo[]): Promise<{ feasible: NodeInfo[]; refusals: Refusal[] }> {
    const answer = (await this.#call(this.config.filterVerb, this.#args(pod, nodes))) as FilterResult
    if (answer.Error) throw new Error(answer.Error)
    const byName = new Map(nodes.map(node => [node.name, node]))
    const names = this.config.nodeCacheCapable
      ? answer.NodeNames
      : answer.Nodes?.items?.map(node => node.metadata?.name ?? '')
    const feasible = (names ?? []).map(name => {
      const node = byName.get(name)
      if (!node) throw new Error(`extender ${this.config.urlPrefix} claims a filtered node ${name} which is not found`)
      return node
    })
    const refusals: Refusal[] = []
    const refuse = (failed: FilterResult['FailedNodes'], ever: boolean) => {
      for (const [name, no] of Object.entries(failed ?? {})) {
        const node = byName.get(name)
        if (!node || refusals.some(refusal => refusal.node === node)) continue
        refusals.push({ node, plugin: extenderName, no: { no, ever } })
      }
    }
    refuse(answer.FailedAndUnresolvableNodes, false)
    refuse(answer.FailedNodes, true)
    return { feasible, refusals }
  }

  /** Weighted scores in the order of the nodes. */
  async prioritize(pod: PodInfo, nodes: readonly NodeInfo[]): Promise<Scored> {
    const list = (await this.#call(this.config.prioritizeVerb, this.#args(pod, nodes))) as
      | { Host: string; Score: number }[]
      | null
    const byName = new Map((list ?? []).map(({ Host, Score }) => [Host, Score]))
    const factor = this.config.weight * (maxScore / maxExtenderScore)
    const scores = Float64Array.from(nodes, node => (byName.get(node.name) ?? 0) * factor)
    return { plugin: this.config.urlPrefix, scores }
  }

  /** The evictions that the extender accepts, perhaps with other victims. */
  async narrow(pod: PodInfo, evictions: readonly Eviction[]): Promise<Eviction[]> {
    const capable = this.config.nodeCacheCapable
    const victims = evictions.map(({ node, victims: pods, violations }) => [
      node.name,
      { Pods: pods.map(v => (capable ? { UID: v.uid } : v.pod)), NumPDBViolations: violations },
    ])
    const map = Object.fromEntries(victims)
    const body = { Pod: pod.pod, [capable ? 'NodeNameToMetaVictims' : 'NodeNameToVictims']: map }
    const answer = (await this.#call(this.config.preemptVerb, body)) as {
      NodeNameToMetaVictims?: Record<string, MetaVictims> | null
    }
    const byNode = new Map(evictions.map(eviction => [eviction.node.name, eviction]))
    return Object.entries(answer.NodeNameToMetaVictims ?? {}).flatMap(([name, { Pods, NumPDBViolations }]) => {
      const node = byNode.get(name)?.node
      if (!node) throw new Error(`extender ${this.config.urlPrefix} names node ${name}, which it was not asked about`)
      const chosen = (Pods ?? []).map(({ UID = '' }) => {
        const victim = node.pods.get(UID)
        if (!victim) throw new Error(`extender ${this.config.urlPrefix} names a pod ${UID} that is not on node ${name}`)
        return victim
      })
      if (chosen.length) return [{ node, victims: chosen, violations: NumPDBViolations ?? 0 }]
      if (this.config.ignorable) return []
      throw new Error(`expected at least one victim pod on node ${JSON.stringify(name)}`)
    })
  }

  async bind({ pod, namespace, uid }: PodInfo, node: string): Promise<void> {
    const body = { PodName: pod.metadata.name ?? '', PodNamespace: namespace, PodUID: uid, Node: node }
    const { Error: problem } = (await this.#call(this.config.bindVerb, body)) as { Error?: string }
    if (problem) throw new Error(problem)
  }

  #args({ pod }: PodInfo, nodes: readonly NodeInfo[]): unknown {
    return this.config.nodeCacheCapable
      ? { Pod: pod, Nodes: null, NodeNames: nodes.map(node => node.name) }
      : { Pod: pod, Nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, NodeNames: null }
  }

  #call(verb: string, body: unknown): Promise<unknown> {
    const url = new URL(`${this.config.urlPrefix.replace(/\/+$/, '')}/${verb}`)
    if (this.config.tls) url.protocol = 'https:'
    const data = Buffer.from(JSON.stringify(body))
    const { signal, release } = joined(this.#signal, AbortSignal.timeout(this.config.httpTimeoutMs))
    const options: RequestOptions = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': data.length },
      signal,
      ...tlsOptions(this.config.tls),
    }
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const call = request(url, options, response => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxAnswerBytes) call.destroy(new Error(`the answer of ${url.href} is too long`))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode !== 200)
            return reject(new Error(`failed ${verb} with extender at URL ${url.href}, code ${response.statusCode}`))
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()) ?? {})
          } catch (cause) {
            reject(new Error(`the answer of ${url.href} is not JSON`, { cause }))
          }
        })
      })
      call.on('error', reject)
      call.end(data)
    }).finally(release)
  }
}

const contents = (pem: Pem | undefined) => pem && ('data' in pem ? pem.data : readFileSync(pem.file))

function tlsOptions(tls: ExtenderConfig['tls']): RequestOptions {
  if (!tls) return {}
  const [cert, key, ca] = [contents(tls.cert), contents(tls.key), contents(tls.ca)]
  return {
    rejectUnauthorized: !tls.insecure,
    ...(tls.serverName && { servername: tls.serverName }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(ca && { ca }),
  }
}
