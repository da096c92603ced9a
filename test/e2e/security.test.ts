// How a cluster is guarded by default, by the checks of the CIS benchmark, and its encryption at rest and audit with files.
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { cannotRun, eventually, run, TestCluster } from './cluster.ts'
import { checks, type Proof, proofs } from './cis.ts'

const cluster = new TestCluster('security')
const dir = join(cluster.dataDir, cluster.name)
const files = join(cluster.dataDir, `${cluster.name}-files`)
const encryption = join(files, 'encryption.yaml')
const auditLog = join(dir, 'logs', 'audit.log')

interface Answer {
  code: number
  text: string
}

/** Asks a server of the cluster, whose certificate is not looked at here. */
function ask(port: number, path: string, token?: string): Promise<Answer> {
  const headers = token ? { authorization: `Bearer ${token}` } : {}
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, headers, rejectUnauthorized: false, agent: false },
      answer => {
        let text = ''
        answer.on('data', chunk => (text += chunk))
        answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text }))
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

const config = () =>
  JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as { port: number; kubeletPort: number; nodeName: string }

/** The files and directories of a cluster with their modes, without what containers have. */
function* entries(of: string): Iterable<{ path: string; mode: number; uid: number; isDirectory: boolean }> {
  for (const name of readdirSync(of)) {
    const path = join(of, name)
    const stat = lstatSync(path)
    if (stat.isSymbolicLink() || stat.isSocket()) continue
    yield { path, mode: stat.mode & 0o777, uid: stat.uid, isDirectory: stat.isDirectory() }
    if (stat.isDirectory() && !['containerd', 'pods', 'images', 'run', 'debs'].includes(name)) yield* entries(path)
  }
}

const jane = '--as jane --as-group system:authenticated'
const can = async (what: string, who: string) => (await cluster.tryKubectl(`auth can-i ${what} ${who}`)).stdout.trim()

