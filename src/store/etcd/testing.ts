// A real etcd for tests: one member or several, in a directory of their own, on ports of loopback that were free.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../../base/clock.ts'
import { EtcdClient } from './client.ts'

/** Why there is no etcd to test with, for `skip`; false where there is one. */
export const noEtcd = spawnSync('etcd', ['--version']).error ? 'etcd is not installed' : false

interface EtcdMember {
  endpoint: string
  /** Starts it again, with the data it had. */
  start(): Promise<void>
  kill(signal?: NodeJS.Signals): void
  /** Stops it as it stands, or lets it go on. */
  pause(): void
  resume(): void
}

export interface EtcdCluster {
  endpoints: string[]
  members: EtcdMember[]
  stop(): void
}

/**
 * Starts a cluster of etcd, and returns when it answers. `stop` ends it and removes its data.
 * @param address where it listens
 */
export async function startEtcd(size = 1, extra: readonly string[] = [], address = '127.0.0.1'): Promise<EtcdCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-etcd-'))
  const ports = await freePorts(size * 2, address)
  const peers = Array.from({ length: size }, (_, i) => `m${i}=http://127.0.0.1:${ports[size + i]}`).join(',')
  const running = new Map<number, ChildProcess>()
  const start = async (i: number, wait = true) => {
    const endpoint = `${address}:${ports[i]}`
    const peer = `http://127.0.0.1:${ports[size + i]}`
    const args = ['--name', `m${i}`, '--data-dir', join(dir, `m${i}`), '--initial-cluster', peers]
    args.push('--listen-client-urls', `http://${endpoint}`, '--advertise-client-urls', `http://${endpoint}`)
    args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer)
    args.push('--max-request-bytes', String(16 << 20), '--logger', 'zap', '--log-level', 'error', ...extra)
    const before = running.get(i)
    // One that was killed has its port and the lock of its data until it is gone.
    if (before && before.exitCode === null && before.signalCode === null) await once(before, 'exit')
    running.set(i, spawn('etcd', args, { stdio: 'ignore' }))
    if (wait) await answering([endpoint])
  }
  const kill = (i: number, signal: NodeJS.Signals = 'SIGKILL') => void running.get(i)?.kill(signal)
  for (let i = 0; i < size; i++) await start(i, false)
  const endpoints = ports.slice(0, size).map(port => `${address}:${port}`)
  await answering(endpoints)
  return {
    endpoints,
    members: endpoints.map((endpoint, i) => ({
      endpoint,
      start: () => start(i),
      kill: signal => kill(i, signal),
      pause: () => kill(i, 'SIGSTOP'),
      resume: () => kill(i, 'SIGCONT'),
    })),
    stop() {
      for (const i of running.keys()) kill(i)
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function answering(endpoints: readonly string[]): Promise<void> {
  for (const endpoint of endpoints) {
    const client = new EtcdClient([endpoint])
    try {
      await client.call('range', { key: Buffer.from('x') })
    } finally {
      client.close()
    }
  }
}

async function freePorts(count: number, address: string): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map(server => new Promise<void>(done => server.listen(0, address, done))))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(done => server.close(done))))
  return ports
}

/** For waits of tests. */
export const soon = (ms: number) => realClock.sleep(ms)
