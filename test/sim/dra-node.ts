// A node with a virtual clock at which DRA drivers register over real sockets, and claims that are allocated to its pods as
// a scheduler would do it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import type { Client } from '../../src/client/index.ts'
import { ResourceClaim } from '../../src/kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../src/kinds/resource/resourceslice.ts'
import { type Runtime, startKubelet } from '../../src/kubelet/index.ts'
import type { ClaimRef, Handler, Request } from '../e2e/programs/csi-grpc.ts'
import { serveDriver } from '../e2e/programs/dra-grpc.ts'
import { makeNode, namespace, one, withMethods } from './one-node.ts'

/** Writes into a claim which devices it has and which pods may use it, as the scheduler does before it binds them. */
export async function allocate(
  client: Client,
  name: string,
  pods: readonly { name: string; uid: string }[],
  results: readonly { request: string; driver: string; device: string }[],
): Promise<void> {
  const claim = await client.get(ResourceClaim, { namespace, name })
  await client.updateStatus(ResourceClaim, claim, {
    allocation: { devices: { results: results.map(result => ({ ...result, pool: 'n1' })) } },
    reservedFor: pods.map(pod => ({ resource: 'pods', ...pod })),
  })
}

export const driver = 'gpu.example.com'
export const request = (name: string) => ({ name, exactly: { deviceClassName: 'gpu' } })

/** The answer of a driver that prepares what it is asked for. */
const preparing = (name: string, { claims }: Pick<Request, 'claims'>) => ({
  claims: Object.fromEntries(
    claims.map(({ uid, name: claim }) => [
      uid,
      {
        devices: [{ request_names: ['r'], pool_name: 'n1', device_name: 'd', cdi_device_ids: [`${name}/x=${claim}`] }],
      },
    ]),
  ),
})
const unpreparing = ({ claims }: Pick<Request, 'claims'>) => ({
  claims: Object.fromEntries(claims.map(({ uid }) => [uid, {}])),
})

interface Behaving {
  prepare?: (request: Request) => ReturnType<Handler>
  unprepare?: (request: Request) => ReturnType<Handler>
  /** Called before a call is worked on, and after that, before it is answered. */
  before?: () => Promise<void> | undefined
  after?: () => Promise<void> | undefined
}

/** What a driver was asked, and what it has prepared: the names of claims. */
export interface TestDriver extends Behaving {
  readonly calls: string[]
  readonly prepared: Set<string>
  served: Awaited<ReturnType<typeof serveDriver>>
}

