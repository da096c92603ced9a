// Reading the scheduler's configuration: what each field becomes, its default, and the sentence for each mistake. All
// mistakes of a file are reported together.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { apiVersion, defaultConfig, kind, readConfig } from './config.ts'
import { Fields, readFields } from '../api/config-file.ts'
import type { Handle } from './framework.ts'
import { loadSchedulerConfig } from './load-config.ts'

const read = (document: object) => readConfig({ apiVersion, kind, ...document }, 'file', [])
const profile = (document: object) => read({ profiles: [document] }).profiles[0]!

/** The mistakes of a document, without the name of its file. */
function mistakes(document: object): string[] {
  try {
    read(document)
    return []
  } catch (error) {
    return (error as Error).message.split('\n').map(line => line.replace(/^file: /, ''))
  }
}

test('without a file there is one profile of the usual name, with the times of Kubernetes', () => {
  assert.deepEqual(
    defaultConfig.profiles.map(p => [p.schedulerName, p.percentageOfNodesToScore, p.multiPoint]),
    [['default-scheduler', 0, { enabled: [], disabled: [] }]],
  )
  assert.deepEqual([defaultConfig.podInitialBackoffMs, defaultConfig.podMaxBackoffMs], [1000, 10_000])
  assert.deepEqual(defaultConfig.extenders, [])
  assert.deepEqual(defaultConfig.process, {
    kubeconfig: '',
    leaderElection: {
      leaderElect: true,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      resourceName: 'kube-scheduler',
    },
  })
})

test('a file sets back-offs, the share of nodes, the connection and the election', () => {
  const config = read({
    podInitialBackoffSeconds: 2,
    podMaxBackoffSeconds: 30,
    percentageOfNodesToScore: 40,
    parallelism: 8,
    enableProfiling: true,
    clientConnection: { kubeconfig: '/etc/k', qps: 50, burst: 100, contentType: 'application/json' },
    leaderElection: {
      leaderElect: false,
      leaseDuration: '1m',
      renewDeadline: '40s',
      retryPeriod: '300ms',
      resourceName: 'mine',
    },
  })
  assert.deepEqual([config.podInitialBackoffMs, config.podMaxBackoffMs], [2000, 30_000])
  assert.equal(config.profiles[0]!.percentageOfNodesToScore, 40)
  assert.deepEqual(config.process, {
    kubeconfig: '/etc/k',
    leaderElection: {
      leaderElect: false,
      leaseDurationMs: 60_000,
      renewDeadlineMs: 40_000,
      retryPeriodMs: 300,
      resourceName: 'mine',
    },
  })
})

test('a profile has plugins for each point, arguments by plugin, and the share of all profiles unless its own', () => {
  const set = { enabled: [{ name: 'NodeAffinity', weight: 7 }, { name: 'ImageLocality' }], disabled: [{ name: '*' }] }
  const args = { scoringStrategy: { type: 'MostAllocated' } }
  const found = profile({
    schedulerName: 'packed',
    plugins: { score: set, multiPoint: { disabled: [{ name: 'NodePorts', weight: 0 }] } },
    pluginConfig: [{ name: 'NodeResourcesFit', args }],
  })
  assert.equal(found.schedulerName, 'packed')
  assert.deepEqual(found.plugins.score, {
    enabled: [{ name: 'NodeAffinity', weight: 7 }, { name: 'ImageLocality' }],
    disabled: ['*'],
  })
  assert.deepEqual(found.plugins.filter, { enabled: [], disabled: [] })
  assert.deepEqual(found.multiPoint, { enabled: [], disabled: ['NodePorts'] })
  assert.deepEqual([...found.args], [['NodeResourcesFit', args]])
  const shares = read({
    percentageOfNodesToScore: 30,
    profiles: [{ schedulerName: 'a' }, { schedulerName: 'b', percentageOfNodesToScore: 5 }],
  })
  assert.deepEqual(
    shares.profiles.map(p => p.percentageOfNodesToScore),
    [30, 5],
  )
})

test('an extender has its verbs, its time and its certificates', () => {
  const [plain, full] = read({
    extenders: [
      { urlPrefix: 'http://127.0.0.1:1/x', filterVerb: 'filter' },
      {
        urlPrefix: 'https://e/x',
        prioritizeVerb: 'score',
        bindVerb: 'bind',
        preemptVerb: 'preempt',
        weight: 3,
        httpTimeout: '1.5s',
        nodeCacheCapable: true,
        ignorable: true,
        enableHTTPS: true,
        managedResources: [{ name: 'example.com/gpu', ignoredByScheduler: true }, { name: 'example.com/fpga' }],
        tlsConfig: { insecure: true, serverName: 'e', certFile: '/c', keyData: Buffer.from('key').toString('base64') },
      },
    ],
  }).extenders
  assert.deepEqual(plain, {
    urlPrefix: 'http://127.0.0.1:1/x',
    filterVerb: 'filter',
    prioritizeVerb: '',
    preemptVerb: '',
    bindVerb: '',
    weight: 0,
    httpTimeoutMs: 5000,
    nodeCacheCapable: false,
    ignorable: false,
    managedResources: [],
    tls: undefined,
  })
  assert.deepEqual(
    [full!.weight, full!.httpTimeoutMs, full!.nodeCacheCapable, full!.ignorable, full!.managedResources],
    [
      3,
      1500,
      true,
      true,
      [
        { name: 'example.com/gpu', ignoredByScheduler: true },
        { name: 'example.com/fpga', ignoredByScheduler: false },
      ],
    ],
  )
  assert.deepEqual(full!.tls, {
    insecure: true,
    serverName: 'e',
    cert: { file: '/c' },
    key: { data: Buffer.from('key') },
    ca: undefined,
  })
  const [secure] = read({ extenders: [{ urlPrefix: 'https://e', enableHTTPS: true }] }).extenders
  assert.deepEqual(secure!.tls, { insecure: false, serverName: '', cert: undefined, key: undefined, ca: undefined })
})

