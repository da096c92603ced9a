// An operator as people write them, with the client of Kubernetes for Node.js: for each Shelf it keeps a ConfigMap and a
// Deployment, and an entry in a register that all of them share. A finalizer keeps a Shelf until its entry is removed.
//
// - Of several copies the holder of a Lease works. It ends when it cannot renew the Lease for long, as operators do.
// - An informer puts the names of Shelves into a queue; each name is worked on by itself, and again after a failure.
// - It says on its standard output what it does, for the test that started it.
//
// Its argument is the name under which it holds the Lease. In a pod it uses the account of the pod, and elsewhere the
// kubeconfig that KUBECONFIG names.
import { setTimeout as pause } from 'node:timers/promises'
import {
  ApiException,
  AppsV1Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesObject,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  V1MicroTime,
} from '@kubernetes/client-node'

interface Shelf extends KubernetesObject {
  spec: { topic: string; books?: number }
  status?: { observedGeneration?: number; books?: number }
}

const namespace = 'default'
const place = { group: 'library.example.com', version: 'v1', namespace, plural: 'shelves' }
const finalizer = 'library.example.com/register'
const leaseSeconds = 4
const identity = process.argv[2] ?? 'operator'

const config = new KubeConfig()
if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster()
else config.loadFromDefault()
const core = config.makeApiClient(CoreV1Api)
const apps = config.makeApiClient(AppsV1Api)
const custom = config.makeApiClient(CustomObjectsApi)
const coordination = config.makeApiClient(CoordinationV1Api)
const say = (text: string) => console.log(`${identity}: ${text}`)
const hasCode = (error: unknown, code: number) => error instanceof ApiException && error.code === code
const why = (error: unknown) => (error instanceof ApiException ? `${error.code} ${String(error.body)}` : String(error))

/** Takes the Lease, or renews it. Returns whether this copy holds it. */
async function hold(): Promise<boolean> {
  const name = 'operator'
  const spec = { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: new V1MicroTime(Date.now()) }
  try {
    const lease = await coordination.readNamespacedLease({ name, namespace })
    const { holderIdentity, renewTime } = lease.spec ?? {}
    // The client has a type for such times, but returns their text.
    const isFresh = renewTime && Date.now() - new Date(renewTime).getTime() < leaseSeconds * 1000
    if (holderIdentity !== identity && isFresh) return false
    // The resourceVersion makes this a conflict if another copy was faster.
    await coordination.replaceNamespacedLease({ name, namespace, body: { ...lease, spec } })
  } catch (error) {
    if (hasCode(error, 409)) return false
    if (!hasCode(error, 404)) throw error
    await coordination.createNamespacedLease({ namespace, body: { metadata: { name, namespace }, spec } })
  }
  return true
}

/** Changes the register until no other writer was in between. */
async function register(change: (entries: Record<string, string>) => void): Promise<void> {
  for (;;) {
    const map = await core.readNamespacedConfigMap({ name: 'register', namespace })
    const data = { ...map.data }
    change(data)
    try {
      await core.replaceNamespacedConfigMap({ name: 'register', namespace, body: { ...map, data } })
      return
    } catch (error) {
      if (!hasCode(error, 409)) throw error
      say('conflict')
    }
  }
}

/** Creates an object, or replaces it with the resourceVersion that was read. */
async function put<T extends KubernetesObject>(
  wanted: T,
  read: () => Promise<T>,
  create: (body: T) => Promise<T>,
  replace: (body: T) => Promise<T>,
): Promise<T> {
  try {
    const { metadata } = await read()
    return await replace({ ...wanted, metadata: { ...wanted.metadata, resourceVersion: metadata!.resourceVersion! } })
  } catch (error) {
    if (!hasCode(error, 404)) throw error
    return create(wanted)
  }
}