export async function makeDraNode(t: TestContext) {
  const rootDir = mkdtempSync(join(tmpdir(), 'kutter-dra-'))
  for (const dir of ['sockets', 'plugins_registry']) mkdirSync(join(rootDir, dir))
  const ends = new Set<() => void>()
  /** The CDI devices of the containers that were created, by `POD/CONTAINER`. */
  const given = new Map<string, string>()
  const recorded = (whole: Runtime) =>
    withMethods(whole, {
      createContainer(sandbox, config, sandboxConfig) {
        const names = config.cdiDevices?.map(({ name }) => name).join() ?? ''
        given.set(`${sandboxConfig.metadata?.name}/${config.metadata?.name}`, names)
        return whole.createContainer(sandbox, config, sandboxConfig)
      },
    })
  const node = await makeNode(t, {}, { kubelet: { rootDir, hasDevices: true }, runtime: recorded })
  // After the kubelet, which writes there.
  t.after(async () => {
    await kubelet.close()
    for (const end of ends) end()
    rmSync(rootDir, { recursive: true, force: true })
  })
  const until = async (what: string, holds: () => boolean | Promise<boolean>, stepMs = 100) => {
    const deadline = realClock.now() + 20_000
    while (!(await holds())) {
      if (realClock.now() > deadline)
        throw new Error(`still waiting for: ${what}\n${node.problems.slice(-5).join('\n')}`)
      await node.clock.forward(stepMs)
      await realClock.sleep(5)
    }
  }
  const statuses: string[] = []
  /** Starts a driver. `instance` tells apart several of one driver. */
  const start = async (name = driver, instance = '', more: Partial<Parameters<typeof serveDriver>[0]> = {}) => {
    const calls: string[] = []
    const prepared = new Set<string>()
    const named = (claims: readonly ClaimRef[]) => claims.map(claim => claim.name).toSorted()
    const made: TestDriver = {
      calls,
      prepared,
      served: await serveDriver({
        name,
        socket: join(rootDir, 'sockets', `${name}${instance}.sock`),
        registration: join(rootDir, 'plugins_registry', `${name}${instance}-reg.sock`),
        onStatus: (registered, error) => void statuses.push(registered ? `${name}${instance} registered` : error),
        async prepare(asked) {
          calls.push(`prepare ${named(asked.claims).join()}`)
          await made.before?.()
          const answer = made.prepare ? await made.prepare(asked) : preparing(name, asked)
          for (const claim of named(asked.claims)) prepared.add(claim)
          await made.after?.()
          return answer
        },
        async unprepare(asked) {
          calls.push(`unprepare ${named(asked.claims).join()}`)
          await made.before?.()
          const answer = made.unprepare ? await made.unprepare(asked) : unpreparing(asked)
          for (const claim of named(asked.claims)) prepared.delete(claim)
          await made.after?.()
          return answer
        },
        ...more,
      }),
    }
    ends.add(() => made.served.kill())
    const isRegistered = `${name}${instance} registered`
    const count = () => statuses.filter(status => status === isRegistered).length
    const before = count()
    await until(`${name}${instance} is registered`, () => count() > before)
    return made
  }
  const makeClaim = (name: string, requests: readonly string[] = ['r']) =>
    node.client.create(ResourceClaim, {
      metadata: { name, namespace },
      spec: { devices: { requests: requests.map(request) } },
    })
  /** Runs a pod with claims that exist, of which its container uses all. */
  const runWith = async (name: string, claims: readonly string[], drivers: readonly string[] = [driver]) => {
    const pod = await node.run(name, {
      resourceClaims: claims.map(claim => ({ name: claim, resourceClaimName: claim })),
      ...one({ resources: { claims: claims.map(claim => ({ name: claim })) } }),
    })
    for (const claim of claims) {
      const { status } = await node.client.get(ResourceClaim, { namespace, name: claim })
      const others = (status.reservedFor ?? []).map(consumer => ({ name: consumer.name, uid: consumer.uid }))
      const results = drivers.map(item => ({ request: 'r', driver: item, device: 'd' }))
      await allocate(node.client, claim, [...others, { name, uid: pod.metadata.uid! }], results)
    }
    return pod
  }
  const phase = async (name: string) => (await node.pod(name)).status.phase
  const becomes = (name: string, wanted: string) =>
    until(`${name} is ${wanted}`, async () => (await phase(name)) === wanted)
  const isGone = (name: string) =>
    until(`${name} is gone`, async () => (await node.pod(name).catch(() => undefined)) === undefined)
  /** The claims in the checkpoint. */
  const noted = (): string[] => {
    const { Data: data } = JSON.parse(readFileSync(join(rootDir, 'dra_manager_state'), 'utf8')) as { Data: string }
    return (JSON.parse(data) as { Entries: { ClaimName: string }[] }).Entries.map(entry => entry.ClaimName).toSorted()
  }
  let kubelet = node.kubelet
  /** Ends the kubelet, and starts the next one. */
  const restart = async () => {
    await kubelet.close()
    kubelet = await startKubelet({ ...node.options, runtime: node.runtime })
  }
  const eventsOf = async (name: string) => (await node.events(name)).join()
  const slices = async () =>
    (await node.client.list(ResourceSlice)).items.map(({ metadata }) => metadata.name!).toSorted()
  const makeSlice = (name: string, of = driver, nodeName = 'n1') =>
    node.client.create(ResourceSlice, {
      metadata: { name },
      spec: {
        driver: of,
        nodeName,
        pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'd' }],
      },
    })
  const more = { rootDir, given, until, start, makeClaim, runWith, phase, becomes, isGone, noted, restart, statuses }
  return { ...node, ...more, eventsOf, slices, makeSlice }
}
