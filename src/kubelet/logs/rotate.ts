// Rotates container logs: a log over 10 MiB is renamed, and the container continues in a new one. Four old logs are
// kept, all but the newest compressed. Source: kubernetes pkg/kubelet/logs/container_log_manager.go.
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { Runtime } from '../runtime/runtime.ts'

//   0.log                       written by the runtime
//   0.log.20260102-030405       the newest old one, not compressed since the runtime may still write its last lines
//   0.log.20260102-020405.gz    up to three older ones

const rotation = { maxBytes: 10 * 2 ** 20, files: 5, everyMs: 10_000 }

interface RotateOptions {
  runtime: Runtime
  workers: ReadonlyMap<string, PodWorker>
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Rotates the logs of all running containers every ten seconds, until `signal` aborts. */
export async function rotateLogs({ runtime, workers, clock, log, signal }: RotateOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(rotation.everyMs, signal)
    } catch {
      return
    }
    for (const worker of workers.values()) {
      for (const { id, state, logPath } of worker.seen.containers) {
        if (state !== 'running' || !logPath) continue
        try {
          if ((await sizeOf(logPath)) > rotation.maxBytes)
            await rotate(logPath, clock.now(), () => runtime.reopenLog(id))
        } catch (error) {
          log.warn('log not rotated', { path: logPath, why: messageOf(error) })
        }
      }
    }
  }
}

/**
 * Renames a log, lets the runtime begin a new one, and removes the oldest. If `reopen` fails, the log keeps its name.
 */
export async function rotate(path: string, now: number, reopen: () => Promise<void>): Promise<void> {
  const dir = dirname(path)
  const old = (await readdir(dir)).filter(name => name.startsWith(`${basename(path)}.`)).sort()
  for (const name of old.splice(0, Math.max(0, old.length - (rotation.files - 2))))
    await rm(join(dir, name), { force: true })
  for (const name of old) if (!name.endsWith('.gz') && !name.endsWith('.tmp')) await zip(join(dir, name))
  const stamp = new Date(now).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')
  const rotated = `${path}.${stamp.slice(0, 8)}-${stamp.slice(8)}`
  await rename(path, rotated)
  try {
    await reopen()
  } catch (error) {
    await rename(rotated, path)
    throw error
  }
}

async function zip(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.tmp`))
  await rename(`${path}.tmp`, `${path}.gz`)
  await rm(path)
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}
