// The DRA driver of the end-to-end tests: it offers four devices of its node, each of which is a file on the node. For a
// claim it writes a file of the Container Device Interface, by which a container gets the name of its device in a
// variable, the file, and a device file.
//
// The environment has DRIVER, NODE_NAME, the paths STORAGE, SOCKET, REGISTRATION and CDI, and as the node has them ENDPOINT
// and NODE_STORAGE.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KubeConfig, ResourceV1Api } from '@kubernetes/client-node'
import type { ClaimRef, Request } from './csi-grpc.ts'
import { Storage } from './csi-storage.ts'
import { serveDriver } from './dra-grpc.ts'

const {
  DRIVER = '',
  NODE_NAME = '',
  STORAGE = '',
  SOCKET = '',
  REGISTRATION = '',
  CDI = '',
  ENDPOINT = '',
  NODE_STORAGE = '',
} = process.env
const storage = new Storage(STORAGE)
const config = new KubeConfig()
config.loadFromCluster()
const api = config.makeApiClient(ResourceV1Api)

const devices = ['device-0', 'device-1', 'device-2', 'device-3']
const files = join(STORAGE, 'devices')
mkdirSync(files, { recursive: true })
for (const name of devices) writeFileSync(join(files, name), `I am ${name}\n`)

const fileOf = (uid: string) => join(CDI, `${DRIVER}-${uid}.json`)
const kind = `${DRIVER}/device`

async function prepare({ namespace, name, uid }: ClaimRef): Promise<object> {
  const claim = await api.readNamespacedResourceClaim({ namespace, name })
  if (claim.metadata?.uid !== uid) return { error: `there is no claim ${uid}` }
  const results = (claim.status?.allocation?.devices?.results ?? []).filter(({ driver }) => driver === DRIVER)
  const nameOf = (request: string) => `${uid}-${request}`
  const spec = {
    cdiVersion: '0.6.0',
    kind,
    devices: results.map(({ request, device }) => ({
      name: nameOf(request),
      containerEdits: {
        env: [`DEVICE_${request.toUpperCase()}=${device}`],
        deviceNodes: [{ path: `/dev/${device}`, hostPath: '/dev/zero', permissions: 'r' }],
        mounts: [
          {
            hostPath: `${NODE_STORAGE}/devices/${device}`,
            containerPath: `/devices/${device}`,
            options: ['ro', 'nosuid', 'bind'],
          },
        ],
      },
    })),
    containerEdits: { env: [`CLAIM=${name}`] },
  }
  writeFileSync(`${fileOf(uid)}.new`, JSON.stringify(spec))
  renameSync(`${fileOf(uid)}.new`, fileOf(uid))
  return {
    devices: results.map(({ request, pool, device }) => ({
      request_names: [request],
      pool_name: pool,
      device_name: device,
      cdi_device_ids: [`${kind}=${nameOf(request)}`],
    })),
  }
}

/** The answers for all claims, by uid. */
const forAll = async ({ claims }: Request, work: (claim: ClaimRef) => Promise<object> | object) => ({
  claims: Object.fromEntries(await Promise.all(claims.map(async claim => [claim.uid, await work(claim)] as const))),
})
const unprepare = ({ uid }: ClaimRef) => {
  rmSync(fileOf(uid), { force: true })
  return {}
}
await serveDriver({
  name: DRIVER,
  socket: SOCKET,
  endpoint: ENDPOINT,
  registration: REGISTRATION,
  prepare: storage.logged('NodePrepareResources', NODE_NAME, request => forAll(request, prepare)),
  unprepare: storage.logged('NodeUnprepareResources', NODE_NAME, request => forAll(request, unprepare)),
  onStatus: (registered, error) => console.log(registered ? 'registered' : `not registered: ${error}`),
})
process.on('SIGTERM', () => {
  for (const path of [REGISTRATION, SOCKET]) rmSync(path, { force: true })
  process.exit(0)
})

// The kubelet deletes the slice when the driver was away.
for (;;) {
  const name = `${NODE_NAME}-${DRIVER}`
  const spec = {
    driver: DRIVER,
    nodeName: NODE_NAME,
    pool: { name: NODE_NAME, generation: 1, resourceSliceCount: 1 },
    devices: devices.map(device => ({ name: device })),
  }
  const body = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceSlice', metadata: { name }, spec }
  await api
    .readResourceSlice({ name })
    .catch(() => api.createResourceSlice({ body }))
    .catch((error: unknown) => console.error(String(error).slice(0, 200)))
  await new Promise(resolve => setTimeout(resolve, 500))
}
