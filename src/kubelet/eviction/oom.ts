// Reports processes that the kernel killed because the machine was out of memory, as events of the node. The kernel
// counts all kills; only when the count has grown its log is read, so that in quiet times one small file is. Kills at
// the limit of a container are no news of the node: the runtime reports them as OOMKilled.
// Source: kubernetes pkg/kubelet/oom/oom_watcher_linux.go, cadvisor utils/oomparser; the kernel's dev-kmsg.
import { constants, open, readFile } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { every } from '../node/node.ts'

interface Kill {
  /** Microseconds since the machine started. */
  atUs: number
  process: string
  pid: number
}

/**
 * The kills in records of the kernel's log that were for the sake of the whole machine.
 *
 *   6,1093,52148,-;oom-kill:constraint=CONSTRAINT_NONE,…,global_oom,task_memcg=/a,task=java,pid=321,uid=0
 */
export function machineKills(records: readonly string[]): Kill[] {
  return records.flatMap(record => {
    const found = /^\d+,\d+,(\d+),[^;]*;oom-kill:(.*),task=(.*),pid=(\d+),uid=\d+/.exec(record)
    if (!found) return []
    const [, at, how = '', process = '', pid] = found
    return how.includes(',oom_memcg=') ? [] : [{ atUs: Number(at), process, pid: Number(pid) }]
  })
}

interface WatchOptions {
  event: (reason: string, message: string) => void
  clock: Clock
  log: Log
  signal: AbortSignal
}

const everyMs = 10_000
/** The most records that are read at once; the kernel's log has about as many. */
const maxRecords = 20_000
/** The longest record of /dev/kmsg. */
const recordBytes = 8192

/** Watches until the signal aborts. A machine without a readable log is watched in vain. */
export async function watchOoms({ event, clock, log, signal }: WatchOptions): Promise<void> {
  let counted = await killCount()
  let seenUs = await uptimeUs()
  await every(clock, everyMs, signal, async () => {
    try {
      const count = await killCount()
      if (count === counted) return
      counted = count
      for (const { atUs, process, pid } of machineKills(await kernelLog())) {
        if (atUs <= seenUs) continue
        seenUs = atUs
        event('SystemOOM', `System OOM encountered, victim process: ${process}, pid: ${pid}`)
      }
    } catch (error) {
      log.warn('the log of the kernel could not be read', { why: messageOf(error) })
    }
  })
}

const killCount = async (): Promise<number> =>
  Number(/^oom_kill (\d+)/m.exec(await readFile('/proc/vmstat', 'utf8'))?.[1] ?? 0)

const uptimeUs = async (): Promise<number> => Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1e6

/** Every read returns one record, and EAGAIN after the last one. EPIPE means that records were lost in between. */
async function kernelLog(): Promise<string[]> {
  const file = await open('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
  const records: string[] = []
  try {
    const buffer = Buffer.alloc(recordBytes)
    for (let tries = 0; tries < maxRecords; tries++) {
      try {
        const { bytesRead } = await file.read(buffer, 0, recordBytes, null)
        const text = buffer.toString('utf8', 0, bytesRead)
        if (text.includes(';oom-kill:')) records.push(text)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') break
        if (code !== 'EPIPE') throw error
      }
    }
  } finally {
    await file.close()
  }
  return records
}