const carryOut: Readonly<Record<Proof, () => Promise<void>>> = {
  async modes() {
    assert.equal(lstatSync(dir).mode & 0o777, 0o700)
    for (const name of ['pki', 'store', 'logs']) assert.equal(lstatSync(join(dir, name)).mode & 0o777, 0o700, name)
    const secret = /\.(key|crt|kubeconfig|log|conflist)$|\/(kubeconfig|cluster\.json)$|\/store\//
    const found = [...entries(dir)].filter(({ path, isDirectory }) => !isDirectory && secret.test(path))
    assert.ok(found.length > 15, `only ${found.length} files were found`)
    assert.deepEqual(
      found
        .filter(({ mode, uid }) => (mode & 0o077) !== 0 || uid !== 0)
        .map(({ path, mode }) => `${path} ${mode.toString(8)}`),
      [],
    )
  },
  async anonymous() {
    const { port } = config()
    for (const path of ['/healthz', '/livez', '/readyz', '/version'])
      assert.equal((await ask(port, path)).code, 200, path)
    for (const path of [
      '/',
      '/api',
      '/api/v1/namespaces',
      '/metrics',
      '/openapi/v2',
      '/apis',
      '/logs/',
      '/debug/pprof/',
    ])
      assert.equal((await ask(port, path)).code, 403, path)
    assert.equal((await ask(port, '/api/v1/namespaces', 'no-token')).code, 401)
  },
  async kubelet() {
    const { kubeletPort } = config()
    for (const path of ['/pods', '/metrics', '/exec/a/b/c', '/healthz']) {
      const { code } = await ask(kubeletPort, path)
      assert.ok(code === 401 || code === 403, `${path} is answered with ${code}`)
    }
    const token = (await cluster.kubectl('create token default')).trim()
    assert.equal((await ask(kubeletPort, '/pods', token)).code, 403)
    assert.equal(await listens(10255), false)
    const node = config().nodeName
    assert.match(await cluster.kubectl(`get --raw /api/v1/nodes/${node}/proxy/healthz`), /ok/)
    const configz = await cluster.kubectl(`get --raw /api/v1/nodes/${node}/proxy/configz`)
    assert.match(configz, /"streamingConnectionIdleTimeout":"4h0m0s"/)
  },
  async authorized() {
    for (const what of ['get secrets', 'create pods', 'list nodes', '"*" "*"'])
      assert.equal(await can(what, jane), 'no', what)
    const node = '--as system:node:other --as-group system:nodes --as-group system:authenticated'
    assert.match(await can('list secrets', node), /^no\b/)
    const refused = await cluster.tryKubectl(`label node ${config().nodeName} a=b ${node}`)
    assert.match(refused.stderr, /is not allowed to modify node|forbidden/)
  },
  async admission() {
    const pod = await cluster.kubectl(
      'run probe --image=none --dry-run=server -o jsonpath={.spec.serviceAccountName},{.spec.volumes[0].name}',
    )
    assert.match(pod, /^default,kube-api-access-/)
    assert.match(
      (await cluster.tryKubectl('run probe --image=none -n nowhere')).stderr,
      /namespaces "nowhere" not found/,
    )
    const metrics = await cluster.kubectl('get --raw /metrics')
    assert.ok(!/AlwaysAdmit/.test(metrics))
  },
  async profiling() {
    for (const path of ['/debug/pprof/', '/debug/pprof/heap', '/debug/flags/v'])
      assert.match((await cluster.tryKubectl(`get --raw ${path}`)).stderr, /NotFound|could not find/, path)
  },
  async audit() {
    await cluster.kubectl('create configmap audited --from-literal=a=b')
    await cluster.tryKubectl(`get secrets ${jane}`)
    const events = await eventually('the requests are in the audit log', async () => {
      const all = auditEvents()
      return all.some(({ verb, impersonatedUser }) => verb === 'list' && impersonatedUser?.username === 'jane') && all
    })
    const created = events.find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'audited')
    assert.equal(created?.responseStatus?.code, 201)
    assert.ok(events.some(({ user }) => user.username.startsWith('system:serviceaccount:kube-system:')))
    assert.ok(events.some(({ annotations }) => annotations?.['authorization.k8s.io/decision'] === 'forbid'))
  },
  async lookup() {
    const { port } = config()
    await cluster.kubectl('create serviceaccount brief')
    const token = (await cluster.kubectl('create token brief')).trim()
    const { exp, iat } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as {
      exp: number
      iat: number
    }
    assert.ok(exp - iat <= 3600)
    assert.equal((await ask(port, '/api', token)).code, 200)
    await cluster.kubectl('delete serviceaccount brief')
    assert.equal((await ask(port, '/api', token)).code, 401)
  },
  async tls() {
    const { port, kubeletPort } = config()
    const ca = readFileSync(join(dir, 'pki', 'ca.crt'))
    for (const each of [port, kubeletPort]) {
      assert.equal(
        await handshake(each, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }),
        false,
      )
      assert.equal(await handshake(each, { ciphers: 'DES-CBC3-SHA:RC4-SHA:NULL', maxVersion: 'TLSv1.2' }), false)
      assert.equal(await handshake(each, { ca, rejectUnauthorized: true, checkServerIdentity: () => undefined }), true)
    }
  },
  async encrypted() {
    await cluster.kubectl('create secret generic sealed --from-literal=word=swordfish-at-rest')
    const stored = storeBytes()
    assert.ok(stored.includes('k8s:enc:'))
    assert.ok(
      !stored.includes('swordfish-at-rest') && !stored.includes(Buffer.from('swordfish-at-rest').toString('base64')),
    )
    assert.match(await cluster.kubectl('get secret sealed -o jsonpath={.data.word}'), /^c3dvcmRmaXNo/)
  },
  async ports() {
    const { stdout } = await run('ss', ['-Hltnp'])
    const own = new Set((await cluster.traces()).match(/^\d+/gm) ?? [])
    const open = stdout.split('\n').flatMap(line => {
      const [, , , local = ''] = line.split(/\s+/)
      const isOwn = [...line.matchAll(/pid=(\d+)/g)].some(([, pid]) => own.has(pid!))
      return isOwn && !/^(127\.|\[::1\])/.test(local) ? [Number(local.split(':').at(-1))] : []
    })
    const { port, kubeletPort } = config()
    assert.ok(open.includes(port) && open.includes(kubeletPort), `only ${open.join(', ')}`)
    // Metrics and health of scheduler, controllers and proxy have ports of their own in Kubernetes.
    for (const refused of [10257, 10259, 10249, 10255]) assert.ok(!open.includes(refused), String(refused))
  },
  async pods() {
    const node = await cluster.kubectl(`get --raw /api/v1/nodes/${config().nodeName}/proxy/configz`)
    const { kubeletconfig } = JSON.parse(node) as { kubeletconfig: { seccompDefault?: boolean; podPidsLimit?: number } }
    assert.equal(kubeletconfig.seccompDefault, true)
    assert.ok((kubeletconfig.podPidsLimit ?? -1) > 0)
  },
  async roles() {
    for (const what of [
      'create clusterrolebindings',
      'impersonate users',
      'create pods',
      'create serviceaccounts/token',
    ])
      assert.equal(await can(what, '--as system:serviceaccount:default:default'), 'no', what)
    for (const what of ['create persistentvolumes', 'get nodes/proxy', 'update validatingwebhookconfigurations'])
      assert.equal(await can(what, jane), 'no', what)
    const bindings = JSON.parse(await cluster.kubectl('get clusterrolebindings -o json')) as {
      items: { roleRef: { name: string }; subjects?: { name: string }[] }[]
    }
    const admins = bindings.items.filter(({ roleRef }) => roleRef.name === 'cluster-admin')
    assert.deepEqual(
      admins.flatMap(({ subjects = [] }) => subjects.map(({ name }) => name)),
      ['system:masters'],
    )
  },
  async standards() {
    await cluster.kubectl('create namespace strict')
    await cluster.kubectl('label namespace strict pod-security.kubernetes.io/enforce=restricted')
    const spec = (more: object) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bad', namespace: 'strict' },
      spec: { containers: [{ name: 'c', image: 'none' }], ...more },
    })
    const bad = [
      {},
      { hostPID: true },
      { hostNetwork: true },
      { hostIPC: true },
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      { containers: [{ name: 'c', image: 'none', securityContext: { privileged: true } }] },
    ]
    for (const more of bad) {
      const { stderr } = await cluster.tryKubectl('create -f -', JSON.stringify(spec(more)))
      assert.match(stderr, /violates PodSecurity "restricted:latest"/, JSON.stringify(more))
    }
  },
}

