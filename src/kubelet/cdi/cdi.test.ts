// Files of the Container Device Interface, and what a container gets with their devices.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cdiParts } from './apply.ts'
import { parseDevice, readSpec } from './spec.ts'

function makeDirs(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'kutter-cdi-'))
  t.after(() => rmSync(root, { recursive: true }))
  const dirs = [join(root, 'etc'), join(root, 'run')]
  for (const dir of dirs) mkdirSync(dir)
  const write = (where: 0 | 1, name: string, content: object | string) =>
    writeFileSync(join(dirs[where]!, name), typeof content === 'string' ? content : JSON.stringify(content))
  const parts = (...devices: string[]) => cdiParts(devices, { nodeDir: '/node', dirs })
  return { root, dirs, write, parts }
}

const spec = (devices: object[], more: object = {}) => ({ cdiVersion: '0.6.0', kind: 'a.io/gpu', devices, ...more })
const device = (name: string, containerEdits: object = { env: [`GPU=${name}`] }) => ({ name, containerEdits })

test('a container gets variables, device files, mounts and groups, those of the file first', async t => {
  const { write, parts } = makeDirs(t)
  const edits = {
    env: ['ALL=yes', 'GPU=none', 'WITH=a=b'],
    mounts: [
      { hostPath: '/var/lib/kubelet/plugins/a', containerPath: '/a', options: ['ro', 'nosuid', 'rslave', 'bind'] },
    ],
    additionalGids: [7],
  }
  const zero = { env: ['GPU=0'], deviceNodes: [{ path: '/dev/gpu0', hostPath: '/dev/null', permissions: 'rw' }] }
  const one = {
    env: ['GPU=1'],
    deviceNodes: [{ path: '/dev/zero' }],
    mounts: [{ hostPath: '/b', containerPath: '/b' }],
  }
  write(1, 'a.json', spec([device('0', zero), device('1', one)], { containerEdits: edits }))
  assert.deepEqual(await parts('a.io/gpu=0', 'a.io/gpu=1', 'a.io/gpu=0'), {
    envs: new Map([
      ['ALL', 'yes'],
      ['GPU', '1'],
      ['WITH', 'a=b'],
    ]),
    mounts: [
      {
        containerPath: '/a',
        hostPath: '/node/plugins/a',
        readonly: true,
        propagation: 'PROPAGATION_HOST_TO_CONTAINER',
      },
      { containerPath: '/b', hostPath: '/b', readonly: false },
    ],
    devices: [
      { containerPath: '/dev/gpu0', hostPath: '/dev/null', permissions: 'rw' },
      { containerPath: '/dev/zero', hostPath: '/dev/zero', permissions: 'rwm' },
    ],
    groups: [7],
  })
})

test('a device of the later directory counts, and one that two files describe is none', async t => {
  const { write, parts } = makeDirs(t)
  write(0, 'a.yaml', 'cdiVersion: 0.5.0\nkind: a.io/gpu\ndevices: [{name: "0", containerEdits: {env: [GPU=old]}}]')
  assert.deepEqual([...(await parts('a.io/gpu=0')).envs], [['GPU', 'old']])
  write(1, 'b.json', spec([device('0')]))
  assert.deepEqual([...(await parts('a.io/gpu=0')).envs], [['GPU', '0']])
  write(1, 'c.json', spec([device('0'), device('1')]))
  await assert.rejects(
    parts('a.io/gpu=0'),
    /^CdiFailure: CDI device injection failed: unresolvable CDI devices a.io\/gpu=0 \(described by 2 files\)$/,
  )
  assert.deepEqual([...(await parts('a.io/gpu=1')).envs], [['GPU', '1']])
})