async function reconcile(shelf: Shelf): Promise<void> {
  const { name = '', uid = '', generation = 0, finalizers = [], deletionTimestamp } = shelf.metadata!
  const setFinalizers = (to: string[]) =>
    custom.replaceNamespacedCustomObject({
      ...place,
      name,
      body: { ...shelf, metadata: { ...shelf.metadata, finalizers: to } },
    })
  if (deletionTimestamp) {
    if (!finalizers.includes(finalizer)) return
    await register(entries => delete entries[name])
    await setFinalizers(finalizers.filter(one => one !== finalizer))
    return say(`released ${name}`)
  }
  // The change of the finalizers wakes it again.
  if (!finalizers.includes(finalizer)) return void (await setFinalizers([...finalizers, finalizer]))
  await register(entries => (entries[name] = shelf.spec.topic))
  const owner = {
    apiVersion: 'library.example.com/v1',
    kind: 'Shelf',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  }
  const metadata = { name, namespace, ownerReferences: [owner] }
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { topic: shelf.spec.topic } }
  await put(
    map,
    () => core.readNamespacedConfigMap({ name, namespace }),
    body => core.createNamespacedConfigMap({ namespace, body }),
    body => core.replaceNamespacedConfigMap({ name, namespace, body }),
  )
  const labels = { shelf: name }
  const container = { name: 'book', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }
  const pod = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } }
  const spec = { replicas: shelf.spec.books ?? 1, selector: { matchLabels: labels }, template: pod }
  const { status } = await put(
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec },
    () => apps.readNamespacedDeployment({ name, namespace }),
    body => apps.createNamespacedDeployment({ namespace, body }),
    body => apps.replaceNamespacedDeployment({ name, namespace, body }),
  )
  await report(name, generation, status?.readyReplicas ?? 0, spec.replicas)
}

/** Writes the status, which changes no generation. */
async function report(name: string, observedGeneration: number, books: number, wanted: number): Promise<void> {
  const isReady = books === wanted
  const condition = {
    type: 'Ready',
    status: isReady ? 'True' : 'False',
    reason: isReady ? 'Complete' : 'Incomplete',
    message: `${books} of ${wanted} books are there`,
    lastTransitionTime: new Date().toISOString(),
    observedGeneration,
  }
  await custom.patchNamespacedCustomObjectStatus(
    { ...place, name, body: { status: { observedGeneration, books, conditions: [condition] } } },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  )
}

const waiting = new Set<string>()

async function work(find: (name: string) => Shelf | undefined): Promise<never> {
  for (;;) {
    for (const name of waiting) {
      waiting.delete(name)
      const shelf = find(name)
      try {
        if (shelf) await reconcile(shelf)
      } catch (error) {
        say(`again ${name}: ${why(error)}`)
        waiting.add(name)
      }
    }
    await pause(100)
  }
}

async function lead(): Promise<void> {
  const list = () => custom.listNamespacedCustomObject(place) as Promise<{ items: Shelf[] } & object>
  const shelves = makeInformer<Shelf>(config, `/apis/library.example.com/v1/namespaces/${namespace}/shelves`, list)
  const deployments = makeInformer(config, `/apis/apps/v1/namespaces/${namespace}/deployments`, () =>
    apps.listNamespacedDeployment({ namespace }),
  )
  shelves.on('add', shelf => waiting.add(shelf.metadata!.name!))
  shelves.on('update', shelf => waiting.add(shelf.metadata!.name!))
  deployments.on('change', ({ metadata }) => {
    for (const { kind, name } of metadata?.ownerReferences ?? []) if (kind === 'Shelf') waiting.add(name)
  })
  for (const informer of [shelves, deployments]) {
    informer.on('error', error => {
      say(`watch ended: ${why(error)}`)
      void pause(500).then(() => informer.start())
    })
    await informer.start()
  }
  say('leads')
  void work(name => shelves.get(name, namespace))
}

let leads = false
let renewedAt = Date.now()
for (;;) {
  try {
    const holds = await hold()
    if (leads && !holds) throw new Error('another copy has the Lease')
    if (holds) renewedAt = Date.now()
    if (holds && !leads) {
      leads = true
      await lead()
    } else if (!holds) say('stands by')
  } catch (error) {
    say(`no Lease: ${why(error)}`)
    if (leads && Date.now() - renewedAt > leaseSeconds * 10_000) process.exit(1)
  }
  await pause(1000)
}
