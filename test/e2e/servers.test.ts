// Two servers of one cluster on two machines, with their objects in an etcd: the second joins by a token, both serve the
// same, and when one ends the other goes on with everything.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type EtcdCluster, noEtcd, startEtcd } from '../../src/store/etcd/testing.ts'
import { cannotRun, eventually, run, TestCluster } from './cluster.ts'
import { Machine } from './machine.ts'

const options = { skip: cannotRun || noEtcd }
const cluster = new TestCluster('servers')
const machine = new Machine(cluster, 'further')
const [here, there] = ['198.18.7.1', '198.18.7.2']
let etcd: EtcdCluster
let server = ''

const portOf = () =>
  (JSON.parse(readFileSync(`${cluster.dataDir}/servers/cluster.json`, 'utf8')) as { port: number }).port
/** kubectl at the second server. */
const atSecond = (args: string, stdin?: string) =>
  run('nsenter', [`--net=/run/netns/${machine.namespace}`, '--', 'bash', '-c', `exec kubectl ${args}`], {
    env: { ...cluster.env, KUBECONFIG: `${cluster.dataDir}/further/kubeconfig` },
    ...(stdin !== undefined && { stdin }),
  })
const join = (token: string) => machine.kutter('server', '--join', server, '--token', token, '--node-name', 'further')

before(async () => {
  if (options.skip) return
  await machine.kutter('down', '--purge')
  await cluster.down()
  await run('bash', ['-c', `ip netns delete ${machine.namespace}; ip link delete ksrv0; true`])
  const made = await run('bash', [
    '-ec',
    `ip netns add ${machine.namespace}
     ip link add ksrv0 type veth peer name eth0 netns ${machine.namespace}
     ip address add ${here}/24 dev ksrv0
     ip link set ksrv0 up
     ip -n ${machine.namespace} link set lo up
     ip -n ${machine.namespace} address add ${there}/24 dev eth0
     ip -n ${machine.namespace} link set eth0 up
     ip -n ${machine.namespace} route add default via ${here}`,
  ])
  assert.equal(made.code, 0, made.stderr)
  etcd = await startEtcd(1, [], here)
})
after(async () => {
  if (options.skip) return
  await machine.remove()
  await cluster.down()
  etcd.stop()
  await run('ip', ['link', 'delete', 'ksrv0'])
})

test('a cluster whose store only one machine has takes no further server', options, async () => {
  await cluster.up()
  const refused = await cluster.kutter('token', 'create', '--for-server')
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /only this machine has the store.*kutter store migrate --to etcd/)
  assert.equal((await cluster.kutter('down')).code, 0)
  const moved = await cluster.kutter('store', 'migrate', '--to', `etcd://${etcd.endpoints.join(',')}`)
  assert.equal(moved.code, 0, moved.stderr)
  await cluster.up()
  server = `https://${here}:${portOf()}`
})

test('a machine that cannot join has nothing of a cluster afterwards', options, async () => {
  const forNode = (await cluster.kutter('token', 'create')).stdout.trim()
  const forServer = (await cluster.kutter('token', 'create', '--for-server')).stdout.trim()
  const other = `${forServer.slice(0, -10)}AAAAAAAAAA`
  const cases: [string, RegExp][] = [
    [forNode, /is no token for a server/],
    [`${forNode}+${forServer.split('+')[1]}`, /does not accept the token .* for a server/],
    [other, /cannot be decrypted/],
    [forServer.replace(/sha256:..../, 'sha256:0000'), /is not the one the token was made for/],
  ]
  for (const [token, message] of cases) {
    const { code, stderr } = await join(token)
    assert.notEqual(code, 0)
    assert.match(stderr, message)
    for (const file of ['cluster.json', 'pki'])
      assert.ok(!existsSync(`${cluster.dataDir}/further/${file}`), `${file} after ${message}`)
  }
})

test('a second server joins by a token, and serves the same objects with the same revisions', options, async () => {
  const token = (await cluster.kutter('token', 'create', '--for-server')).stdout.trim()
  const { code, stdout, stderr } = await join(token)
  assert.equal(code, 0, stdout + stderr)
  assert.match(await cluster.kubectl('get nodes --no-headers'), /further +Ready/)
  await cluster.kubectl('create configmap one --from-literal=a=1')
  const version = "-o jsonpath='{.metadata.resourceVersion}'"
  assert.equal(
    (await atSecond(`get configmap one ${version}`)).stdout,
    await cluster.kubectl(`get configmap one ${version}`),
  )
  await atSecond('create configmap two --from-literal=a=1')
  assert.match(await cluster.kubectl('get configmaps -o name'), /configmap\/one\n.*configmap\/two/s)
  const endpoints = () => cluster.kubectl("get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}'")
  await eventually('both are endpoints', async () => (await endpoints()).split(' ').length === 2)
  const again = await join(token)
  assert.match(again.stderr, /there is a cluster further in .* already/)
})