test('a file that cannot be read takes away its own devices only', async t => {
  const { root, write, dirs, parts } = makeDirs(t)
  write(1, 'good.json', spec([device('0')]))
  write(1, 'broken.json', '{')
  write(1, 'huge.json', ' '.repeat(2 ** 20 + 1))
  write(1, 'ignored.txt', '{')
  execFileSync('mkfifo', [join(dirs[1]!, 'pipe.json')])
  mkdirSync(join(dirs[1]!, 'dir.json'))
  assert.deepEqual([...(await parts('a.io/gpu=0')).envs], [['GPU', '0']])
  await assert.rejects(parts('a.io/gpu=0', 'a.io/gpu=9', 'b.io/x=1'), ({ message }: Error) => {
    assert.match(message, /unresolvable CDI devices a.io\/gpu=9, b.io\/x=1; not read: /)
    return message.includes('broken.json')
  })
  rmSync(root, { recursive: true })
  mkdirSync(root)
  await assert.rejects(parts('a.io/gpu=0'), /unresolvable CDI devices a.io\/gpu=0$/)
})

test('what the runtime cannot give a container is refused in words', async t => {
  const { write, parts } = makeDirs(t)
  const hook = { hookName: 'createContainer', path: '/bin/true' }
  const table: [object, RegExp][] = [
    [{ hooks: [hook] }, /CDI devices a.io\/gpu=0 need hooks, which the container runtime does not support$/],
    [{ hooks: [hook], intelRdt: { closID: 'x' } }, /need hooks and Intel RDT, which/],
    [{ mounts: [{ hostPath: 'tmpfs', containerPath: '/x', type: 'tmpfs' }] }, /unresolvable/],
    [{ mounts: [{ hostPath: '/x', containerPath: '/x', type: 'tmpfs' }] }, /a mount of type tmpfs at \/x is not/],
    [{ deviceNodes: [{ path: '/dev/none' }] }, /the device file \/dev\/none does not exist/],
    [{ deviceNodes: [{ path: '/dev/null', fileMode: 0o600 }] }, /\/dev\/null has another owner or mode than/],
    [{ deviceNodes: [{ path: '/dev/null', uid: 1000 }] }, /\/dev\/null has another owner or mode than/],
  ]
  for (const [edits, why] of table) {
    write(1, 'a.json', spec([device('0', edits)]))
    await assert.rejects(parts('a.io/gpu=0'), why)
  }
  write(1, 'a.json', spec([device('0', { deviceNodes: [{ path: '/dev/null', fileMode: 0o20666, uid: 0, gid: 0 }] })]))
  assert.equal((await parts('a.io/gpu=0')).devices.length, 1)
})

test('names and files that make no sense are errors', () => {
  for (const name of ['', 'a.io/gpu', 'a.io=0', 'a.io/gpu=', 'a.io/gpu=0=1', '../gpu=0', 'a.io/gpu=../0', '/gpu=0'])
    assert.throws(() => parseDevice(name), /invalid CDI device name/, name)
  assert.deepEqual(parseDevice('a.io/gpu=0:1'), { kind: 'a.io/gpu', name: '0:1' })
  for (const file of [
    null,
    [],
    'text',
    {},
    { cdiVersion: '0.6.0' },
    { cdiVersion: '2.0.0', kind: 'a.io/gpu' },
    { cdiVersion: '0.6.0', kind: 'gpu' },
    spec([device('0'), device('0')]),
    { cdiVersion: '0.6.0', kind: 'a.io/gpu', devices: [null] },
    spec([device('a b')]),
    spec([device('0', [])]),
    spec([device('0', { env: ['NOTHING'] })]),
    spec([device('0', { env: [1] })]),
    spec([device('0', { env: 'A=b' })]),
    spec([device('0', { env: Array.from({ length: 2000 }, () => 'A=b') })]),
    spec([device('0', { deviceNodes: [{ path: 'dev/gpu' }] })]),
    spec([device('0', { deviceNodes: [{ path: '/dev/gpu', permissions: 'rx' }] })]),
    spec([device('0', { deviceNodes: [{ path: '/dev/gpu', uid: -1 }] })]),
    spec([device('0', { mounts: [{ hostPath: '/x' }] })]),
    spec([device('0', { mounts: [{ hostPath: '/x\0', containerPath: '/x' }] })]),
  ])
    assert.throws(() => readSpec(file), Error, JSON.stringify(file))
})
