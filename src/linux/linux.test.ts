// The room against the real kernel. Each test uses directories, groups and namespaces of its own, and removes them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isReason } from '../base/errors.ts'
import { makeLog } from '../base/log.ts'
import {
  cpuWeightOf,
  findCgroups,
  hasLink,
  makeIp,
  makeNft,
  openBeneath,
  parseMountinfo,
  realMounts,
  run,
  setKernel,
} from './index.ts'
import { shortLayers } from './mount.ts'

const needsRoot = process.getuid?.() === 0 ? false : 'needs root'

test('run returns exit code and output', async () => {
  assert.deepEqual(await run('cat', [], { stdin: 'hello' }), { code: 0, stdout: 'hello', stderr: '' })
  const result = await run('sh', ['-c', 'echo no >&2; exit 3'], { accept: 'any' })
  assert.deepEqual(result, { code: 3, stdout: '', stderr: 'no\n' })
})

test('an error of run names the program and has its message', async () => {
  await assert.rejects(
    run('sh', ['-c', 'echo; echo bad thing >&2; exit 3']),
    /^StatusError: sh -c: exit code 3: bad thing$/,
  )
  await assert.rejects(run('no-such-program', []), /no-such-program: program not found/)
  await assert.rejects(run('sleep', ['60'], { timeoutMs: 20 }), error => isReason(error, 'Timeout'))
  await assert.rejects(run('yes', [], { maxOutputBytes: 1000 }), /yes: wrote more than 1000 bytes/)
  await assert.rejects(run('sh', ['-c', 'kill -TERM $$']), /ended by SIGTERM/)
  const abort = new AbortController()
  const running = run('sleep', ['60'], { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
})

test('a kernel setting is written only if it has another value, and a failure is logged', async t => {
  const root = await mkdtemp(join(tmpdir(), 'kutter-sysctl-'))
  t.after(() => rm(root, { recursive: true }))
  const file = join(root, 'setting')
  const warnings: unknown[] = []
  const log = makeLog(line => warnings.push(JSON.parse(line)), 'info')
  await writeFile(file, '0\n')
  await setKernel('setting', '1', log, root)
  assert.equal(await readFile(file, 'utf8'), '1')
  const old = new Date(1000)
  await utimes(file, old, old)
  await setKernel('setting', '1', log, root)
  assert.equal((await stat(file)).mtimeMs, 1000)
  assert.deepEqual(warnings, [])
  await setKernel('no/such', '1', log, root)
  assert.equal(warnings.length, 1)
})

test('mountinfo is parsed with escapes and optional fields', () => {
  const [mount] = parseMountinfo('36 35 98:0 /a /mnt\\040x rw,noatime master:1 shared:2 - ext3 /dev/root rw,size=5k\n')
  assert.deepEqual(mount, {
    id: 36,
    parent: 35,
    root: '/a',
    point: '/mnt x',
    options: ['rw', 'noatime'],
    isShared: true,
    type: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'size=5k'],
  })
})

async function inTemp(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-linux-'))
  try {
    await work(dir)
  } finally {
    if (!needsRoot) await realMounts.unmountAll(dir)
    await rm(dir, { recursive: true, force: true })
  }
}

test('many layers are given relative to their common directory', () => {
  const table: [layers: string, short: string, dir: string | undefined][] = [
    ['/a/b/1/fs:/a/b/2/fs', '1/fs:2/fs', '/a/b'],
    ['/a/b/fs:/a/bc/fs', 'b/fs:bc/fs', '/a'],
    ['/a/fs:/b/fs', 'a/fs:b/fs', '/'],
    ['/a/b/1/fs', '/a/b/1/fs', undefined],
    ['1/fs:2/fs', '1/fs:2/fs', undefined],
  ]
  for (const [layers, short, dir] of table)
    assert.deepEqual(shortLayers(['index=off', `lowerdir=${layers}`, 'ro']), {
      options: ['index=off', `lowerdir=${short}`, 'ro'],
      ...(dir !== undefined && { dir }),
    })
  assert.deepEqual(shortLayers(['ro']), { options: ['ro'] })
})

test('an overlay can have more layers than fit a page of options', { skip: needsRoot }, () =>
  inTemp(async dir => {
    const layers: string[] = []
    for (let i = 0; i < 60; i++) {
      const layer = join(
        dir,
        'a-directory-whose-name-takes-many-bytes-of-the-page-that-the-kernel-reads',
        String(i),
        'fs',
      )
      await mkdir(layer, { recursive: true })
      await writeFile(join(layer, `file-${i}`), String(i))
      await writeFile(join(layer, 'all'), String(i))
      layers.push(layer)
    }
    const target = join(dir, 'whole')
    await mkdir(target)
    await realMounts.mount('overlay', 'overlay', target, [`lowerdir=${layers.join(':')}`, 'ro'])
    assert.equal(await readFile(join(target, 'file-59'), 'utf8'), '59')
    assert.equal(await readFile(join(target, 'all'), 'utf8'), '0')
    assert.ok((await realMounts.at(target))?.options.includes('ro'))
    await assert.rejects(writeFile(join(target, 'new'), ''), /EROFS/)
    await realMounts.unmountAll(target)
    assert.equal(await realMounts.at(target), undefined)
  }),
)

test('bind mounts and tmpfs are mounted and unmounted', { skip: needsRoot }, () =>
  inTemp(async dir => {
    for (const name of ['source', 'target', 'memory']) await mkdir(join(dir, name))
    await writeFile(join(dir, 'source/file'), 'x')
    await realMounts.bind(join(dir, 'source'), join(dir, 'target'), { readOnly: true })
    assert.equal(await readFile(join(dir, 'target/file'), 'utf8'), 'x')
    await assert.rejects(writeFile(join(dir, 'target/file'), 'y'), { code: 'EROFS' })
    await realMounts.tmpfs(join(dir, 'memory'), { sizeBytes: 65536, mode: 0o700 })
    await mkdir(join(dir, 'memory/inner'))
    await realMounts.tmpfs(join(dir, 'memory/inner'))
    assert.equal((await stat(join(dir, 'memory'))).mode & 0o7777, 0o700)
    assert.ok(await realMounts.isMounted(join(dir, 'memory')))
    await realMounts.unmountAll(dir)
    assert.ok(!(await realMounts.list()).some(m => m.point.startsWith(dir)))
    await assert.rejects(realMounts.unmountAll('/'), /refused/)
  }),
)

test('a shared directory is on a shared mount, also when it is shared again', { skip: needsRoot }, () =>
  inTemp(async dir => {
    const node = join(dir, 'node')
    await mkdir(node)
    // A mount that is not shared, as the root of a container may be.
    await realMounts.bind(dir, dir, { propagation: 'private' })
    await realMounts.share(node)
    assert.equal((await realMounts.at(node))?.isShared, true)
    const count = (await realMounts.list()).length
    await realMounts.share(node)
    assert.equal((await realMounts.list()).length, count)
    await mkdir(join(node, 'pods'))
    await realMounts.share(join(node, 'pods'))
    assert.equal(await realMounts.at(join(node, 'pods')), undefined)
  }),
)

test('a path beneath a root never leads outside', () =>
  inTemp(async dir => {
    const root = join(dir, 'root')
    await mkdir(join(root, 'a/b'), { recursive: true })
    await writeFile(join(dir, 'secret'), 'no')
    await writeFile(join(root, 'a/b/file'), 'yes')
    for (const [name, target] of [
      ['a/out', '../../secret'],
      ['a/abs', '/etc'],
      ['a/loop', 'loop'],
      ['a/in', '../a/b'],
      ['a/absin', join(root, 'a/b')],
    ] as const)
      await symlink(target, join(root, name))
    for (const path of ['a/b/file', 'a/in/file', 'a/absin/file', 'a/./b/../b/file']) {
      const found = await openBeneath(root, path)
      assert.equal(await readFile(found.path, 'utf8'), 'yes', path)
      assert.equal(found.isDirectory, false)
      await found.close()
    }
    for (const path of ['a/out', 'a/abs', 'a/abs/passwd', '../secret', 'a/../../secret', '/etc', 'a/loop']) {
      await assert.rejects(openBeneath(root, path), error => isReason(error, 'Forbidden'), path)
    }
    await assert.rejects(openBeneath(root, 'a/missing'), error => isReason(error, 'NotFound'))
    const made = await openBeneath(root, 'new/deep', { create: true })
    assert.equal(made.isDirectory, true)
    await made.close()
    assert.equal((await stat(join(root, 'new/deep'))).mode & 0o777, 0o750)
  }))

test('cpu shares become the weight the OCI runtimes use', () => {
  assert.deepEqual([2, 1024, 262144, 0].map(cpuWeightOf), [1, 39, 10000, 1])
})

test('a cgroup limits and counts its processes, and is removed with them', { skip: needsRoot }, async () => {
  const cgroups = await findCgroups()
  const top = `/kutter-test-${process.pid}`
  const pod = `${top}/kubepods/pod1`
  try {
    await cgroups.ensure(pod, { cpuShares: 512, cpuQuotaUs: 50_000, memoryBytes: 64 << 20, pids: 100 })
    assert.ok(await cgroups.exists(pod))
    assert.deepEqual(await cgroups.children(`${top}/kubepods`), ['pod1'])
    assert.deepEqual(await cgroups.children(`${top}/missing`), [])
    const child = spawn('sleep', ['600'])
    const ended = new Promise(resolve => child.on('exit', (_, signal) => resolve(signal)))
    const base = cgroups.version === 2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory'
    await writeFile(join(base, pod, 'cgroup.procs'), String(child.pid))
    assert.deepEqual(await cgroups.processes(top), [child.pid])
    const usage = await cgroups.usage(pod)
    assert.ok(usage && usage.memoryBytes >= 0)
    await assert.rejects(cgroups.remove(top), /cannot be removed/)
    await cgroups.remove(top, { kill: true })
    assert.equal(await ended, 'SIGKILL')
    assert.equal(await cgroups.exists(top), false)
    assert.equal(await cgroups.usage(pod), undefined)
  } finally {
    await cgroups.remove(top, { kill: true })
  }
})

test('cgroup v2 gets weights, quotas and limits in its own files', () =>
  inTemp(async dir => {
    await writeFile(join(dir, 'cgroup.controllers'), 'cpu memory pids\n')
    const cgroups = await findCgroups(dir)
    assert.equal(cgroups.version, 2)
    await cgroups.ensure('/a/b', { cpuShares: 1024, cpuQuotaUs: 50_000, memoryBytes: -1, pids: 10 })
    const read = (name: string) => readFile(join(dir, name), 'utf8')
    assert.equal(await read('cgroup.subtree_control'), '+cpu +memory +pids')
    assert.deepEqual(
      await Promise.all(['cpu.weight', 'cpu.max', 'memory.max', 'pids.max'].map(f => read(`a/b/${f}`))),
      ['39', '50000 100000', 'max', '10'],
    )
    await writeFile(join(dir, 'a/b/cpu.stat'), 'usage_usec 7\nuser_usec 5\n')
    await writeFile(join(dir, 'a/b/memory.current'), '1000\n')
    await writeFile(join(dir, 'a/b/memory.stat'), 'anon 300\ninactive_file 400\npgfault 2\npgmajfault 1\n')
    await writeFile(join(dir, 'a/b/pids.current'), '3\n')
    assert.deepEqual(await cgroups.usage('/a/b'), {
      cpuNs: 7000,
      memoryBytes: 1000,
      workingSetBytes: 600,
      rssBytes: 300,
      pageFaults: 2,
      majorPageFaults: 1,
      pids: 3,
    })
    await assert.rejects(cgroups.ensure('/'), /not the path of a cgroup/)
    await assert.rejects(cgroups.ensure('/a/../b'), /not the path of a cgroup/)
  }))

test('namespaces, links, addresses, routes and nft tables are created, listed and removed', {
  skip: needsRoot,
}, async () => {
  const ip = makeIp()
  const name = `kutter-test-${process.pid}`
  await ip.addNamespace(name)
  try {
    await ip.addNamespace(name)
    const inside = ip.inside(name)
    await inside.batch([
      'link add v0 type veth peer name v1',
      'addr add 10.9.0.1/24 dev v0',
      'link set v0 up',
      'link set v1 up',
    ])
    await inside.batch(['route add 10.10.0.0/16 via 10.9.0.2'])
    assert.deepEqual((await inside.links()).map(l => [l.name, l.kind, l.up]).slice(1), [
      ['v1', 'veth', true],
      ['v0', 'veth', true],
    ])
    assert.ok(
      (await inside.addresses()).some(a => a.address === '10.9.0.1' && a.prefixLength === 24 && a.link === 'v0'),
    )
    assert.ok((await inside.routes()).some(r => r.to === '10.10.0.0/16' && r.via === '10.9.0.2'))
    await assert.rejects(
      inside.batch(['link set v0 up', 'link set nope up']),
      /ip link set nope up: Cannot find device/,
    )

    assert.deepEqual([await hasLink('lo'), await hasLink('l'), await hasLink('v0')], [true, false, false])

    const nft = makeNft({ netns: `/run/netns/${name}` })
    assert.equal(await nft.list('ip', 'kutter'), undefined)
    await nft.apply('table ip kutter {\nchain c {\ntcp dport 80 accept\n}\n}\n')
    assert.deepEqual(await nft.tables(), ['ip kutter'])
    assert.deepEqual(
      (await nft.list('ip', 'kutter'))!.map(item => Object.keys(item)[0]),
      ['table', 'chain', 'rule'],
    )
    await assert.rejects(nft.apply('add table ip other\nadd rule ip kutter nochain accept'), /No such file/)
    assert.deepEqual(await nft.tables(), ['ip kutter'])
    // Long texts go to a process of their own, small ones to one that is kept: both refuse the whole text.
    const long = Array.from({ length: 500 }, (_, i) => `add element ip kutter s { 10.0.${i >> 8}.${i & 255} }`)
    await assert.rejects(
      nft.apply(`add set ip kutter s { type ipv4_addr ; }\n${long.join('\n')}\nadd nonsense`),
      /syntax/,
    )
    await assert.rejects(nft.apply('add set ip kutter s { type ipv4_addr ; }\nadd nonsense\n'), /syntax/)
    await nft.apply('add set ip kutter s { type ipv4_addr ; }\n')
    await Promise.all(long.slice(0, 20).map(line => nft.apply(`${line}\n`)))
    const items = (await nft.list('ip', 'kutter'))!
    const set = items.find(item => 'set' in item)!.set as { elem: string[] }
    assert.equal(set.elem.length, 20)
  } finally {
    await ip.deleteNamespace(name)
    await ip.deleteNamespace(name)
  }
  assert.ok(!(await ip.namespaces()).includes(name))
})