test('keys that change at one server change at the other one, too', options, async () => {
  const pkiOf = (name: string, file: string) => readFileSync(`${cluster.dataDir}/${name}/pki/${file}`, 'utf8')
  const token = JSON.parse(
    await cluster.kubectl(
      'create --raw /api/v1/namespaces/default/serviceaccounts/default/token -f -',
      JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
    ),
  ) as { status: { token: string } }
  const rotated = await cluster.kutter('certs', 'rotate-sa-key')
  assert.equal(rotated.code, 0, rotated.stderr)
  await eventually('the second has the key', async () => pkiOf('further', 'sa.key') === pkiOf('servers', 'sa.key'))
  const whoami = (at: string) =>
    machine.run('curl', '-sk', '-H', `Authorization: Bearer ${token.status.token}`, `https://${at}:${portOf()}/apis`)
  for (const at of [here, there])
    await eventually(`${at} takes the token of the key before`, async () =>
      /APIGroupList/.test((await whoami(at)).stdout),
    )
  const authority = await cluster.kutter('certs', 'rotate-ca')
  assert.equal(authority.code, 0, authority.stderr)
  await eventually(
    'the second has the authority',
    async () => pkiOf('further', 'ca.crt') === pkiOf('servers', 'ca.crt'),
  )
  await eventually('all nodes have certificates of it', async () => {
    const { code, stderr } = await cluster.kutter('certs', 'rotate-ca', '--finish')
    if (code === 0) return true
    throw new Error(stderr)
  })
  await eventually('the second accepts no other', async () => pkiOf('further', 'ca.crt') === pkiOf('servers', 'ca.crt'))
  await eventually('both serve, with clients of the new authority', async () => {
    const nodes = await cluster.tryKubectl('get nodes --no-headers')
    const seen = await machine.run(
      'kubectl',
      '--kubeconfig',
      `${cluster.dataDir}/servers/kubeconfig`,
      '--server',
      `https://${there}:${portOf()}`,
      'get',
      'nodes',
      '--no-headers',
    )
    return [nodes, seen].every(({ stdout }) => stdout.split(' Ready ').length === 3)
  })
})

test('a node whose server is gone goes on with the other one', options, async () => {
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; pid: number }[]
  }
  const pidOf = (role: string) => processes.find(process => process.role === role)!.pid
  const node = (await cluster.kubectl('get nodes -o name')).split('\n').find(name => !name.includes('further'))!
  const renewed = async () =>
    (await atSecond(`get lease ${node.slice('node/'.length)} -n kube-node-lease -o jsonpath={.spec.renewTime}`)).stdout
  // The supervisor hangs, so that nothing starts the server again.
  process.kill(pidOf('supervisor'), 'SIGSTOP')
  try {
    process.kill(pidOf('server'), 'SIGKILL')
    const before = await renewed()
    await eventually('its Lease is renewed', async () => (await renewed()) !== before)
    assert.match((await atSecond(`get ${node} --no-headers`)).stdout, / Ready /)
  } finally {
    process.kill(pidOf('supervisor'), 'SIGCONT')
  }
  await eventually('the server is back', async () => (await cluster.tryKubectl('get nodes')).code === 0)
})

test('when one server ends, the other goes on with all that it did', options, async () => {
  const holder = async () =>
    (await atSecond('get lease kube-controller-manager -n kube-system -o jsonpath={.spec.holderIdentity}')).stdout
  assert.equal((await cluster.kutter('down')).code, 0)
  const made = await atSecond('create deployment later --image=none')
  assert.equal(made.code, 0, made.stderr)
  await eventually('a pod is made and has a node', async () => {
    const { stdout } = await atSecond("get pods -l app=later -o jsonpath='{.items[*].spec.nodeName}'")
    return stdout !== ''
  })
  // It may have been the leader before.
  assert.match(await holder(), /^further_/)
  await eventually('one endpoint is left', async () => {
    const { stdout } = await atSecond("get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}'")
    return stdout === there
  })
  await cluster.up()
  assert.match(await cluster.kubectl('get deployments -o name'), /deployment.apps\/later/)
})
