// Claims on a fresh cluster: nothing is installed, and a StatefulSet keeps its data through the deletion of pods, scaling,
// the death of every process and a restart of the cluster. A claim that is deleted takes its directory with it.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { becomesReady, eventComes, inPod, mainOf, makePod, podIs, removePods, sh } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('storage', ['busybox'], ['--nodes', '2'])
const kubectl = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const keep = 'trap "exit 0" TERM; while :; do sleep 0.2; done'

interface Volume {
  metadata: { name: string }
  spec: { local: { path: string }; claimRef: { name: string }; persistentVolumeReclaimPolicy: string }
}
const volumes = async () => (JSON.parse(await kubectl('get pv -o json')) as { items: Volume[] }).items
const volumeFor = async (claim: string) => {
  const found = (await volumes()).find(({ spec }) => spec.claimRef.name === claim)
  assert.ok(found, claim)
  return found
}
const claim = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } }, ...spec },
})
const mounting = (claimName: string, script = keep, more: object = {}) => ({
  containers: [sh(script, { volumeMounts: [{ name: 'data', mountPath: '/data', ...more }] })],
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
})

/** What claims for volumes have that were made by hand. */
const byHand = { storageClassName: '', resources: { requests: { storage: '1Mi' } } }

/** Runs `use` with a disk that is a file. */
async function withDisk(mebibytes: number, use: (device: string, file: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-disk-'))
  const file = join(dir, 'disk')
  writeFileSync(file, Buffer.alloc(mebibytes << 20))
  const device = (await run('losetup', ['--find', '--show', file])).stdout.trim()
  try {
    await use(device, file)
  } finally {
    await run('losetup', ['--detach', device])
    rmSync(dir, { recursive: true, force: true })
  }
}

/** A volume of the first node, for the claim of its name. */
async function localDisk(name: string, path: string, volumeMode: 'Block' | 'Filesystem') {
  const [node = ''] = (await kubectl('get nodes -o jsonpath={.items[*].metadata.name}')).split(' ')
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }]
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '1Mi' },
      accessModes: ['ReadWriteOnce'],
      volumeMode,
      claimRef: { namespace: 'default', name },
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
  }
}

const database = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: {
    serviceName: 'db',
    replicas: 3,
    selector: { matchLabels: { app: 'db' } },
    template: {
      metadata: { labels: { app: 'db' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        // Every start adds a line, so lost data shows.
        containers: [
          sh(`echo started >> /data/log; ${keep}`, { volumeMounts: [{ name: 'data', mountPath: '/data' }] }),
        ],
      },
    },
    volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim('').spec }],
  },
}