test('each mistake is one sentence with the path of its field', () => {
  const table: [document: object, mistakes: string[]][] = [
    [{}, []],
    [{ kind: 'Pod' }, [`kind: must be ${kind}`]],
    [{ apiVersion: 'v1' }, [`apiVersion: must be ${apiVersion}`]],
    [{ profile: [] }, ['profile: unknown field']],
    [{ profiles: {} }, ['profiles: must be a list, not {}']],
    [{ profiles: [[]] }, ['profiles[0]: must be an object, not []']],
    [{ profiles: [{ schedulerName: '' }] }, ['profiles[0].schedulerName: is required']],
    [{ profiles: [{}, {}] }, ['profiles[1].schedulerName: "default-scheduler" is taken by another profile']],
    [{ profiles: [{ plugins: { scores: {} } }] }, ['profiles[0].plugins.scores: unknown field']],
    [
      { profiles: [{ plugins: { score: { enabled: [{}, { name: 'Nothing' }, { name: '*' }] } } }] },
      [
        'profiles[0].plugins.score.enabled[0].name: is required',
        'profiles[0].plugins.score.enabled[1].name: there is no plugin "Nothing"',
        'profiles[0].plugins.score.enabled[2].name: there is no plugin "*"',
      ],
    ],
    [
      { profiles: [{ plugins: { score: { enabled: [{ name: 'ImageLocality' }, { name: 'ImageLocality' }] } } }] },
      ['profiles[0].plugins.score.enabled[1].name: plugin ImageLocality is there twice'],
    ],
    [
      { profiles: [{ plugins: { score: { enabled: [{ name: 'ImageLocality', weight: -1 }] } } }] },
      ['profiles[0].plugins.score.enabled[0].weight: must be a whole number from 0 to 2147483647, not -1'],
    ],
    [
      { profiles: [{ pluginConfig: [{ name: 'NodeResourcesFit' }, { name: 'NodeResourcesFit' }] }] },
      ['profiles[0].pluginConfig[1].name: plugin NodeResourcesFit is there twice'],
    ],
    [
      { profiles: [{ pluginConfig: [{ name: 'NodeResourcesFit', args: { kind: 'Other', strategy: {} } }] }] },
      [
        'profiles[0].pluginConfig[0].args.kind: must be NodeResourcesFitArgs',
        'profiles[0].pluginConfig[0].args.strategy: unknown field',
      ],
    ],
    [
      { profiles: [{ pluginConfig: [{ name: 'InterPodAffinity', args: { hardPodAffinityWeight: 101 } }] }] },
      ['profiles[0].pluginConfig[0].args.hardPodAffinityWeight: must be a whole number from 0 to 100, not 101'],
    ],
    [
      { profiles: [{ pluginConfig: [{ name: 'NodeResourcesFit', args: { ignoredResourceGroups: ['a/b'] } }] }] },
      ['profiles[0].pluginConfig[0].args.ignoredResourceGroups: must not contain a slash'],
    ],
    [
      {
        profiles: [
          {
            pluginConfig: [
              { name: 'DefaultPreemption', args: { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 } },
            ],
          },
        ],
      },
      ['profiles[0].pluginConfig[0].args.minCandidateNodesAbsolute: must not be 0 when minCandidateNodesPercentage is'],
    ],
    [{ profiles: [{ pluginConfig: [{}] }] }, ['profiles[0].pluginConfig[0].name: is required']],
    [{ percentageOfNodesToScore: 101 }, ['percentageOfNodesToScore: must be a whole number from 0 to 100, not 101']],
    [{ podInitialBackoffSeconds: 20 }, ['podMaxBackoffSeconds: must not be less than podInitialBackoffSeconds']],
    [
      { podInitialBackoffSeconds: 1.5 },
      ['podInitialBackoffSeconds: must be a whole number from 1 to 2147483647, not 1.5'],
    ],
    [{ leaderElection: { leaderElect: 'yes' } }, ['leaderElection.leaderElect: must be true or false, not "yes"']],
    [
      { leaderElection: { leaseDuration: '10s' } },
      ['leaderElection.renewDeadline: must be shorter than leaseDuration'],
    ],
    [
      { leaderElection: { resourceLock: 'endpoints' } },
      ['leaderElection.resourceLock: must be one of leases, not "endpoints"'],
    ],
    [
      {
        extenders: [
          { urlPrefix: 'http://a', bindVerb: 'b' },
          { urlPrefix: 'http://b', bindVerb: 'b' },
        ],
      },
      ['extenders: only one extender can bind, not 2'],
    ],
    [{ extenders: [{}] }, ['extenders[0].urlPrefix: is required']],
    [
      { extenders: [{ urlPrefix: 'http://a', tlsConfig: { certFile: '/c' } }] },
      ['extenders[0].tlsConfig.keyFile: certificate and key must be set together'],
    ],
    [
      { kind: 'Pod', podMaxBackoffSeconds: 0, more: 1 },
      [
        `kind: must be ${kind}`,
        'podMaxBackoffSeconds: must be a whole number from 1 to 2147483647, not 0',
        'more: unknown field',
      ],
    ],
  ]
  for (const [document, expected] of table) assert.deepEqual(mistakes(document), expected, JSON.stringify(document))
})

