// Volumes of a driver, from the claim to the deletion: a driver is installed by manifests as people write them, and its
// volumes keep their data through the deletion of pods and the death of agents and drivers, in the middle of their work.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { driver, DriverData, driverImage, installDriver } from './csi-driver.ts'
import { becomesReady, eventComes, forever, getPod, inPod, makePod, removePods, sh } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('csi', ['busybox', driverImage], ['--nodes', '2'])
const data = cannotRun ? undefined : new DriverData(cluster)
// After the cluster, whose pods use it.
after(() => data?.remove())
const kubectl = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

const claim = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: {
    storageClassName: 'files',
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '64Mi' } },
    ...spec,
  },
})
const mounting = (claimName: string, script: string, more: object = {}) => ({
  containers: [sh(`${script}; ${forever}`, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
  ...more,
})
const volumeOf = (name: string) => kubectl(`get pvc ${name} -o jsonpath={.spec.volumeName}`)
const nodes = async () => (await kubectl('get nodes -o jsonpath={.items[*].metadata.name}')).split(' ')
const nodeOf = (pod: string) => kubectl(`get pod ${pod} -o jsonpath={.spec.nodeName}`)
const dirOf = (node: string) => join(cluster.dataDir, cluster.name, 'agents', node)
const isGone = (pod: string) => kubectl(`wait pod/${pod} --for=delete --timeout=60s`)

/** What a node has mounted below its directories for pods and drivers. */
const mountsOf = (node: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4] ?? '')
    .filter(point => point.startsWith(`${dirOf(node)}/p`) && /kubernetes\.io[~/]csi/.test(point))

async function killAgents(): Promise<void> {
  const { stdout } = await cluster.kutter('status', '-o', 'json')
  const { processes } = JSON.parse(stdout) as { processes: { role: string; pid: number }[] }
  for (const { role, pid } of processes) if (role === 'agent') process.kill(pid, 'SIGKILL')
}

/** Waits until nothing of the driver's volumes is left, on nodes, in the API and in its storage. */
async function nothingIsLeft(): Promise<void> {
  await eventually('nothing is left', async () => {
    assert.equal(await kubectl('get pv,volumeattachments -o name'), '')
    for (const node of await nodes()) {
      assert.deepEqual(mountsOf(node), [])
      assert.equal(await kubectl(`get node ${node} -o jsonpath={.status.volumesInUse}{.status.volumesAttached}`), '')
      const staged = join(dirOf(node), 'plugins/kubernetes.io/csi', driver)
      assert.deepEqual(existsSync(staged) ? readdirSync(staged) : [], [])
    }
    assert.deepEqual(
      ['volumes', 'meta', 'inline'].flatMap(what => data!.names(what as 'volumes')),
      [],
    )
    return true
  })
}

describe('csi', { concurrency: false, skip: cannotRun }, () => {
  afterEach(() => data?.revokeAll())
  before(() => installDriver(cluster, data!), { timeout: 300_000 })

  test('a driver registers on each node, and the API shows it', options, async () => {
    for (const node of await nodes()) {
      const { spec, metadata } = JSON.parse(await kubectl(`get csinode ${node} -o json`)) as {
        spec: object
        metadata: { ownerReferences: { kind: string; name: string }[] }
      }
      const topologyKeys = [`topology.${driver}/machine`]
      const entry = { name: driver, nodeID: `id-of-${node}`, topologyKeys, allocatable: { count: 16 } }
      assert.deepEqual(spec, { drivers: [entry] })
      assert.deepEqual(
        metadata.ownerReferences.map(({ kind, name }) => `${kind} ${name}`),
        [`Node ${node}`],
      )
      const shown = JSON.parse(await kubectl(`get node ${node} -o json`)) as {
        metadata: { annotations: Record<string, string>; labels: Record<string, string> }
      }
      assert.equal(shown.metadata.annotations['csi.volume.kubernetes.io/nodeid'], `{"${driver}":"id-of-${node}"}`)
      assert.equal(shown.metadata.labels[topologyKeys[0]!], 'this')
    }
  })

  test('a claim is provisioned, attached and mounted, and its data follows to another node', options, async () => {
    await cluster.apply(claim('data'))
    await makePod(
      cluster,
      'one',
      mounting('data', 'echo hello > /data/greeting', { securityContext: { fsGroup: 1234 } }),
    )
    await becomesReady(cluster, 'one')
    const [volume, node] = [await volumeOf('data'), await nodeOf('one')]
    assert.equal(readFileSync(data!.fileOf(volume, 'greeting'), 'utf8'), 'hello\n')
    assert.equal(await inPod(cluster, 'one', 'stat -c %g /data'), '1234')
    await eventComes(
      cluster,
      'one',
      new RegExp(`^SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "${volume}" $`),
    )
    const unique = `kubernetes.io/csi/${driver}^vol-${volume}`
    assert.equal(await kubectl(`get node ${node} -o jsonpath={.status.volumesInUse[*]}`), unique)
    assert.equal(await kubectl(`get node ${node} -o jsonpath={.status.volumesAttached[*].name}`), unique)
    const [staged] = data!.calls('NodeStageVolume')
    assert.match(
      staged!.request.staging_target_path,
      new RegExp(`^/var/lib/kubelet/plugins/kubernetes.io/csi/${driver}/[0-9a-f]{64}/globalmount$`),
    )
    assert.deepEqual(staged!.request.secrets, { key: 'open sesame' })
    assert.equal(staged!.request.volume_capability.mount?.fs_type, 'ext4')
    const [published] = data!.calls('NodePublishVolume')
    const { uid } = (await getPod(cluster, 'one')).metadata
    assert.equal(
      published!.request.target_path,
      `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~csi/${volume}/mount`,
    )
    assert.equal(published!.request.volume_context['csi.storage.k8s.io/pod.name'], 'one')
    assert.equal(published!.request.volume_context.flavour, 'plain')
    const tokens = JSON.parse(published!.request.secrets['csi.storage.k8s.io/serviceAccount.tokens']!) as object
    assert.deepEqual(Object.keys(tokens), ['vault'])

    const other = (await nodes()).find(name => name !== node)!
    await makePod(cluster, 'two', { ...mounting('data', 'cat /data/greeting'), nodeName: other })
    await eventComes(
      cluster,
      'two',
      /^FailedAttachVolume: Multi-Attach error for volume ".*" Volume is already used by pod\(s\) one$/,
    )
    await removePods(cluster, 'one')
    await becomesReady(cluster, 'two')
    assert.equal(await inPod(cluster, 'two', 'cat /data/greeting'), 'hello')
    assert.deepEqual(mountsOf(node), [])
    await removePods(cluster, 'two')
    await isGone('two')
  })

  test('a volume grows while its pod runs', options, async () => {
    await makePod(cluster, 'grows', mounting('data', ':'))
    await becomesReady(cluster, 'grows')
    await kubectl(`patch pvc data -p '{"spec":{"resources":{"requests":{"storage":"128Mi"}}}}'`)
    await eventually(
      'the claim has grown',
      async () => {
        const shown = await kubectl('get pvc data -o jsonpath={.status.capacity.storage}/{.status.conditions}')
        if (shown !== '128Mi/') throw new Error(shown)
        return true
      },
      90_000,
    )
    await eventComes(cluster, 'grows', /^FileSystemResizeSuccessful: /)
    const from = `get --raw /api/v1/nodes/${await nodeOf('grows')}/proxy`
    await eventually(
      'its usage is served',
      async () => {
        const { pods } = JSON.parse(await kubectl(`${from}/stats/summary`)) as {
          pods: { podRef: { name: string }; volume?: { name: string; capacityBytes: number; pvcRef: object }[] }[]
        }
        const volume = pods.find(({ podRef }) => podRef.name === 'grows')?.volume?.[0]
        if (volume?.capacityBytes !== 128 * 2 ** 20) throw new Error(JSON.stringify(volume))
        assert.equal(volume.name, 'data')
        assert.deepEqual(volume.pvcRef, { name: 'data', namespace: 'default' })
        return true
      },
      90_000,
    )
    assert.match(
      await kubectl(`${from}/metrics`),
      /^kubelet_volume_stats_used_bytes\{namespace="default",persistentvolumeclaim="data"\} 1024$/m,
    )
    await removePods(cluster, 'grows')
    await isGone('grows')
  })

  test('pods keep their volumes when agents and drivers are killed in the middle of their work', options, async () => {
    await makePod(cluster, 'stays', mounting('data', 'echo kept > /data/file'))
    await becomesReady(cluster, 'stays')
    const [volume, node] = [await volumeOf('data'), await nodeOf('stays')]
    const before = await getPod(cluster, 'stays')
    await killAgents()
    await eventually('the agents are back', async () => {
      await kubectl('wait node --all --for=condition=Ready --timeout=30s')
      return (await inPod(cluster, 'stays', 'echo more >> /data/file; cat /data/file')) === 'kept\nmore'
    })
    assert.equal(
      (await getPod(cluster, 'stays')).status.containerStatuses?.[0]?.containerID,
      before.status.containerStatuses?.[0]?.containerID,
    )
    assert.equal(mountsOf(node).length, 2)

    // The agent dies while the driver undoes its work, and the next one begins that again.
    data!.order('NodeUnpublishVolume', 'hang')
    const calls = () => data!.calls('NodeUnpublishVolume').length
    const had = calls()
    await removePods(cluster, 'stays')
    await eventually('the driver is asked', async () => calls() > had)
    await killAgents()
    data!.revoke('NodeUnpublishVolume')
    await isGone('stays')
    assert.equal(readFileSync(data!.fileOf(volume, 'file'), 'utf8'), 'kept\nmore\n')
    await eventually('it is unmounted', async () => mountsOf(node).length === 0)

    // The driver dies with the volume mounted, before it has answered.
    data!.order('NodePublishVolume', 'crash')
    await makePod(cluster, 'late', mounting('data', ':'))
    await becomesReady(cluster, 'late')
    assert.equal(data!.isOrdered('NodePublishVolume'), false)
    assert.equal(await inPod(cluster, 'late', 'cat /data/file'), 'kept\nmore')
    assert.equal(mountsOf(await nodeOf('late')).length, 2)
    await removePods(cluster, 'late')
    await isGone('late')
  })

  test('what a former agent has left staged is unstaged', options, async () => {
    await makePod(cluster, 'brief', mounting('data', ':'))
    await becomesReady(cluster, 'brief')
    const node = await nodeOf('brief')
    data!.order('NodeUnstageVolume', 'hang')
    const had = data!.calls('NodeUnstageVolume').length
    await removePods(cluster, 'brief')
    // The pod does not wait for it.
    await isGone('brief')
    await eventually('the driver is asked', async () => data!.calls('NodeUnstageVolume').length > had)
    assert.equal(mountsOf(node).length, 1)
    await killAgents()
    data!.revoke('NodeUnstageVolume')
    await eventually('it is unstaged', async () => mountsOf(node).length === 0)
  })

  test(
    'a driver that hangs or lies holds up its own pods only, and no data is deleted through a mount',
    options,
    async () => {
      await makePod(cluster, 'liar', mounting('data', ':'))
      await becomesReady(cluster, 'liar')
      const volume = await volumeOf('data')
      data!.order('NodeUnpublishVolume', 'lie')
      const had = data!.calls('NodeUnpublishVolume').length
      await removePods(cluster, 'liar')
      await eventually('the driver has lied twice', async () => data!.calls('NodeUnpublishVolume').length > had + 1)
      assert.notEqual(await kubectl('get pod liar -o jsonpath={.metadata.deletionTimestamp}'), '')
      assert.equal(readFileSync(data!.fileOf(volume, 'file'), 'utf8'), 'kept\nmore\n')
      data!.order('NodePublishVolume', 'hang')
      await makePod(cluster, 'plain', { containers: [sh(forever)] })
      await becomesReady(cluster, 'plain')
      await cluster.apply(claim('other'))
      await makePod(cluster, 'hung', mounting('other', ':'))
      await eventually('the driver is asked', async () =>
        data!
          .calls('NodePublishVolume')
          .some(call => call.request.volume_context['csi.storage.k8s.io/pod.name'] === 'hung'),
      )
      await removePods(cluster, 'hung', 'plain')
      data!.revoke('NodeUnpublishVolume')
      for (const pod of ['liar', 'hung', 'plain']) await isGone(pod)
      data!.order('NodePublishVolume', 'no space is left')
      await makePod(cluster, 'fails', mounting('other', ':'))
      const name = await volumeOf('other')
      await eventComes(
        cluster,
        'fails',
        new RegExp(
          `^FailedMount: MountVolume.SetUp failed for volume "${name}" : rpc error: code = Internal desc = no space is left$`,
        ),
      )
      data!.revoke('NodePublishVolume')
      await becomesReady(cluster, 'fails')
      await removePods(cluster, 'fails')
      await isGone('fails')
      await kubectl('delete pvc data other')
      await nothingIsLeft()
    },
  )

  test('a block volume is a device of the container', options, async () => {
    await cluster.apply(claim('disk', { volumeMode: 'Block', resources: { requests: { storage: '8Mi' } } }))
    const pod = {
      containers: [sh(forever, { volumeDevices: [{ name: 'disk', devicePath: '/dev/disk' }] })],
      volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'disk' } }],
    }
    await makePod(cluster, 'writer', pod)
    await becomesReady(cluster, 'writer')
    await inPod(
      cluster,
      'writer',
      'test -b /dev/disk && echo raw bytes | dd of=/dev/disk bs=512 count=1 conv=sync && sync',
    )
    await removePods(cluster, 'writer')
    await isGone('writer')
    await makePod(cluster, 'reader', pod)
    await becomesReady(cluster, 'reader')
    assert.equal(await inPod(cluster, 'reader', 'dd if=/dev/disk bs=10 count=1 2>/dev/null'), 'raw bytes')
    await removePods(cluster, 'reader')
    await isGone('reader')
    await kubectl('delete pvc disk')
    await nothingIsLeft()
  })

  test('an inline volume belongs to its pod', options, async () => {
    await makePod(cluster, 'inline', {
      containers: [sh(forever, { volumeMounts: [{ name: 'in', mountPath: '/in' }] })],
      volumes: [{ name: 'in', csi: { driver, readOnly: true, volumeAttributes: { colour: 'blue' } } }],
    })
    await becomesReady(cluster, 'inline')
    const attributes = JSON.parse(await inPod(cluster, 'inline', 'cat /in/attributes.json')) as Record<string, string>
    assert.equal(attributes.colour, 'blue')
    assert.equal(attributes['csi.storage.k8s.io/ephemeral'], 'true')
    assert.equal(attributes['csi.storage.k8s.io/serviceAccount.name'], 'default')
    assert.notEqual((await cluster.tryKubectl('exec inline -- touch /in/x')).code, 0)
    assert.equal(data!.names('inline').length, 1)
    await removePods(cluster, 'inline')
    await isGone('inline')
    await nothingIsLeft()
  })

  test('a driver that is not there is named, and its pods wait for it', options, async () => {
    await makePod(cluster, 'waits', {
      containers: [sh(forever, { volumeMounts: [{ name: 'in', mountPath: '/in' }] })],
      volumes: [{ name: 'in', csi: { driver: 'absent.example.com' } }],
    })
    await eventComes(
      cluster,
      'waits',
      /^FailedMount: MountVolume.NewMounter failed for volume "in" : volume mode "Ephemeral" not supported by driver absent.example.com \(no CSIDriver object\)$/,
    )
    const object = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: 'absent.example.com' } }
    await cluster.apply({ ...object, spec: { volumeLifecycleModes: ['Ephemeral'] } })
    await eventComes(
      cluster,
      'waits',
      /^FailedMount: MountVolume.SetUp failed for volume "in" : kubernetes.io\/csi: mounter.SetUpAt failed to get CSI client: driver name absent.example.com not found in the list of registered CSI drivers$/,
    )
    await removePods(cluster, 'waits')
    await isGone('waits')
  })

  test(
    'a pod that mounts the whole of /var/lib/kubelet has that of its node, in both directions',
    options,
    async () => {
      const [node = '', other = ''] = await nodes()
      const place = '/var/lib/kubelet/plugins/x'
      await makePod(cluster, 'whole', {
        nodeName: node,
        containers: [
          sh(`mkdir -p ${place} && mount -t tmpfs x ${place} && echo here > ${place}/file; ${forever}`, {
            securityContext: { privileged: true },
            volumeMounts: [{ name: 'k', mountPath: '/var/lib/kubelet', mountPropagation: 'Bidirectional' }],
          }),
        ],
        volumes: [{ name: 'k', hostPath: { path: '/var/lib/kubelet', type: 'Directory' } }],
      })
      await becomesReady(cluster, 'whole')
      const seen = (on: string) => join(dirOf(on), 'plugins/x/file')
      await eventually('the node has the mount', async () => existsSync(seen(node)))
      assert.equal(existsSync(seen(other)), false)
      assert.equal(
        await inPod(cluster, 'whole', 'ls /var/lib/kubelet/pods | wc -l'),
        String(readdirSync(join(dirOf(node), 'pods')).length),
      )
      await inPod(cluster, 'whole', `umount ${place} && rmdir ${place}`)
      await eventually('the mount is gone', async () => !existsSync(join(dirOf(node), 'plugins/x')))
      await removePods(cluster, 'whole')
      await isGone('whole')
    },
  )

  test('down unmounts volumes, and up mounts them again', options, async () => {
    const [node = ''] = await nodes()
    await cluster.apply(claim('survives'))
    for (const name of ['first', 'second'])
      await makePod(cluster, name, {
        ...mounting('survives', `echo ${name} >> /data/log`),
        nodeSelector: { 'kubernetes.io/hostname': node },
      })
    for (const name of ['first', 'second']) await becomesReady(cluster, name)
    const volume = await volumeOf('survives')
    assert.equal(mountsOf(node).length, 3)
    assert.equal((await cluster.kutter('down')).code, 0)
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${cluster.dataDir}/${cluster.name}/`), false)
    await cluster.up()
    for (const name of ['first', 'second']) await eventually(`${name} is ready`, () => becomesReady(cluster, name))
    const log = readFileSync(data!.fileOf(volume, 'log'), 'utf8').trim().split('\n').sort()
    assert.deepEqual(log, ['first', 'first', 'second', 'second'])
    await removePods(cluster, 'first', 'second')
    for (const pod of ['first', 'second']) await isGone(pod)
    await kubectl('delete pvc survives')
    await nothingIsLeft()
  })

  test('a driver that is removed is taken out of the API', options, async () => {
    await kubectl('delete daemonset csi-node')
    await eventually('no node has it', async () => {
      const drivers = await kubectl('get csinodes -o jsonpath={.items[*].spec.drivers}')
      const ids = await kubectl("get nodes -o jsonpath='{.items[*].metadata.annotations}'")
      return !drivers.includes(driver) && !ids.includes(driver)
    })
  })
})
