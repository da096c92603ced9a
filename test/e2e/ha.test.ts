// Three servers with three members of etcd on one machine: any of them may be lost, kubectl goes on at the virtual
// address, and without a quorum writes are refused with the reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noEtcd } from '../../src/store/etcd/testing.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun || noEtcd }
const cluster = clusterForFile('ha', [], ['--ha'])

interface Listed {
  members: { name: string; answers: boolean; isLeader: boolean; isLearner: boolean; hasLeader: boolean }[]
  problem?: string
}

interface Process {
  role: string
  node?: string
  pid: number
}

const state = async () =>
  JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    ready: boolean
    processes: Process[]
    problems: string[]
  }
const members = async () => JSON.parse((await cluster.kutter('member', 'list', '-o', 'json')).stdout) as Listed
const machine = async () => (await cluster.kubectl('get nodes -o name')).match(/node\/(?!node-)(\S+)/)![1]!

/** The processes of a server and of the member beside it. */
async function pidsOf(node: string, roles = ['server', 'etcd']): Promise<number[]> {
  const first = await machine()
  return (await state()).processes
    .filter(one => roles.includes(one.role) && (one.node ?? first) === node)
    .map(one => one.pid)
}

const holder = (lease: string) =>
  cluster.kubectl(`get lease ${lease} -n kube-system -o jsonpath={.spec.holderIdentity}`)

/** kubectl with short patience, again and again: every request may meet the moment at which the address moves. */
const scaled = (replicas: number) =>
  eventually(
    `the Deployment has ${replicas} replicas`,
    async () => {
      await cluster.kubectl(`scale deployment web --replicas=${replicas} --request-timeout=3s`)
      return eventually(
        'the controllers have made them',
        async () => {
          const found = await cluster.kubectl(
            "get rs -l app=web --request-timeout=3s -o jsonpath='{.items[*].status.replicas}'",
          )
          return found.split(' ').includes(String(replicas))
        },
        20_000,
      )
    },
    20_000,
  )

const whole = () =>
  eventually('all members answer', async () => {
    const listed = await members()
    return listed.members.length === 3 && listed.members.every(one => one.answers && one.hasLeader && !one.isLearner)
  })

test('three servers serve the same, and kubectl uses an address of none of them', options, async () => {
  const { ready, problems, processes } = await state()
  assert.ok(ready, problems.join())
  assert.equal(processes.filter(one => one.role === 'server').length, 3)
  assert.equal(processes.filter(one => one.role === 'etcd').length, 3)
  await whole()
  const server = await cluster.kubectl("config view --minify -o jsonpath='{.clusters[0].cluster.server}'")
  assert.match(server, /^https:\/\/10\.\d+\.\d+\.254:/)
  await eventually('all servers are endpoints', async () => {
    const found = await cluster.kubectl("get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}'")
    return found.split(' ').length === 3
  })
  await cluster.kubectl('create deployment web --image=none --replicas=1')
  const roles = await cluster.kubectl("get nodes -o jsonpath='{.items[*].metadata.labels}'")
  assert.equal(roles.match(/node-role.kubernetes.io\/control-plane/g)?.length, 3)
})

test('a machine outside cannot join members in network namespaces', options, async () => {
  const { code, stderr } = await cluster.kutter('token', 'create', '--for-server')
  assert.equal(code, 2)
  assert.match(stderr, /other machines cannot reach the members of etcd in network namespaces.*node-2 and node-3/)
})

test('the leader and its member may be killed: all goes on, and they catch up', options, async () => {
  await whole()
  const leader = (await holder('kube-controller-manager')).split('_')[0]!
  for (const pid of await pidsOf(leader)) process.kill(pid, 'SIGKILL')
  await scaled(2)
  await whole()
  await eventually('the server is back', async () => (await state()).ready)
})

test('a server that does not come back is replaced by another one', options, async () => {
  await whole()
  const leader = (await holder('kube-controller-manager')).split('_')[0]!
  const pids = await pidsOf(leader)
  // Stopped, they hold their locks, so that the supervisor starts no other ones.
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    await scaled(3)
    await eventually('another leads', async () => (await holder('kube-controller-manager')).split('_')[0] !== leader)
    const { problems } = await state()
    if (leader !== (await machine()))
      assert.match(problems.join(), new RegExp(`the etcd member ${leader} does not answer`))
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
  await whole()
})

