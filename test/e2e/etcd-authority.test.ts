// The authority of a cluster's own etcd is changed with that of the cluster, while clients write: the members start again
// one by one, trust both in between, and only the new one in the end.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { noEtcd } from '../../src/store/etcd/testing.ts'
import { splitBundle } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun || noEtcd }
const cluster = clusterForFile('etcdca', [], ['--ha'])

const pki = (file: string) => readFileSync(`${cluster.dataDir}/etcdca/pki/etcd/${file}`, 'utf8')
const authorities = () => splitBundle(pki('ca.crt'))
const members = async () =>
  (
    JSON.parse((await cluster.kutter('member', 'list', '-o', 'json')).stdout) as {
      members: { name: string; answers: boolean; hasLeader: boolean; clientUrls: string[] }[]
    }
  ).members
const whole = () =>
  eventually('all members answer', async () => {
    const all = await members()
    return all.length === 3 && all.every(one => one.answers && one.hasLeader) && all
  })

const pids = async () =>
  (
    JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as { processes: { role: string; pid: number }[] }
  ).processes
    .filter(one => one.role === 'etcd')
    .map(one => one.pid)
    .sort()

/** Writes until `work` is done, and on a busy machine until a few writes are. Returns the names that were acknowledged. */
async function writing(prefix: string, work: () => Promise<void>): Promise<string[]> {
  const names: string[] = []
  let isDone = false
  const writes = (async () => {
    for (let i = 0; !isDone || (names.length < 4 && i < 20); i++)
      if ((await cluster.tryKubectl(`create configmap ${prefix}-${i} --request-timeout=10s`)).code === 0)
        names.push(`configmap/${prefix}-${i}`)
  })()
  await work().finally(() => (isDone = true))
  await writes
  return names
}

async function areThere(names: readonly string[]): Promise<void> {
  const stored = new Set((await cluster.kubectl('get configmaps -o name')).split('\n'))
  assert.ok(names.length > 3, `${names.length} writes`)
  assert.deepEqual(
    names.filter(name => !stored.has(name)),
    [],
  )
}

/** Repeats an attempt that may come too early. What else is wrong with it is an error at once. */
async function untilFinished(attempt: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await attempt()); tries++) {
    assert.ok(tries < 60, 'the change cannot be finished')
    await realClock.sleep(1000)
  }
}

/** Whether a member lets in who has a certificate. */
const letsIn = (url: string, cert: string, key: string) =>
  new Promise<boolean>(resolve => {
    const { hostname, port } = new URL(url)
    const socket = connect({
      host: hostname,
      port: Number(port),
      cert,
      key,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    })
    // With TLS 1.3 the refusal comes after the handshake; a member that lets in sends the settings of HTTP/2.
    socket.once('data', () => end(true))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
  })

test('members trust both authorities, and then only the new one, and nothing is lost', options, async () => {
  await whole()
  const [first] = authorities()
  const [oldCert, oldKey, before] = [pki('client.crt'), pki('client.key'), await pids()]
  const begun = await writing('begun', async () => {
    const { code, stderr } = await cluster.kutter('certs', 'rotate-ca')
    assert.equal(code, 0, stderr)
  })
  await areThere(begun)
  assert.equal(authorities().length, 2)
  assert.equal(authorities()[1], first)
  const all = await whole()
  const between = await pids()
  assert.deepEqual(
    between.filter(pid => before.includes(pid)),
    [],
    'each member has started again',
  )
  for (const { clientUrls } of all) assert.ok(await letsIn(clientUrls[0]!, oldCert, oldKey), 'the old one is accepted')
  const finished = await writing('finished', async () => {
    // Nodes get their certificates in the seconds after the first step.
    await untilFinished(async () => {
      const { code, stderr } = await cluster.kutter('certs', 'rotate-ca', '--finish')
      if (code !== 0 && /no certificate of the new authority yet/.test(stderr)) return false
      assert.equal(code, 0, stderr)
      return true
    })
  })
  await areThere(finished)
  assert.equal(authorities().length, 1)
  assert.notEqual(authorities()[0], first)
  for (const { clientUrls } of await whole()) {
    assert.ok(!(await letsIn(clientUrls[0]!, oldCert, oldKey)), 'the old one is refused')
    assert.ok(await letsIn(clientUrls[0]!, pki('client.crt'), pki('client.key')), 'the new one is accepted')
  }
})