interface AuditEvent {
  verb: string
  user: { username: string }
  impersonatedUser?: { username: string }
  objectRef?: { name?: string }
  responseStatus?: { code: number }
  annotations?: Record<string, string>
}

const auditEvents = (): AuditEvent[] =>
  readFileSync(auditLog, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as AuditEvent)

const storeBytes = (): string =>
  readdirSync(join(dir, 'store'))
    .map(name => readFileSync(join(dir, 'store', name), 'latin1'))
    .join('')

const listens = (port: number) =>
  new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)))
    socket.on('error', () => resolve(false))
  })

const handshake = (port: number, options: object) =>
  new Promise<boolean>(resolve => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const keyOf = (name: string, fill: string) => `{ name: ${name}, secret: ${Buffer.alloc(32, fill).toString('base64')} }`
const writeRules = (...providers: string[]) =>
  writeFileSync(
    encryption,
    `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets, configmaps]\n  providers: [${providers.join(', ')}]\n`,
  )

describe('the security of a cluster', { skip: cannotRun }, () => {
  before(async () => {
    await cluster.down()
    mkdirSync(files, { recursive: true, mode: 0o700 })
    await cluster.up('--profiling=false')
  })
  after(async () => {
    const { code, stdout, stderr } = await cluster.down()
    rmSync(files, { recursive: true, force: true })
    if (existsSync(cluster.dataDir) && !readdirSync(cluster.dataDir).length)
      rmSync(cluster.dataDir, { recursive: true })
    if (code !== 0) throw new Error(`kutter down: ${stdout}${stderr}`)
  })

  test('every check of the CIS benchmark 1.12 has a proof or a reason', () => {
    assert.equal(Object.keys(checks).length, 131)
    const used = new Set(Object.values(checks).flatMap(row => ('by' in row ? [row.by] : [])))
    assert.deepEqual([...used].sort(), Object.keys(proofs).sort())
  })

  for (const proof of Object.keys(proofs) as Proof[]) {
    const ids = Object.entries(checks).flatMap(([id, row]) => ('by' in row && row.by === proof ? [id] : []))
    test(`${proofs[proof]} (CIS ${ids.join(', ')})`, () => carryOut[proof]())
  }

  test('keys of a file are changed while the server runs, and all Secrets follow', async () => {
    const cbc = `{ aescbc: { keys: [${keyOf('one', 'a')}] } }`
    const gcm = `{ aesgcm: { keys: [${keyOf('two', 'b')}] } }`
    await cluster.kubectl('create secret generic kept --from-literal=word=swordfish')
    writeRules(cbc, '{ identity: {} }')
    await cluster.kutter('down')
    await cluster.up('--encryption-provider-config', encryption, '--encryption-provider-config-automatic-reload')
    const word = () => cluster.kubectl('get secret kept -o jsonpath={.data.word}')
    const expected = Buffer.from('swordfish').toString('base64')
    assert.equal(await word(), expected)
    assert.match(
      (await cluster.kutter('secrets', 'reencrypt')).stdout,
      /^([1-9]\d*) of \1 Secrets were encrypted again/,
    )
    assert.match((await cluster.kutter('secrets', 'reencrypt')).stdout, /^0 of/)
    assert.ok(storeBytes().includes('k8s:enc:aescbc:v1:one:'))
    await cluster.kubectl('create configmap mapped --from-literal=a=visible-at-rest')
    assert.ok(!storeBytes().includes('visible-at-rest'))
    writeRules(gcm, cbc, '{ identity: {} }')
    // The file may be read again in the middle of a run, after which some Secrets are left for the next one.
    let changed = 0
    await eventually('the new key is used for all', async () => {
      const now = Number.parseInt((await cluster.kutter('secrets', 'reencrypt')).stdout)
      changed += now
      return now === 0 && changed > 0
    })
    assert.ok(storeBytes().includes('k8s:enc:aesgcm:v1:two:'))
    // A file with a mistake changes nothing.
    writeFileSync(encryption, 'kind: Nothing')
    await eventually('the mistake is logged', async () =>
      /EncryptionConfiguration/.test(readFileSync(join(dir, 'logs', 'server.log'), 'utf8')),
    )
    assert.equal(await word(), expected)
    // Without its key a Secret is left out, and its name answers with the reason.
    writeRules(`{ aesgcm: { keys: [${keyOf('three', 'c')}] } }`, '{ identity: {} }')
    await cluster.kutter('down')
    await cluster.up()
    assert.match((await cluster.tryKubectl('get secret kept')).stderr, /InternalError.*no matching key was found/)
    assert.match(await cluster.kubectl('get secrets -A'), /NAMESPACE|No resources|^$/)
    writeRules(gcm, cbc, '{ identity: {} }')
    await cluster.kutter('down')
    await cluster.up()
    assert.equal(await word(), expected)
  })

  test('a changed audit policy takes effect while the server runs, and one with mistakes does not', async () => {
    const file = join(files, 'audit.json')
    const writePolicy = (...rules: object[]) =>
      writeFileSync(file, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }))
    writePolicy({ level: 'None' })
    await cluster.kutter('down')
    await cluster.up('--audit-policy-file', file)
    const isAudited = async (name: string) => {
      await cluster.kubectl(`create configmap ${name}`)
      return auditEvents().some(({ objectRef }) => objectRef?.name === name)
    }
    assert.equal(await isAudited('before'), false)
    writePolicy({ level: 'Metadata', resources: [{ group: '', resources: ['configmaps'] }] })
    let attempts = 0
    await eventually('the new policy counts', () => isAudited(`after-${attempts++}`))
    writePolicy({ level: 'Everything' })
    const failures = /kutter_audit_policy_automatic_reloads_total\{.*status="failure"\} 1/
    await eventually('the mistake is counted', async () => failures.test(await cluster.kubectl('get --raw /metrics')))
    assert.match(readFileSync(join(dir, 'logs', 'server.log'), 'utf8'), /rules\[0\]\.level/)
    await eventually('the policy before counts', () => isAudited(`still-${attempts++}`))
  })
})