test('a value that is wrong counts as one mistake, and reading goes on with the default', () => {
  const problems: string[] = []
  const fields = new Fields({ a: 1, b: 'x', c: {}, d: ['x', 1], e: null }, 'at', problems)
  assert.equal(fields.string('a', 'usual'), 'usual')
  assert.equal(fields.integer('b', { min: 0, max: 9 }, 5), 5)
  assert.equal(fields.boolean('c', true), true)
  assert.deepEqual(fields.strings('d'), ['x'])
  assert.equal(fields.has('e'), false)
  assert.equal(fields.string('e', 'usual'), 'usual')
  fields.end()
  assert.deepEqual(problems, [
    'at.a: must be a string, not 1',
    'at.b: must be a whole number from 0 to 9, not "x"',
    'at.c: must be true or false, not {}',
    'at.d[1]: must be a string, not 1',
  ])
})

test('no more than fifty mistakes are listed, and a long value is cut', () => {
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, 1]))
  assert.equal(mistakes(many).length, 50)
  assert.throws(
    () => readFields({ a: 'x'.repeat(200) }, 'file', fields => fields.boolean('a', true)),
    (error: Error) => error.message.length < 150 && error.message.endsWith('...'),
  )
  assert.throws(
    () => readFields('text', 'file', fields => fields.end()),
    /^StatusError: file: the document: must be an object, not "text"$/,
  )
})

const scratch = mkdtempSync(join(tmpdir(), 'kutter-scheduler-'))
after(() => rmSync(scratch, { recursive: true }))

test('a file that cannot be read, is no YAML or names plugins that cannot be loaded is refused by its name', async () => {
  const fileOf = (name: string, text: string) => {
    const path = join(scratch, name)
    writeFileSync(path, text)
    return path
  }
  const head = `apiVersion: ${apiVersion}\nkind: ${kind}\n`
  const naming = (plugins: string) => `${head}kutter: { plugins: ${plugins} }\n`
  fileOf('empty.mjs', 'export const plugins = []\n')
  fileOf('nameless.mjs', 'export const plugins = [{}]\n')
  fileOf('throws.mjs', 'throw new Error("no")\n')
  fileOf('fine.mjs', 'export const plugins = [{ name: "Mine", score: () => 1 }]\n')
  const table: [name: string, text: string, error: RegExp][] = [
    ['broken.yaml', 'a: [', /broken\.yaml is not YAML: /],
    ['list.yaml', naming('5'), /list\.yaml: kutter\.plugins: must be a list of files/],
    ['number.yaml', naming('[5]'), /number\.yaml: kutter\.plugins\[0\]: must be the path of a file/],
    ['none.yaml', naming('[none.mjs]'), /none\.yaml: kutter\.plugins\[0\]: .*none\.mjs cannot be loaded: /],
    [
      'throws.yaml',
      naming('[fine.mjs, throws.mjs]'),
      /throws\.yaml: kutter\.plugins\[1\]: .*throws\.mjs cannot be loaded: no/,
    ],
    ['empty.yaml', naming('[empty.mjs]'), /empty\.mjs must export a list named plugins/],
    ['nameless.yaml', naming('[nameless.mjs]'), /nameless\.mjs exports something in plugins that has no name/],
  ]
  for (const [name, text, error] of table) await assert.rejects(loadSchedulerConfig(fileOf(name, text)), error, name)
  await assert.rejects(loadSchedulerConfig(join(scratch, 'absent.yaml')), /absent\.yaml cannot be read: /)
  const enabled = `${naming('[fine.mjs]')}profiles: [{ plugins: { score: { enabled: [{ name: Mine }] } } }]\n`
  const config = await loadSchedulerConfig(fileOf('fine.yaml', enabled))
  assert.deepEqual(
    config.makers.map(m => m.name),
    ['Mine'],
  )
  const [maker] = config.makers
  const made = maker!.read(new Fields({}))({} as Handle)
  assert.deepEqual([made.weight, made.wakeOn], [1, []])
})