describe('storage', { concurrency: false, skip: cannotRun }, () => {
  test('a claim waits for its first consumer, and then is a directory on the node of the pod', options, async () => {
    assert.match(
      await kubectl('get storageclass --no-headers'),
      /^standard \(default\) +kutter\/directory +Delete +WaitForFirstConsumer/m,
    )
    await cluster.apply(claim('data'))
    await eventComes(cluster, 'data', /^WaitForFirstConsumer: waiting for first consumer to be created before binding$/)
    await makePod(cluster, 'writer', mounting('data', `echo hello > /data/greeting; ${keep}`))
    await becomesReady(cluster, 'writer')
    await eventComes(cluster, 'data', /^ProvisioningSucceeded: Successfully provisioned volume pvc-/)
    assert.match(await kubectl('get pvc data --no-headers'), /^data +Bound +pvc-\S+ +64Mi +RWO +standard/)
    const { spec } = await volumeFor('data')
    assert.equal(readFileSync(`${spec.local.path}/greeting`, 'utf8'), 'hello\n')
    await removePods(cluster, 'writer')
    await kubectl('wait pod/writer --for=delete --timeout=30s')
    await makePod(cluster, 'reader', mounting('data', keep, { readOnly: true }))
    await becomesReady(cluster, 'reader')
    assert.equal(await inPod(cluster, 'reader', 'cat /data/greeting'), 'hello')
    assert.notEqual((await cluster.tryKubectl('exec reader -- touch /data/x')).code, 0)
    await kubectl(`patch pvc data -p '{"spec":{"resources":{"requests":{"storage":"128Mi"}}}}'`)
    await eventComes(cluster, 'data', /^VolumeResizeSuccessful: /)
    assert.match(await kubectl('get pvc data --no-headers'), /^data +Bound +pvc-\S+ +128Mi /)
    await kubectl('delete pvc data --wait=false')
    // The claim is kept while the pod uses it.
    assert.match(await kubectl('get pvc data --no-headers'), /^data +Terminating/)
    await removePods(cluster, 'reader')
    await eventually(
      'the directory is gone',
      async () => !existsSync(spec.local.path) && (await volumes()).length === 0,
    )
  })

  test('a StatefulSet keeps its data, whatever dies', options, async () => {
    await cluster.apply(database)
    await kubectl('rollout status statefulset/db --timeout=120s')
    const logs = async () =>
      Promise.all(
        [0, 1, 2].map(
          async i =>
            readFileSync(`${(await volumeFor(`data-db-${i}`)).spec.local.path}/log`, 'utf8').split('\n').length - 1,
        ),
      )
    assert.deepEqual(await logs(), [1, 1, 1])
    await kubectl('delete pod db-0 db-2')
    await kubectl('rollout status statefulset/db --timeout=60s')
    assert.deepEqual(await logs(), [2, 1, 2])
    await kubectl('scale statefulset db --replicas=1')
    await kubectl('wait pod/db-1 --for=delete --timeout=60s')
    assert.equal((await volumes()).length, 3)
    const status = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
      processes: { role: string; pid: number }[]
    }
    for (const { role, pid } of status.processes) if (role !== 'supervisor') process.kill(pid, 'SIGKILL')
    await eventually(
      'it is scaled again',
      async () => (await cluster.tryKubectl('scale statefulset db --replicas=3')).code === 0,
    )
    await eventually(
      'all are ready',
      async () => (await kubectl('get statefulset db -o jsonpath={.status.readyReplicas}')) === '3',
    )
    assert.deepEqual(await logs(), [2, 2, 3])
    await kubectl('delete statefulset db')
    await kubectl('delete pvc --all')
    await eventually('all volumes are gone', async () => (await volumes()).length === 0)
  })

  test('pods on all nodes of the machine write to one shared volume', options, async () => {
    await cluster.apply(claim('together', { storageClassName: 'shared', accessModes: ['ReadWriteMany'] }))
    const nodes = (await kubectl('get nodes -o name'))
      .trim()
      .split('\n')
      .map(name => name.slice('node/'.length))
    assert.equal(nodes.length, 2)
    const names = nodes.map((_, i) => `together-${i}`)
    for (const [i, name] of names.entries())
      await makePod(cluster, name, {
        ...mounting('together', `echo ${name} > /data/${name}; ${keep}`),
        nodeSelector: { 'kubernetes.io/hostname': nodes[i] },
      })
    for (const name of names) await becomesReady(cluster, name)
    for (const name of names) assert.equal(await inPod(cluster, name, 'cat /data/*'), names.join('\n'))
    const { path } = (await volumeFor('together')).spec.local
    await removePods(cluster, ...names)
    await kubectl('delete pvc together')
    await eventually('the directory is gone', async () => !existsSync(path))
  })

  test('an ephemeral volume goes with its pod, and a kept one stays without its claim', options, async () => {
    await makePod(cluster, 'scratch', {
      containers: [sh(keep, { volumeMounts: [{ name: 'tmp', mountPath: '/tmp/x' }] })],
      volumes: [{ name: 'tmp', ephemeral: { volumeClaimTemplate: { spec: claim('').spec } } }],
    })
    await becomesReady(cluster, 'scratch')
    const { path } = (await volumeFor('scratch-tmp')).spec.local
    await removePods(cluster, 'scratch')
    await eventually('it is gone', async () => !existsSync(path))
    await cluster.apply(claim('kept'))
    await makePod(cluster, 'keeper', mounting('kept', `echo precious > /data/file; ${keep}`))
    await becomesReady(cluster, 'keeper')
    const { metadata, spec } = await volumeFor('kept')
    await kubectl(`patch pv ${metadata.name} -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`)
    await removePods(cluster, 'keeper')
    await kubectl('delete pvc kept')
    await eventually('it is released', async () => / Released /.test(await kubectl('get pv --no-headers')))
    await kubectl(`delete pv ${metadata.name}`)
    assert.deepEqual(readdirSync(spec.local.path), ['file'])
  })

  test('a volume that was made by hand is mounted, and one that cannot be says why', options, async () => {
    const node = (await kubectl('get nodes -o jsonpath={.items[0].metadata.name}')).trim()
    const made = (name: string, source: object) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        claimRef: { namespace: 'default', name },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
            ],
          },
        },
        ...source,
      },
    })
    const dir = mkdtempSync(join(tmpdir(), 'kutter-volume-'))
    try {
      writeFileSync(join(dir, 'file'), 'made by hand\n')
      await cluster.apply(made('there', { local: { path: dir } }))
      await cluster.apply(made('nowhere', { local: { path: join(dir, 'none') } }))
      for (const name of ['there', 'nowhere', 'unbound']) {
        await cluster.apply(claim(name, { storageClassName: '' }))
        await makePod(cluster, name, { ...mounting(name), ...(name === 'unbound' && { nodeName: node }) })
      }
      await becomesReady(cluster, 'there')
      assert.equal(await inPod(cluster, 'there', 'cat /data/file'), 'made by hand')
      await eventComes(
        cluster,
        'nowhere',
        /^FailedMount: MountVolume\.SetUp failed for volume "data" : path ".*\/none" does not exist$/,
      )
      await eventComes(cluster, 'unbound', /^FailedMount: .*error processing PVC default\/unbound: PVC is not bound$/)
      await removePods(cluster, 'there', 'nowhere', 'unbound')
      await kubectl('delete pvc there nowhere unbound')
      await kubectl('delete pv there nowhere')
      // What was made by hand is nobody's to delete.
      assert.ok(existsSync(join(dir, 'file')))
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  test('a local block volume is a device of the container', options, async () => {
    await withDisk(1, async (device, file) => {
      await cluster.apply(await localDisk('disk', device, 'Block'))
      await cluster.apply(claim('disk', { ...byHand, volumeMode: 'Block' }))
      await makePod(cluster, 'disk', {
        containers: [sh(keep, { volumeDevices: [{ name: 'd', devicePath: '/dev/own' }] })],
        volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'disk' } }],
      })
      await becomesReady(cluster, 'disk')
      await inPod(cluster, 'disk', 'echo raw bytes | dd of=/dev/own bs=512 count=1 conv=sync && sync')
      await removePods(cluster, 'disk')
      await kubectl('wait pod/disk --for=delete --timeout=60s')
      await kubectl('delete pvc,pv disk')
      await run('blockdev', ['--flushbufs', device])
      assert.equal(readFileSync(file, 'utf8').slice(0, 9), 'raw bytes')
    })
  })

  test('a local disk gets a file system once, and pods of its node share it', options, async () => {
    await withDisk(16, async device => {
      await cluster.apply(await localDisk('formatted', device, 'Filesystem'))
      await cluster.apply(claim('formatted', byHand))
      for (const name of ['disk-1', 'disk-2'])
        await makePod(cluster, name, {
          ...mounting('formatted', `touch /data/${name}; ${keep}`),
          securityContext: { fsGroup: 2000 },
        })
      for (const name of ['disk-1', 'disk-2']) await becomesReady(cluster, name)
      assert.match(await inPod(cluster, 'disk-1', 'grep " /data " /proc/mounts'), /^\/dev\/loop\S+ \/data ext4 rw/)
      await eventually('both write', async () => (await inPod(cluster, 'disk-2', 'ls /data | grep -c disk')) === '2')
      assert.equal(await inPod(cluster, 'disk-1', 'stat -c %g /data'), '2000')
      await removePods(cluster, 'disk-1', 'disk-2')
      await kubectl('wait pod/disk-1 pod/disk-2 --for=delete --timeout=60s')
      assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${device} `))
      await makePod(cluster, 'disk-3', mounting('formatted', keep, { readOnly: true }))
      await becomesReady(cluster, 'disk-3')
      assert.match(await inPod(cluster, 'disk-3', 'ls /data'), /disk-1\ndisk-2/)
      await removePods(cluster, 'disk-3')
      await kubectl('wait pod/disk-3 --for=delete --timeout=60s')
      await kubectl('delete pvc,pv formatted')
    })
  })

  test('a volume that the node cannot mount says what is missing, or what serves it today', options, async () => {
    const sources: Record<string, [source: object, said: RegExp]> = {
      ebs: [
        { awsElasticBlockStore: { volumeID: 'vol-1' } },
        /are served by the CSI driver ebs\.csi\.aws\.com: install it/,
      ],
      rbd: [{ rbd: { monitors: ['10.0.0.1'], image: 'i' } }, /Kubernetes has removed volumes of the type rbd in 1\.31/],
      repo: [{ gitRepo: { repository: 'https://example.com/r.git' } }, /git-repo volume plugin has been disabled/],
    }
    const hasNfs = /nfs/.test(readFileSync('/proc/filesystems', 'utf8'))
    if (!hasNfs)
      sources.nfs = [
        { nfs: { server: '127.0.0.1', path: '/x' } },
        /cannot mount 127\.0\.0\.1:\/x: .* (no NFS client|is missing)/,
      ]
    for (const [name, [source]] of Object.entries(sources))
      await makePod(cluster, name, {
        containers: [sh(keep, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
        volumes: [{ name: 'data', ...source }],
      })
    for (const [name, [, said]] of Object.entries(sources)) {
      const text = await eventComes(cluster, name, /^FailedMount: MountVolume\.SetUp failed for volume "data" : /)
      assert.match(text, said)
      if (name === 'nfs') continue
      await podIs(cluster, name, 'says so in its status', pod => said.test(mainOf(pod)?.state.waiting?.message ?? ''))
    }
    await removePods(cluster, ...Object.keys(sources))
  })

  test('what a directory cannot be is refused in words', options, async () => {
    await cluster.apply(claim('many', { accessModes: ['ReadWriteMany'] }))
    await makePod(cluster, 'many', mounting('many'))
    await eventComes(
      cluster,
      'many',
      /^ProvisioningFailed: failed to provision volume with StorageClass "standard": a directory of one node has no access mode ReadWriteMany$/,
    )
    await removePods(cluster, 'many')
    await kubectl('delete pvc many')
  })
})