test('a server whose network is gone is left out, and comes back', options, async () => {
  await whole()
  const link = (to: string) => run('ip', ['link', 'set', `kt${cluster.tag}-2`, to])
  await link('down')
  try {
    await scaled(4)
    const { members: listed } = await members()
    assert.deepEqual(
      listed.filter(one => !one.answers).map(one => one.name),
      ['node-2'],
    )
  } finally {
    await link('up')
  }
  await whole()
  await scaled(1)
})

test('without a quorum writes are refused with the reason, and reads of what may be old go on', options, async () => {
  await whole()
  await eventually('everything is ready', async () => (await state()).ready)
  const pids = [...(await pidsOf('node-2', ['etcd'])), ...(await pidsOf('node-3', ['etcd']))]
  const first = await machine()
  const at = `--server https://127.0.0.1:${(await cluster.kubectl("config view --minify -o jsonpath='{.clusters[0].cluster.server}'")).split(':').at(-1)}`
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    await eventually('writes are refused', async () => {
      const { code, stderr } = await cluster.tryKubectl(
        `${at} create configmap refused-${Date.now()} --from-literal=a=1`,
      )
      return code !== 0 && /1 of 3 etcd members answers; 2 are needed to write/.test(stderr)
    })
    const old = await cluster.kubectl(`${at} get --raw '/api/v1/nodes?resourceVersion=0'`)
    assert.ok(old.includes(first))
    const ready = await cluster.tryKubectl(`${at} get --raw '/readyz'`)
    assert.match(ready.stderr + ready.stdout, /etcd-members failed/)
    assert.match((await state()).problems.join(), /1 of 3 etcd members answers; 2 are needed/)
    const listed = await members()
    assert.match(listed.problem ?? '', /Silent: node-2, node-3/)
    const refused = await cluster.kutter('member', 'remove', 'node-2')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /no member can be removed while a quorum is lost/)
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
  await whole()
  await scaled(2)
})

test('a supervisor that is killed is replaced, and takes over the members that run', options, async () => {
  const before = await state()
  const etcd = before.processes.filter(one => one.role === 'etcd').map(one => one.pid)
  process.kill(before.processes.find(one => one.role === 'supervisor')!.pid, 'SIGKILL')
  await eventually('a new one has found all', async () => {
    const { ready, processes } = await state()
    return ready && etcd.every(pid => processes.some(one => one.pid === pid))
  })
  process.kill(etcd[1]!, 'SIGKILL')
  await whole()
})

test('a member is removed, and not the one without which too few would be left', options, async () => {
  await whole()
  assert.match((await cluster.kutter('member', 'remove', 'none')).stderr, /has no member none; it has: node-2, node-3/)
  const [pid = 0] = await pidsOf('node-3', ['etcd'])
  process.kill(pid, 'SIGSTOP')
  try {
    await eventually('it is missed', async () => !(await members()).members.find(one => one.name === 'node-3')!.answers)
    // It may have been the leader, without which the others first elect one.
    await eventually('the removal is refused', async () => {
      const { code, stderr } = await cluster.kutter('member', 'remove', 'node-2')
      assert.equal(code, 1)
      return /without node-2, 1 of 2 etcd members would answer, and 2 are needed/.test(stderr)
    })
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await whole()
  const removed = await cluster.kutter('member', 'remove', 'node-2')
  assert.equal(removed.code, 0, removed.stderr)
  assert.deepEqual((await members()).members.map(one => one.name).sort(), ['node-3', await machine()].sort())
  assert.match(await cluster.kubectl('get nodes --no-headers'), /node-2 +Ready/)
  await eventually('the rest is ready', async () => (await state()).ready)
  // With --ha it becomes a server again.
  const again = await cluster.kutter('up', '--ha')
  assert.equal(again.code, 0, again.stderr)
  await whole()
})

test('a cluster that is stopped starts again with all its members', options, async () => {
  assert.equal((await cluster.kutter('down')).code, 0)
  assert.equal(await cluster.traces(), '')
  await cluster.up('--ha')
  await whole()
  assert.match(await cluster.kubectl('get deployments -o name'), /deployment.apps\/web/)
})
